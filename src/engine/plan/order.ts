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

/** What the launches of a stretch write, together: it should stay in the near caches until it is read. */
const mostWritten = 512 * 2 ** 10
/** A stage writes at most so many stretches' worth, as its temporaries share no memory: that would be another wait. */
const stretchesKept = 8
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
  for (const [start, end] of stretches(unplaced, stretchBytes)) {
    const levels = levelsOf(conflicts, start, end)
    const numbers = levels.map((_, k) => k).toSorted((a, b) => levels[a]! - levels[b]! || a - b)
    order.push(...numbers.map((k) => start + k))
  }
  const written = order.map((k) => bytesWritten(unplaced[k]!))
  return { order, stages: stagesOf(order, conflicts, written, stretchBytes * stretchesKept) }
}

/** Begins another stage where a launch must wait for all threads, and where a stage would write more than `mostBytes`. */
function stagesOf(
  order: readonly number[],
  conflicts: LaunchConflicts,
  written: readonly number[],
  mostBytes: number,
): number[] {
  let stage = 0
  let bytes = 0
  let members: number[] = []
  return order.map((launch, k) => {
    bytes += written[k]!
    if (bytes > mostBytes || members.some((member) => conflicts.between(member, launch) === 'threads')) {
      stage++
      bytes = written[k]!
      members = []
    }
    members.push(launch)
    return stage
  })
}

function bytesWritten({ uses }: Unplaced): number {
  return uses.reduce((sum, { storage, access }) => sum + (access === 'write' ? storage.bytes : 0), 0)
}

/** For each launch of a stretch, how many barriers must lie between the start of the stretch and it. */
function levelsOf(conflicts: LaunchConflicts, start: number, end: number): number[] {
  const levels: number[] = []
  for (let k = start; k < end; k++) {
    let level = 0
    for (let i = 0; i < levels.length; i++) {
      const known = levels[i]!
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
  for (const [k, launch] of launches.entries()) {
    const written = bytesWritten(launch)
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
