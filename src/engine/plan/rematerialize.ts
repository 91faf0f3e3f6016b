/**
 * Computes cheap values again instead of storing them: an elementwise node that reads at most one full-size tensor costs a
 * reader no more memory traffic than reading its stored value would. So a normalised activation is recomputed from x, mean
 * and deviation in the backward pass, and dropout masks are never stored.
 */
import { sizeOf } from '../ir/node.ts'
import { PlanNode, usersOf, type PlanGraph } from './node.ts'

const cheap = 4

export function rematerialize(graph: PlanGraph): PlanGraph {
  const users = usersOf(graph)
  const results = new Set([...graph.outputs.values(), ...graph.updates.values()])
  /** Of the nodes that read copies. */
  const inputsOf = new Map<PlanNode, PlanNode[]>()
  const nodes: PlanNode[] = []
  const copies = new Set<PlanNode>()
  // Users first, so that a copied reader makes its own inputs' readers more.
  for (const node of graph.nodes.toReversed()) {
    const all = users.get(node)!
    const readers = all.length < 2 || results.has(node) || !isCheap(node) ? [] : [...new Set(all)]
    if (readers.length < 2 || readers.some((user) => !fuses(user))) {
      nodes.push(node)
      continue
    }
    for (const reader of readers) {
      const copy = new PlanNode(node.id, node, node.inputs)
      copies.add(copy)
      nodes.push(copy)
      const own = inputsOf.get(reader) ?? [...reader.inputs]
      inputsOf.set(reader, own)
      for (const [k, input] of own.entries()) if (input === node) own[k] = copy
      for (const input of node.inputs) users.get(input)!.push(copy)
    }
    for (const input of node.inputs) {
      users.set(
        input,
        users.get(input)!.filter((user) => user !== node),
      )
    }
  }
  return rebuild(graph, nodes.toReversed(), inputsOf, copies)
}

function fuses(node: PlanNode): boolean {
  return node.op.lowering.kind === 'elementwise' || node.op.lowering.kind === 'reduce'
}

function isCheap(node: PlanNode): boolean {
  const { lowering } = node.op
  if (lowering.kind !== 'elementwise') return false
  const size = sizeOf(node.shape)
  if (size === 1) return false
  const full = node.inputs.filter((input) => sizeOf(input.shape) === size).length
  return full === 0 || (full === 1 && lowering.cost <= cheap)
}

function rebuild(
  graph: PlanGraph,
  order: readonly PlanNode[],
  inputsOf: ReadonlyMap<PlanNode, readonly PlanNode[]>,
  copies: ReadonlySet<PlanNode>,
): PlanGraph {
  const made = new Map<PlanNode, PlanNode>()
  const nodes: PlanNode[] = []
  const make = (node: PlanNode): void => {
    const inputs = inputsOf.get(node) ?? node.inputs
    // A copy stands right before its reader.
    for (const input of inputs) if (copies.has(input) && !made.has(input)) make(input)
    const copy = new PlanNode(
      nodes.length,
      node,
      inputs.map((input) => made.get(input)!),
    )
    made.set(node, copy)
    nodes.push(copy)
  }
  for (const node of order) if (!copies.has(node)) make(node)
  const moved = (map: ReadonlyMap<string, PlanNode>): Map<string, PlanNode> =>
    new Map([...map].map(([name, node]) => [name, made.get(node)!]))
  return {
    name: graph.name,
    nodes,
    outputs: moved(graph.outputs),
    updates: moved(graph.updates),
    recomputed: new Set([...copies].map((copy) => made.get(copy)!)),
    delayed: new Set([...(graph.delayed ?? [])].flatMap((node) => made.get(node) ?? [])),
  }
}
