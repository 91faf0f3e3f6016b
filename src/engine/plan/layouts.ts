/** Says where the elements of every node lie: in storage of its own, or in another node's, seen through a view. */
import { contiguous, type Layout } from '../ir/layout.ts'
import type { Shape } from '../ir/node.ts'
import type { PlanNode } from './node.ts'

/** A node's elements: `layout` over the storage of `base`, which is not a view. */
export interface Resolved {
  readonly base: PlanNode
  readonly layout: Layout
}

/** Follows views down to the storage they look at. */
export function resolve(node: PlanNode): Resolved {
  const { lowering } = node.op
  if (lowering.kind !== 'view') return { base: node, layout: contiguous(node.shape) }
  const input = resolve(node.inputs[0]!)
  const layout = lowering.view(input.layout, node.attributes, node.shape)
  if (!layout) throw new Error(`plan: ${node.op.name} of [${node.inputs[0]!.shape.join(', ')}] has no layout`)
  return { base: input.base, layout }
}

/** The strides with which a tensor of `layout` is walked over a larger space that it broadcasts to. */
export function broadcastStrides(layout: Layout, space: Shape): number[] {
  const missing = space.length - layout.shape.length
  return space.map((_, axis) => {
    const own = axis - missing
    return own < 0 || layout.shape[own] === 1 ? 0 : layout.strides[own]!
  })
}

/** Whether the rows of a layout (all axes but the last) are equally far apart, so that it is a matrix. */
export function asMatrix(layout: Layout): { rows: number; columns: number; rowStride: number } | undefined {
  const columns = layout.shape.at(-1) ?? 1
  if (columns > 1 && layout.strides.at(-1) !== 1) return undefined
  let rows = 1
  let rowStride = 0
  for (let axis = layout.shape.length - 2; axis >= 0; axis--) {
    const size = layout.shape[axis]!
    if (size === 1) continue
    if (rows === 1) rowStride = layout.strides[axis]!
    else if (layout.strides[axis] !== rowStride * rows) return undefined
    rows *= size
  }
  return { rows, columns, rowStride: rows === 1 ? columns : rowStride }
}
