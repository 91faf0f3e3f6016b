/** A graph as text, one node a line: number, type, op, inputs, attributes, scope. Stable for snapshots. */
import { describeType } from './describe.ts'
import type { Tensor } from '../ops/row.ts'
import type { Graph } from '../trace/trace.ts'
import { topologicalOrder } from './order.ts'
import type { Attributes } from './node.ts'

/** Nodes are numbered by their place in the graph, not by creation, so that unrelated tracing does not change the text. */
export function printGraph(graph: Graph): string {
  const order = topologicalOrder(graph)
  const numbers = new Map(order.map((tensor, number) => [tensor, `%${number}`]))
  const reference = (tensor: Tensor): string => numbers.get(tensor)!
  return [
    `graph ${graph.name}`,
    ...order.map((tensor) => `  ${reference(tensor)} = ${printTensor(tensor, reference)}`),
    ...[...graph.outputs].map(([name, tensor]) => `  output ${name} = ${reference(tensor)}`),
    ...[...graph.updates].map(([name, tensor]) => `  update ${name} = ${reference(tensor)}`),
    '',
  ].join('\n')
}

function printTensor(tensor: Tensor, reference: (tensor: Tensor) => string): string {
  const call = `${tensor.op.name}(${tensor.inputs.map(reference).join(', ')})`
  const attributes = printAttributes(tensor.attributes)
  const scope = tensor.scope === '' ? '' : `  # ${tensor.scope}`
  return `${describeType(tensor)} ${call}${attributes}${scope}`
}

function printAttributes(attributes: Attributes): string {
  const entries = Object.entries(attributes)
  if (entries.length === 0) return ''
  return ` {${entries.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ')}}`
}
