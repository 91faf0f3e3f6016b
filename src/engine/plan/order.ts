/**
 * Reorders launches so that threads wait for each other less often: within a stretch of launches that writes little, all
 * that need not wait for each other come together, before one barrier for all that wait for them.
 */
import { LaunchConflicts, type UnitShares } from './barriers.ts'
import type { BufferUse, Storage } from './launchSpec.ts'
import type { BufferReference, Launch, Program } from './program.ts'
import { evenBounds, sharesOf } from './shares.ts'

export interface Stages {
  /** The launches' numbers in their new order. */
  readonly order: readonly number[]
  /** By place in that order: launches of one stage may run at the same time. */
  readonly stages: readonly number[]
}

/**
 * What the launches of a stretch write, together: it should stay in the near caches until it is read, and temporaries are
 * kept that much longer.
 */
const mostWritten = 512 * 2 ** 10
/** Every pair of a stretch is looked at. */
const stretchLaunches = 256
/** Where units meet those of other launches depends on how they are shared; in halves, most often. */
const threads = 2

/** A launch before its buffers have addresses. */
export interface Unplaced extends Omit<Launch, 'buffers'> {
  readonly uses: readonly BufferUse[]
}

/** The launch with each of its buffers at its place. */
export function withBuffers({ uses, ...launch }: Unplaced, place: (use: BufferUse) => BufferReference): Launch {
  return { ...launch, buffers: uses.map(place) }
}

/** `stretchBytes`: what the launches of a stretch may write; a stretch has one launch at least. */
export function orderLaunches(
  kernels: Program['kernels'],
  unplaced: readonly Unplaced[],
  stretchBytes = mostWritten,
): Stages {
  const spaces = new Map<Storage | string, string>()
  const launches = unplaced.map((launch) => withBuffers(launch, (use) => ownSpace(use, spaces)))
  const conflicts = new LaunchConflicts(
    kernels,
    launches,
    launches.map((launch) => halves(launch)),
  )
  const order: number[] = []
  const stages: number[] = []
  let stage = 0
  for (const [start, end] of stretches(unplaced, stretchBytes)) {
    const levels = levelsOf(conflicts, start, end)
    const numbers = levels.map((_, k) => k).toSorted((a, b) => levels[a]! - levels[b]! || a - b)
    order.push(...numbers.map((k) => start + k))
    stages.push(...numbers.map((k) => stage + levels[k]!))
    stage += Math.max(...levels) + 1
  }
  return { order, stages }
}

/** For each launch of a stretch, how many barriers must lie between the start of the stretch and it. */
function levelsOf(conflicts: LaunchConflicts, start: number, end: number): number[] {
  const levels: number[] = []
  for (let k = start; k < end; k++) {
    let level = 0
    for (const [i, known] of levels.entries()) {
      if (known < level) continue
      const conflict = conflicts.between(start + i, k)
      if (conflict !== undefined) level = conflict === 'threads' ? known + 1 : known
    }
    levels.push(level)
  }
  return levels
}

function halves(launch: Launch): UnitShares {
  const { fixed, takes } = sharesOf(launch, threads)
  return { bounds: evenBounds(fixed, threads), isOpen: takes > 0 }
}

/** Every storage as a space of its own: where it will lie, and beside what, is not decided yet. */
function ownSpace({ storage, offset, access }: BufferUse, spaces: Map<Storage | string, string>): BufferReference {
  const key = storage.name ?? storage
  const name = spaces.get(key) ?? `${spaces.size}`
  spaces.set(key, name)
  return { space: 'persistent', name, offset, within: { start: 0, end: storage.bytes, writes: access === 'write' } }
}

/** Stretches [start, end) of launches, each as long as it may be. */
function stretches(launches: readonly Unplaced[], stretchBytes: number): [number, number][] {
  const found: [number, number][] = []
  let start = 0
  let bytes = 0
  for (const [k, { uses }] of launches.entries()) {
    const written = uses.reduce((sum, { storage, access }) => sum + (access === 'write' ? storage.bytes : 0), 0)
    if (k > start && (bytes + written > stretchBytes || k - start >= stretchLaunches)) {
      found.push([start, k])
      start = k
      bytes = 0
    }
    bytes += written
  }
  if (start < launches.length) found.push([start, launches.length])
  return found
}
