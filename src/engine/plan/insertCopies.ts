/** Makes every layout readable by those who read it. */
import type { Layout } from '../ir/layout.ts'
import { elementwiseCopy } from './copy.ts'
import { formOf } from './forms/index.ts'
import { resolve } from './layouts.ts'
import { rewrite, type PlanGraph } from './node.ts'

/**
 * Copies what strides cannot say, and operands that a form cannot read where they lie; afterwards `resolve` succeeds for
 * every node and every form reads its operands as they are.
 */
export function insertCopies(graph: PlanGraph): PlanGraph {
  return rewrite(graph, (node, inputs) => {
    const { lowering } = node.op
    if (lowering.kind === 'view') {
      const input = inputs[0]!
      if (lowering.view(resolve(input).layout, node.attributes, node.shape)) return undefined
      return { ...node, inputs: [elementwiseCopy(input)] }
    }
    if (lowering.kind !== 'form') return undefined
    const accepts = formOf(lowering.form).accepts
    const readable = (layout: Layout, k: number): boolean => isForward(layout) && accepts(k, layout, node)
    const kept = inputs.map((input, k) => (readable(resolve(input).layout, k) ? input : elementwiseCopy(input)))
    return kept.every((input, k) => input === inputs[k]) ? undefined : { ...node, inputs: kept }
  })
}

/** Forms walk from the first element on; flipped layouts they need not know. */
function isForward(layout: Layout): boolean {
  return layout.strides.every((stride) => stride >= 0)
}
