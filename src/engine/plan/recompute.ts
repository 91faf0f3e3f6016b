/**
 * Computes values of the forward pass again in the backward pass instead of keeping them: those made element by element
 * from values that are kept in any case. So an activation function's result and a normalised input, which the gradient of
 * the next product needs whole, live as long as one block's backward pass. Large values always: fetching them from memory
 * costs about what computing them again costs. Where a graph asks for it, the others too.
 */
import { sizeOf } from '../ir/node.ts'
import { isGradientScope } from '../ir/scope.ts'
import { NodeList, usersOf, type NodeTable, type PlanGraph, type PlanNode } from './node.ts'

/** Smaller values (one for each row or column) are kept: computing them again needs whole rows. */
const smallest = 4096

/** Elements from which a value is computed again without being asked: 8 MiB, far more than a core's share of the caches. */
const large = 2 ** 21

/** `all`: whether values that are not large are computed again, too. */
export function recompute(graph: PlanGraph, all: boolean): PlanGraph {
  return new Recomputation(graph, all ? smallest : large).run()
}

class Recomputation {
  readonly #graph: PlanGraph
  /** Elements from which a value is computed again. */
  readonly #from: number
  readonly #users: NodeTable<PlanNode[]>
  readonly #roots: ReadonlySet<PlanNode>
  readonly #list = new NodeList()
  /** By node: what the backward pass reads instead. */
  readonly #again = new Map<PlanNode, PlanNode>()
  readonly #available = new Map<PlanNode, boolean>()

  constructor(graph: PlanGraph, from: number) {
    this.#graph = graph
    this.#from = from
    this.#users = usersOf(graph)
    this.#roots = new Set([...graph.outputs.values(), ...graph.updates.values()])
  }

  run(): PlanGraph {
    const { name, nodes, outputs, updates } = this.#graph
    if (!nodes.some((node) => this.#isRecomputed(node))) return this.#graph
    for (const node of nodes) {
      const isBackward = isGradientScope(node.scope)
      const inputs = node.inputs.map((input) =>
        isBackward && this.#isRecomputed(input) ? this.#copy(input) : this.#list.get(input),
      )
      this.#list.set(node, this.#list.make(node, inputs))
    }
    return { ...this.#list.finish(name, outputs, updates), delayed: new Set(this.#again.values()) }
  }

  #isRecomputed(node: PlanNode): boolean {
    if (sizeOf(node.shape) < this.#from || isGradientScope(node.scope)) return false
    if (this.#roots.has(node) || !isFull(node)) return false
    // What only kernels of elementwise ops read is theirs to compute again.
    const isOperand = this.#isReadBackward(node, (user) => user.op.lowering.kind === 'form')
    return isOperand && node.inputs.every((input) => this.#isAvailable(input))
  }

  /** Whether a value can be had in the backward pass without keeping it for this purpose. */
  #isAvailable(node: PlanNode): boolean {
    let known = this.#available.get(node)
    if (known === undefined) {
      known =
        sizeOf(node.shape) < smallest ||
        node.op.lowering.kind === 'leaf' ||
        this.#isReadBackward(node) ||
        (isFull(node) && node.inputs.every((input) => this.#isAvailable(input)))
      this.#available.set(node, known)
    }
    return known
  }

  #isReadBackward(node: PlanNode, by: (user: PlanNode) => boolean = () => true): boolean {
    return this.#users.get(node)!.some((user) => {
      if (user.op.lowering.kind === 'view') return this.#isReadBackward(user, by)
      return isGradientScope(user.scope) && by(user)
    })
  }

  /** One copy for all readers, in front of the first, made of copies as far as nothing is kept. */
  #copy(node: PlanNode): PlanNode {
    let copy = this.#again.get(node)
    if (!copy) {
      const inputs = node.inputs.map((input) => {
        const isKept = !isFull(input) || (this.#isReadBackward(input) && !this.#isRecomputed(input))
        return isKept ? this.#list.get(input) : this.#copy(input)
      })
      copy = this.#list.make(node, inputs)
      this.#again.set(node, copy)
    }
    return copy
  }
}

function isFull(node: PlanNode): boolean {
  return node.op.lowering.kind === 'elementwise' && sizeOf(node.shape) >= smallest
}
