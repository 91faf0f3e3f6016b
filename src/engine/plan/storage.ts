/** Decides which storage each node's value lives in: a named buffer, another node's storage, or a temporary of its own. */
import { contiguous } from '../ir/layout.ts'
import { sizeOf, sameShape } from '../ir/node.ts'
import { inputRow, stateRow } from '../ops/leaf.ts'
import { bufferName } from '../trace/trace.ts'
import { elementwiseCopy } from './copy.ts'
import { resolve } from './layouts.ts'
import type { Storage } from './launchSpec.ts'
import { PlanNode, type PlanGraph } from './node.ts'
import { basesOf, operandsOf, resultsOf, type Step } from './steps.ts'

const bytesPerElement = 4
/** From this size on a result takes over the storage of an operand that its step is the last to read. */
const consumedFrom = 2 ** 20

/** Gives each output and update a node of its own, so that its storage can be the named buffer. */
export function ownResults(graph: PlanGraph): PlanGraph {
  const taken = new Set<PlanNode>()
  const copies: PlanNode[] = []
  const firstId = (graph.nodes.at(-1)?.id ?? -1) + 1
  const own = (node: PlanNode): PlanNode => {
    const { kind } = node.op.lowering
    if (kind !== 'view' && kind !== 'leaf' && !taken.has(node)) {
      taken.add(node)
      return node
    }
    const copy = new PlanNode(firstId + copies.length, elementwiseCopy(node), [node])
    copies.push(copy)
    return copy
  }
  const owned = (map: ReadonlyMap<string, PlanNode>): Map<string, PlanNode> =>
    new Map([...map].map(([name, node]) => [name, own(node)]))
  const outputs = owned(graph.outputs)
  const updates = owned(graph.updates)
  return { ...graph, nodes: [...graph.nodes, ...copies], outputs, updates }
}

export interface StoragePlan {
  of(node: PlanNode): Storage
  /** Results that could not be written to their named buffer at once, because its old value was still to be read. */
  readonly late: readonly { readonly node: PlanNode; readonly to: Storage }[]
}

export function assignStorage(graph: PlanGraph, steps: readonly Step[]): StoragePlan {
  const storages = new Map<PlanNode, Storage>()
  const states = new Map<string, PlanNode>()
  for (const node of graph.nodes) {
    const name = node.attributes['name'] as string
    if (node.op === stateRow) {
      states.set(name, node)
      storages.set(node, named(name, node))
    } else if (node.op === inputRow) storages.set(node, named(bufferName(graph.name, name), node))
  }
  for (const [name, node] of graph.outputs) storages.set(node, named(bufferName(graph.name, name), node))
  const late: { node: PlanNode; to: Storage }[] = []
  const readers = readersOf(steps)
  const makers = makersOf(steps)
  for (const [name, node] of graph.updates) {
    const state = states.get(name)
    const to = state ? storages.get(state)! : named(name, node)
    if (!state || mayOverwrite(state, node, makers.get(node) ?? -1, steps, readers)) storages.set(node, to)
    else late.push({ node, to })
  }
  shareAccumulated(storages, steps, readers, graph)
  shareConsumed(storages, steps, readers, graph)
  const of = (node: PlanNode): Storage => {
    let storage = storages.get(node)
    if (!storage) {
      storage = { bytes: bytesOf(node) }
      storages.set(node, storage)
    }
    return storage
  }
  return { of, late }
}

function named(name: string, node: PlanNode): Storage {
  return { name, bytes: bytesOf(node) }
}

function bytesOf(node: PlanNode): number {
  return sizeOf(node.shape) * bytesPerElement
}

/** For each stored node, the indices of the steps that read it. */
function readersOf(steps: readonly Step[]): Map<PlanNode, number[]> {
  const readers = new Map<PlanNode, number[]>()
  for (const [index, step] of steps.entries()) {
    for (const base of basesOf(step)) {
      const known = readers.get(base)
      if (known) known.push(index)
      else readers.set(base, [index])
    }
  }
  return readers
}

/** For each stored node, the index of the last step that writes it. */
function makersOf(steps: readonly Step[]): Map<PlanNode, number> {
  const makers = new Map<PlanNode, number>()
  for (const [index, step] of steps.entries()) for (const node of resultsOf(step)) makers.set(node, index)
  return makers
}

/**
 * A new value may be written over the old one if nobody reads the old one later, and the writing step itself, if it reads
 * it, does so element by element at the same place.
 */
function mayOverwrite(
  state: PlanNode,
  node: PlanNode,
  maker: number,
  steps: readonly Step[],
  readers: ReadonlyMap<PlanNode, readonly number[]>,
): boolean {
  const reads = readers.get(state) ?? []
  if (reads.some((index) => index > maker)) return false
  if (!reads.includes(maker)) return true
  const step = steps[maker]!
  if (step.kind === 'form') return step.node.inputs[0] === state && accumulates(step.node)
  return (
    step.kind === 'fused' &&
    sameShape(step.space, node.shape) &&
    operandsOf(step).every((operand) => resolve(operand).base !== state || isWhole(operand, state))
  )
}

function isWhole(operand: PlanNode, state: PlanNode): boolean {
  const { layout } = resolve(operand)
  const dense = contiguous(state.shape)
  return layout.offset === 0 && sameShape(layout.shape, state.shape) && layout.strides.join() === dense.strides.join()
}

/** Whether a node is its first input with something added in place. */
function accumulates({ op: { lowering } }: PlanNode): boolean {
  return lowering.kind === 'form' && (lowering.form === 'scatterAdd' || lowering.form === 'matmulAdd')
}

/** A sum that is added to takes over its base's storage where nobody else needs the base. */
function shareAccumulated(
  storages: Map<PlanNode, Storage>,
  steps: readonly Step[],
  readers: ReadonlyMap<PlanNode, readonly number[]>,
  graph: PlanGraph,
): void {
  const roots = new Set([...graph.outputs.values(), ...graph.updates.values()])
  for (const [index, step] of steps.entries()) {
    if (step.kind !== 'form' || !accumulates(step.node)) continue
    const base = step.node.inputs[0]!
    const known = storages.get(base)
    const isTemporary =
      known?.name === undefined &&
      !storages.has(step.node) &&
      base.op.lowering.kind !== 'view' &&
      base.op.lowering.kind !== 'leaf'
    if (!isTemporary || roots.has(base) || readers.get(base)!.some((reader) => reader > index)) continue
    const storage = known ?? { bytes: bytesOf(base) }
    storages.set(base, storage)
    storages.set(step.node, storage)
  }
}

/**
 * A large result of a fused step takes over the storage of a temporary that is read for the last time there, element by
 * element at the same place: the gradient of a chunk of logits lies where the logits were.
 */
function shareConsumed(
  storages: Map<PlanNode, Storage>,
  steps: readonly Step[],
  readers: ReadonlyMap<PlanNode, readonly number[]>,
  graph: PlanGraph,
): void {
  const roots = new Set([...graph.outputs.values(), ...graph.updates.values()])
  /** For storage that several nodes share: the last step that reads or makes one of them. */
  const lastUse = new Map<Storage, number>()
  for (const [index, step] of steps.entries()) {
    for (const node of resultsOf(step)) {
      const storage = storages.get(node)
      if (storage) lastUse.set(storage, Math.max(lastUse.get(storage) ?? 0, index, ...(readers.get(node) ?? [])))
    }
  }
  for (const [index, step] of steps.entries()) {
    if (step.kind !== 'fused') continue
    for (const result of step.results) {
      if (storages.has(result) || roots.has(result) || bytesOf(result) < consumedFrom) continue
      if (!sameShape(result.shape, step.space)) continue
      const base = basesOf(step).find((node) => canTakeOver(node, result))
      if (!base) continue
      const storage = storages.get(base) ?? { bytes: bytesOf(base) }
      storages.set(base, storage)
      storages.set(result, storage)
      lastUse.set(storage, Math.max(index, ...(readers.get(result) ?? [])))
    }

    function canTakeOver(base: PlanNode, result: PlanNode): boolean {
      const { kind } = base.op.lowering
      const storage = storages.get(base)
      if (kind === 'view' || kind === 'leaf' || roots.has(base) || storage?.name !== undefined) return false
      if (base.dtype !== result.dtype || !sameShape(base.shape, result.shape)) return false
      if ((storage && lastUse.get(storage)! > index) || readers.get(base)!.some((reader) => reader > index))
        return false
      return operandsOf(step).every((operand) => resolve(operand).base !== base || isWhole(operand, base))
    }
  }
}
