/** The precision of a graph's products, chosen after it is traced and differentiated. */
import { topologicalOrder } from '../ir/order.ts'
import { atScope } from '../ir/scope.ts'
import { createTensor } from '../ops/create.ts'
import { isBf16, type Precision } from '../ops/precision.ts'
import type { Tensor } from '../ops/row.ts'
import type { Graph } from './trace.ts'

/**
 * The same program with the operands of its matrix products and of attention, forward and backward, in this precision:
 * with `bf16` they are rounded before they are multiplied. Sums, everything else, and what is stored stay f32; so do
 * products that were asked for in fp32, and products by group.
 */
export function withPrecision(graph: Graph, precision: Precision): Graph {
  if (precision === 'fp32') return graph
  const made = new Map<Tensor, Tensor>()
  for (const tensor of topologicalOrder(graph)) {
    const { op, scope, attributes } = tensor
    const inputs = tensor.inputs.map((input) => made.get(input)!)
    const changed = op.roundsOperands ? { precision, ...attributes } : attributes
    made.set(
      tensor,
      atScope(scope, () => createTensor(op, inputs, changed)),
    )
  }
  const renewed = (map: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
    new Map([...map].map(([name, tensor]) => [name, made.get(tensor)!]))
  return { name: graph.name, outputs: renewed(graph.outputs), updates: renewed(graph.updates) }
}

/** Whether a graph has products of bf16 numbers. */
export function usesBf16(graph: Graph): boolean {
  return topologicalOrder(graph).some(({ attributes }) => isBf16(attributes))
}
