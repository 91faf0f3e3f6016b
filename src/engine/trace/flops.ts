/** Floating-point operations by the rows' own counts. */
import { topologicalOrder } from '../ir/order.ts'
import type { Tensor } from '../ops/row.ts'
import type { Graph } from './trace.ts'

/** Of one node, its inputs not counted. */
export function nodeFlops(tensor: Tensor): number {
  return tensor.op.flops(tensor.inputs, tensor, tensor.attributes)
}

/** Of a graph as it was traced, each node once: whatever a plan computes twice does not count. */
export function graphFlops(graph: Graph): number {
  return topologicalOrder(graph).reduce((sum, tensor) => sum + nodeFlops(tensor), 0)
}
