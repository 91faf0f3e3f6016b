/**
 * Computes a matrix that is too large to be worth storing by chunks of its rows: the logits of a large vocabulary, whose
 * loss and whose gradient need each row once. What is made of the matrix row by row is done for one chunk, forward and
 * backward, before the next chunk begins:
 *
 *     z = x W          each chunk's rows of z                       no whole z exists
 *     per-row values   each chunk's rows, joined afterwards         the loss
 *     d V              each chunk's rows, joined afterwards         the gradient of x
 *     yᵀ d, dᵀ y       summed over the chunks, in their order       the gradient of W
 *
 * All sums keep their order, so every bit stays as it was; but for products in bf16, where other rows make up a pair.
 */
import { createTensor } from '../ops/create.ts'
import { concat } from '../ops/join.ts'
import { matmulRow } from '../ops/matmul.ts'
import { reshapeRow, slice, transpose, transposeRow } from '../ops/movement.ts'
import type { Tensor } from '../ops/row.ts'
import { matmulAdd } from './matmulAdd.ts'
import { NodeList, usersOf, type PlanGraph, type PlanNode } from './node.ts'

/** A matrix of more bytes is cut into chunks of at most half as many. */
export const largestMatrix = 256 * 2 ** 20
/** Fewer rows in a chunk would make its products slow. */
const fewestRows = 64
const floatBytes = 4

export function chunkRows(graph: PlanGraph, largest = largestMatrix): PlanGraph {
  let current = graph
  const refused = new Set<string>()
  for (;;) {
    const seed = current.nodes.find((node) => {
      if (node.op !== matmulRow || node.shape.length !== 2 || refused.has(nameOf(node))) return false
      const [rows, width] = node.shape
      return rows! * width! * floatBytes > largest && rows! >= 2 * fewestRows
    })
    if (!seed) return current
    const region = findRegion(current, seed)
    if (region) current = cut(current, region, largest)
    else refused.add(nameOf(seed))
  }
}

function nameOf({ scope, shape }: PlanNode): string {
  return `${scope} ${shape.join()}`
}

interface Region {
  readonly rows: number
  readonly width: number
  /** In order; the seed first. */
  readonly nodes: readonly PlanNode[]
  /** Nodes of the region that others need, and how their chunks are put together. */
  readonly exits: ReadonlyMap<PlanNode, 'join' | 'sum'>
  /** What the region needs of other nodes, with all that those need. */
  readonly before: ReadonlySet<PlanNode>
}

/** What can be computed by chunks of the seed's rows; undefined where the whole matrix is needed after all. */
function findRegion(graph: PlanGraph, seed: PlanNode): Region | undefined {
  const [rows, width] = seed.shape as readonly [number, number]
  const users = usersOf(graph)
  const members = new Set<PlanNode>([seed])
  const sums = new Set<PlanNode>()
  const ends = new Set<PlanNode>()
  const after = new Set<PlanNode>()
  for (const node of graph.nodes.slice(graph.nodes.indexOf(seed) + 1)) {
    const reads = node.inputs.some((input) => members.has(input) && !ends.has(input))
    const waits = node.inputs.some((input) => after.has(input) || ends.has(input))
    const kind = reads && !waits ? kindOf(node, rows, width, (input) => members.has(input)) : undefined
    if (kind) members.add(node)
    if (kind === 'end' || kind === 'sum') ends.add(node)
    if (kind === 'sum') sums.add(node)
    if (!kind && (reads || waits)) after.add(node)
  }
  addSources(graph, members, rows, width)
  const roots = new Set([...graph.outputs.values(), ...graph.updates.values()])
  const exits = new Map<PlanNode, 'join' | 'sum'>()
  for (const node of members) {
    if (!roots.has(node) && users.get(node)!.every((user) => members.has(user))) continue
    if (node.op === transposeRow || (!sums.has(node) && node.shape[1] === width && width > 1)) return undefined
    exits.set(node, sums.has(node) ? 'sum' : 'join')
  }
  const before = new Set<PlanNode>()
  const pending = [...members].flatMap(({ inputs }) => inputs.filter((input) => !members.has(input)))
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (members.has(node) || after.has(node)) return undefined
    if (before.has(node)) continue
    before.add(node)
    pending.push(...node.inputs)
  }
  return { rows, width, nodes: graph.nodes.filter((node) => members.has(node)), exits, before }
}

/** How a node that reads members belongs to the region: `end` and `sum` are results, which it does not look beyond. */
function kindOf(
  node: PlanNode,
  rows: number,
  width: number,
  isMember: (node: PlanNode) => boolean,
): 'inside' | 'end' | 'sum' | undefined {
  const { lowering } = node.op
  const [first, second] = node.inputs
  const isTransposed = (input: PlanNode): boolean => isMember(input) && input.op === transposeRow
  if (lowering.kind === 'elementwise' || lowering.kind === 'reduce' || node.op === reshapeRow) {
    const [length, columns] = node.shape
    const byRow = length === rows && (node.shape.length === 1 || columns === width || columns === 1)
    if (!byRow || node.shape.length > 2 || node.inputs.some(isTransposed)) return undefined
    if (lowering.kind === 'reduce')
      return node.shape.length === 2 && node.attributes['axis'] === 1 ? 'inside' : undefined
    return lowering.kind === 'elementwise' && countsRows(lowering.position, node) ? undefined : 'inside'
  }
  if (node.op === transposeRow) return first!.shape.length === 2 && !isTransposed(first!) ? 'inside' : undefined
  if (node.op !== matmulRow || node.shape.length !== 2 || isTransposed(second!)) return undefined
  if (isMember(first!) && !isTransposed(first!)) return isMember(second!) ? undefined : 'end'
  return 'sum'
}

/** Whether a node's value depends on the number of its row. */
function countsRows(position: 'linearIndex' | 'lastAxisIndex' | undefined, { shape }: PlanNode): boolean {
  return position === 'linearIndex' || (position === 'lastAxisIndex' && shape.length === 1)
}

/** Matrices that only the region reads, made element by element (where each target stands), are made by chunks too. */
function addSources(graph: PlanGraph, members: Set<PlanNode>, rows: number, width: number): void {
  const users = usersOf(graph)
  for (const node of graph.nodes.toReversed()) {
    const { lowering } = node.op
    const isElementwise = lowering.kind === 'elementwise' && !countsRows(lowering.position, node)
    const isMatrix = node.shape.length === 2 && node.shape[0] === rows && node.shape[1] === width
    if (!isElementwise || !isMatrix || members.has(node)) continue
    if (users.get(node)!.every((user) => members.has(user))) members.add(node)
  }
}

function cut(graph: PlanGraph, region: Region, largest: number): PlanGraph {
  const { rows, width, nodes, exits, before } = region
  const list = new NodeList()
  const keep = (node: PlanNode): void => {
    const inputs = node.inputs.map((input) => list.get(input))
    list.set(node, list.make(node, inputs))
  }
  const members = new Set(nodes)
  const first = graph.nodes.indexOf(nodes.find(({ op }) => op === matmulRow)!)
  const isEarly = (node: PlanNode, at: number): boolean => at < first || before.has(node)
  graph.nodes.forEach((node, at) => !members.has(node) && isEarly(node, at) && keep(node))
  const size = chunkSize(rows, width, largest)
  const pieces = new Map<PlanNode, PlanNode[]>([...exits.keys()].map((node) => [node, []]))
  for (let start = 0; start < rows; start += size) {
    const chunk = new Chunk(list, members, { rows, start, end: Math.min(start + size, rows) })
    for (const node of nodes) {
      const made = pieces.get(node)
      if (exits.get(node) === 'sum') made!.splice(0, 1, chunk.sum(node, made![0]))
      else chunk.node(node)
      if (exits.get(node) === 'join') made!.push(chunk.get(node))
    }
  }
  for (const [node, made] of pieces) {
    list.set(node, made.length === 1 ? made[0]! : list.add({ ...concat(made, 0), scope: node.scope }))
  }
  graph.nodes.forEach((node, at) => !members.has(node) && !isEarly(node, at) && keep(node))
  return list.finish(graph.name, graph.outputs, graph.updates)
}

/** Equal chunks where that costs no more than twice as many, so that they share their kernels. */
function chunkSize(rows: number, width: number, largest: number): number {
  const most = Math.max(fewestRows, Math.floor(largest / 2 / (width * floatBytes)))
  for (let size = Math.min(rows, most); size >= Math.max(fewestRows, most / 2); size--)
    if (rows % size === 0) return size
  return Math.min(rows, most)
}

/** The nodes of a region for rows [start, end). */
class Chunk {
  readonly #list: NodeList
  readonly #members: ReadonlySet<PlanNode>
  readonly #range: { readonly rows: number; readonly start: number; readonly end: number }
  readonly #made = new Map<PlanNode, PlanNode>()

  constructor(
    list: NodeList,
    members: ReadonlySet<PlanNode>,
    range: { readonly rows: number; readonly start: number; readonly end: number },
  ) {
    this.#list = list
    this.#members = members
    this.#range = range
  }

  get(node: PlanNode): PlanNode {
    return this.#made.get(node)!
  }

  node(node: PlanNode): void {
    const { attributes } = node
    const { start, end } = this.#range
    const isProduct = node.op === matmulRow
    const inputs = node.inputs.map((input, k) => {
      const isSame = isProduct ? k === 1 : input.shape.length !== node.shape.length
      return isSame && !this.#members.has(input) ? this.#list.get(input) : this.#rows(input, 0)
    })
    const own = 'shape' in attributes ? { ...attributes, shape: node.shape.with(0, end - start) } : attributes
    const made = node.op === transposeRow ? transpose(inputs[0]!) : createTensor(node.op, inputs, own)
    this.#made.set(node, this.#list.add({ ...made, scope: node.scope }))
  }

  /** A product over the region's rows, added to that of the chunks before. */
  sum(node: PlanNode, before: PlanNode | undefined): PlanNode {
    const [a, b] = [this.#rows(node.inputs[0]!, 1), this.#rows(node.inputs[1]!, 0)]
    const product = createTensor(matmulRow, [a, b], node.attributes)
    const sum = before ? matmulAdd(before, a, b, node.attributes) : product
    return this.#list.add({ ...sum, scope: node.scope })
  }

  /** An operand's rows of this chunk, which lie along `axis`; or the operand itself where it is the same for all rows. */
  #rows(input: PlanNode, axis: 0 | 1): Tensor {
    if (this.#members.has(input)) return this.get(input)
    const { rows, start, end } = this.#range
    const whole = this.#list.get(input)
    return input.shape[axis] === rows ? slice(whole, axis, start, end) : whole
  }
}
