/** Checks that a graph is well formed. Run after each pass in tests. */
import type { Graph } from '../trace/trace.ts'
import { topologicalOrder } from './order.ts'
import { describeType } from './describe.ts'
import { sameShape } from './node.ts'

/**
 * Throws where an input is not older than its user, a node's type is not what its row infers, or attributes do not
 * survive JSON.
 */
export function verifyGraph(graph: Graph): void {
  for (const tensor of topologicalOrder(graph)) {
    const where = `${graph.name}: ${tensor.op.name} #${tensor.id}${tensor.scope === '' ? '' : ` in ${tensor.scope}`}`
    const younger = tensor.inputs.find((input) => input.id >= tensor.id)
    if (younger) throw new Error(`${where} uses #${younger.id} (${younger.op.name}), which was made after it`)
    const inferred = tensor.op.infer(tensor.inputs, tensor.attributes)
    if (inferred.dtype !== tensor.dtype || !sameShape(inferred.shape, tensor.shape)) {
      throw new Error(`${where} is ${describeType(tensor)}, but its row infers ${describeType(inferred)}`)
    }
    const text = JSON.stringify(tensor.attributes)
    if (JSON.stringify(JSON.parse(text)) !== text || Object.values(tensor.attributes).includes(undefined)) {
      throw new Error(`${where} has attributes that are not plain data: ${text}`)
    }
  }
}
