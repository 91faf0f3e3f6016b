/** The plan's own copy of a graph: a list of nodes in program order, rewritten pass by pass. */
import type { Attributes, DType, Shape } from '../ir/node.ts'
import { topologicalOrder } from '../ir/order.ts'
import type { OpRow, Tensor } from '../ops/row.ts'
import type { Graph } from '../trace/trace.ts'

export class PlanNode implements Tensor {
  readonly id: number
  readonly op: OpRow
  readonly inputs: readonly PlanNode[]
  readonly attributes: Attributes
  readonly scope: string
  readonly dtype: DType
  readonly shape: Shape

  constructor(id: number, from: Tensor, inputs: readonly PlanNode[]) {
    this.id = id
    this.op = from.op
    this.inputs = inputs
    this.attributes = from.attributes
    this.scope = from.scope
    this.dtype = from.dtype
    this.shape = from.shape
  }
}

/**
 * Nodes in an order in which they can be computed; every node is needed by an output or an update. Ids rise in that order,
 * from 0 and with few gaps.
 */
export interface PlanGraph {
  readonly name: string
  readonly nodes: readonly PlanNode[]
  readonly outputs: ReadonlyMap<string, PlanNode>
  readonly updates: ReadonlyMap<string, PlanNode>
  /** Nodes that are computed again for their one reader, and belong into its kernel. */
  readonly recomputed?: ReadonlySet<PlanNode>
  /** Nodes of the forward pass that are computed in the backward pass; not to be fused with what comes before that. */
  readonly delayed?: ReadonlySet<PlanNode>
}

/** Copies a traced graph. Tracing order is kept: forward, then backward, then the optimizer, each temporary short-lived. */
export function importGraph(graph: Graph): PlanGraph {
  const list = new NodeList()
  for (const node of topologicalOrder(graph)) list.add(node)
  return list.finish(graph.name, graph.outputs, graph.updates)
}

/**
 * Rebuilds a graph. `visit` sees each node with its rewritten inputs, in order, and returns what takes its place: undefined
 * to keep it, or a tensor, which may be new nodes over the given inputs. What nothing needs any more is dropped. A graph
 * where `concerns` holds for no node is returned as it is.
 */
export function rewrite(
  graph: PlanGraph,
  visit: (node: PlanNode, inputs: readonly PlanNode[]) => Tensor | undefined,
  concerns: (node: PlanNode) => boolean = () => true,
): PlanGraph {
  if (!graph.nodes.some(concerns)) return graph
  const list = new NodeList()
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => list.get(input))
    const replacement = visit(node, inputs)
    if (replacement === undefined) list.set(node, list.make(node, inputs))
    else list.set(node, list.add(replacement))
  }
  return list.finish(graph.name, graph.outputs, graph.updates)
}

/** Something of each node of a graph, by its id: graphs have thousands of nodes, and every pass asks for each many times. */
export class NodeTable<T> {
  readonly #values: T[] = []

  get(node: PlanNode): T | undefined {
    return this.#values[node.id]
  }

  set(node: PlanNode, value: T): void {
    this.#values[node.id] = value
  }
}

export class NodeList {
  readonly #nodes: PlanNode[] = []
  /** Nodes of another graph, by their ids, and what takes their place here. */
  readonly #old: PlanNode[] = []
  readonly #new: PlanNode[] = []
  /** The nodes for tensors that are of no graph. */
  readonly #map = new Map<Tensor, PlanNode>()

  get(tensor: Tensor): PlanNode {
    const node = this.#known(tensor)
    if (!node) throw new Error(`plan: ${tensor.op.name} [${tensor.shape.join(', ')}] is used before it is made`)
    return node
  }

  set(old: PlanNode, node: PlanNode): void {
    this.#old[old.id] = old
    this.#new[old.id] = node
  }

  make(from: Tensor, inputs: readonly PlanNode[]): PlanNode {
    const node = new PlanNode(this.#nodes.length, from, inputs)
    this.#nodes.push(node)
    return node
  }

  /** The node for a tensor; makes it and whatever it needs that is not in the list yet. */
  add(tensor: Tensor): PlanNode {
    if (this.#nodes[tensor.id] === tensor) return tensor as PlanNode
    const known = this.#known(tensor)
    if (known) return known
    const node = this.make(
      tensor,
      tensor.inputs.map((input) => this.add(input)),
    )
    this.#map.set(tensor, node)
    return node
  }

  finish(name: string, outputs: ReadonlyMap<string, Tensor>, updates: ReadonlyMap<string, Tensor>): PlanGraph {
    const resolve = (map: ReadonlyMap<string, Tensor>): Map<string, PlanNode> =>
      new Map([...map].map(([key, tensor]) => [key, this.get(tensor)]))
    const newOutputs = resolve(outputs)
    const newUpdates = resolve(updates)
    const needed = new Uint8Array(this.#nodes.length)
    for (const map of [newOutputs, newUpdates]) for (const { id } of map.values()) needed[id] = 1
    for (let k = needed.length - 1; k >= 0; k--) {
      if (needed[k] === 0) continue
      const { inputs } = this.#nodes[k]!
      for (let i = 0; i < inputs.length; i++) needed[inputs[i]!.id] = 1
    }
    const nodes = this.#nodes.filter(({ id }) => needed[id] === 1)
    return { name, nodes, outputs: newOutputs, updates: newUpdates }
  }

  #known(tensor: Tensor): PlanNode | undefined {
    return this.#old[tensor.id] === tensor ? this.#new[tensor.id] : this.#map.get(tensor)
  }
}

/** Who reads each node. */
export function usersOf(graph: PlanGraph): NodeTable<PlanNode[]> {
  const users = new NodeTable<PlanNode[]>()
  for (const node of graph.nodes) {
    const { inputs } = node
    users.set(node, [])
    for (let k = 0; k < inputs.length; k++) users.get(inputs[k]!)!.push(node)
  }
  return users
}
