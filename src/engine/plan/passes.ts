/**
 * The compiler as a list. Read this first: a traced graph goes through `graphPasses` one after another, then through the
 * stages of `planProgram`, and comes out as a program that a code generator can run.
 */
import type { KernelTarget } from '../kernel/builder.ts'
import { usesBf16 } from '../trace/precision.ts'
import { graphBuffers, type Graph } from '../trace/trace.ts'
import { allocateArena } from './allocate.ts'
import { chunkRows } from './chunkRows.ts'
import { fuse } from './fuse.ts'
import { insertCopies } from './insertCopies.ts'
import type { BufferUse, BuiltKernel, LaunchSpec } from './launchSpec.ts'
import { lowerSteps } from './lower.ts'
import { importGraph, type PlanGraph } from './node.ts'
import { orderLaunches, withBuffers, type Unplaced } from './order.ts'
import type { BufferReference, Program } from './program.ts'
import { recompute } from './recompute.ts'
import { rematerialize } from './rematerialize.ts'
import { schedule } from './schedule.ts'
import {
  expandCompositions,
  padsToConcat,
  reduceLast,
  shareCommon,
  skipBroadcasts,
  transposeProducts,
} from './simplify.ts'
import { assignStorage, ownResults } from './storage.ts'

export interface GraphPass {
  readonly name: string
  readonly run: (graph: PlanGraph, options: PlanOptions) => PlanGraph
}

export const graphPasses: readonly GraphPass[] = [
  { name: 'expand compositions', run: expandCompositions },
  { name: 'share common subexpressions', run: shareCommon },
  { name: 'pads to concatenation', run: padsToConcat },
  { name: 'transpose products', run: transposeProducts },
  { name: 'reduce the last axis', run: reduceLast },
  { name: 'skip broadcasts', run: skipBroadcasts },
  { name: 'chunks of rows', run: (graph, { largestMatrix }) => chunkRows(graph, largestMatrix) },
  { name: 'share common subexpressions again', run: shareCommon },
  { name: 'copies where layouts do not suit', run: insertCopies },
  { name: 'own results', run: ownResults },
  { name: 'recompute', run: (graph, { recomputes }) => recompute(graph, recomputes === true) },
  { name: 'rematerialize', run: rematerialize },
]

export interface PlanOptions {
  /** Sees the graph after each pass: for printing, timing and snapshots. */
  readonly onPass?: (pass: string, graph: PlanGraph, milliseconds: number) => void
  /** Names of passes to leave out, to find the one that miscompiles. Those that later stages rely on cannot be. */
  readonly skip?: ReadonlySet<string>
  /** Bytes of the largest matrix that is not computed by chunks of its rows where it can be; 256 MiB unless told. */
  readonly largestMatrix?: number | undefined
  /** Computes activations again in the backward pass instead of keeping them, not only large ones; as the graph says unless told. */
  readonly recomputes?: boolean | undefined
  /** Bytes that launches write at most which are brought together where they need not wait for each other: `order.ts`. */
  readonly stretchBytes?: number | undefined
  /** Kernels of other programs for the same target, by their launches' keys; those built here join them. None unless told. */
  readonly built?: Map<string, BuiltKernel>
}

/** Throws for a graph with products in bf16 where the target has no way to compute them. */
export function planProgram(graph: Graph, target: KernelTarget, options: PlanOptions = {}): Program {
  if (target.bf16 === undefined && usesBf16(graph)) {
    throw new Error(`${graph.name} has products of bf16 numbers, which this target cannot multiply`)
  }
  let current = importGraph(graph)
  for (const pass of graphPasses) {
    if (options.skip?.has(pass.name)) continue
    const start = performance.now()
    current = pass.run(current, { ...options, recomputes: options.recomputes ?? graph.recomputes })
    options.onPass?.(pass.name, current, performance.now() - start)
  }
  const steps = schedule(current, fuse(current))
  const specs = lowerSteps(steps, assignStorage(current, steps), target)
  return assemble(graph, specs, options)
}

/** Puts the launches in order and gives every buffer its place. */
function assemble(graph: Graph, specs: readonly LaunchSpec[], { stretchBytes, built }: PlanOptions): Program {
  const { kernels, unplaced } = buildKernels(specs, built ?? new Map<string, BuiltKernel>())
  const { order, stages } = orderLaunches(kernels, unplaced, stretchBytes)
  const ordered = order.map((k) => unplaced[k]!)
  const arena = allocateArena(ordered, stages)
  const place = ({ storage, offset, access }: BufferUse): BufferReference => {
    const start = storage.name === undefined ? arena.offsets.get(storage)! : 0
    const within = { start, end: start + storage.bytes, writes: access === 'write' }
    return storage.name === undefined
      ? { space: 'arena', offset: start + offset, within }
      : { space: 'persistent', name: storage.name, offset, within }
  }
  const launches = ordered.map((launch) => withBuffers(launch, place))
  return {
    name: graph.name,
    kernels,
    launches,
    persistent: graphBuffers(graph).map(({ buffer, dtype, shape }) => ({ name: buffer, dtype, shape })),
    arenaBytes: arena.bytes,
    scratchBytes: Math.max(0, ...kernels.map((kernel) => kernel.scratchBytes)),
    flops: launches.reduce((sum, launch) => sum + launch.flops, 0),
  }
}

/** Builds each distinct kernel once, unless another program has it. */
function buildKernels(
  specs: readonly LaunchSpec[],
  built: Map<string, BuiltKernel>,
): { kernels: Program['kernels']; unplaced: Unplaced[] } {
  const numbers = new Map<BuiltKernel, number>()
  const unplaced = specs.map(({ key, build, buffers, label, flops, bytes }): Unplaced => {
    const one = built.get(key) ?? build()
    built.set(key, one)
    const kernel = numbers.get(one) ?? numbers.size
    numbers.set(one, kernel)
    return { kernel, units: one.units, grain: one.grain ?? 1, uses: buffers, label, flops, bytes }
  })
  return { kernels: [...numbers.keys()].map(({ kernel }) => kernel), unplaced }
}
