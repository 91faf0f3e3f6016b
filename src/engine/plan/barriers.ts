/**
 * Finds the launches that must wait for all threads: those of which a thread touches what another thread may have touched
 * in an unawaited launch, where one of the two writes. What a thread itself wrote earlier needs no waiting.
 */
import type { Kernel } from '../kernel/kernel.ts'
import { reachOf } from '../kernel/reach.ts'
import type { BufferReference, Launch, Program } from './program.ts'

/** Who does the units of a launch. */
export interface UnitShares {
  /** Thread t does units [bounds[t], bounds[t + 1]). */
  readonly bounds: readonly number[]
  /** Whether some units are done by whoever is free, so that nobody knows what a thread touches. */
  readonly isOpen: boolean
}

/** For each launch of a program whose units are shared in this way, whether all threads must meet before it. */
export function findBarriers(
  { kernels, launches }: Pick<Program, 'kernels' | 'launches'>,
  shares: readonly UnitShares[],
): boolean[] {
  const conflicts = new LaunchConflicts(kernels, launches, shares)
  let unawaited: number[] = []
  return launches.map((launch, k) => {
    const waits = launch.barrier === true || unawaited.some((earlier) => conflicts.between(earlier, k) === 'threads')
    if (waits) unawaited = []
    unawaited.push(k)
    return waits
  })
}

/** Which launches touch the same memory, one of them writing. */
export class LaunchConflicts {
  readonly #launches: readonly SharedLaunch[]

  constructor(kernels: Program['kernels'], launches: readonly Launch[], shares: readonly UnitShares[]) {
    const spaces = new Map<string, number>()
    const spaceOf = (buffer: BufferReference): number => {
      const name = buffer.space === 'arena' ? '' : buffer.name
      const space = spaces.get(name) ?? spaces.size
      spaces.set(name, space)
      return space
    }
    this.#launches = launches.map((launch, k) => {
      return new SharedLaunch(launch, kernels[launch.kernel]!, shares[k]!, spaceOf)
    })
  }

  /** `threads`: a thread would have to wait for another; `launches`: only for what it does itself; undefined: for nothing. */
  between(earlier: number, later: number): 'threads' | 'launches' | undefined {
    return this.#launches[earlier]!.conflictWith(this.#launches[later]!)
  }
}

/** Bytes of a space. */
interface Range {
  readonly start: number
  readonly end: number
}

const nothing: Range = { start: Infinity, end: -Infinity }

/** What each thread touches through one argument, and, in front of and behind each thread, what all those threads touch. */
interface ThreadRanges {
  readonly own: readonly Range[]
  readonly before: readonly Range[]
  readonly behind: readonly Range[]
}

/** What a launch may touch through one argument. */
interface Touched {
  /** A number of its own for the arena and each persistent buffer. */
  readonly space: number
  readonly whole: Range
  readonly writes: boolean
}

class SharedLaunch {
  readonly #launch: Launch
  readonly #kernel: Kernel
  readonly #shares: UnitShares
  readonly #ranges: ThreadRanges[] = []
  readonly #touched: readonly Touched[]
  /** A bit for each space, which some share: of those that it touches, and those that it writes. */
  readonly #touches: number
  readonly #writes: number

  constructor(launch: Launch, kernel: Kernel, shares: UnitShares, spaceOf: (buffer: BufferReference) => number) {
    this.#launch = launch
    this.#kernel = kernel
    this.#touched = launch.buffers.map((buffer) => {
      return { space: spaceOf(buffer), whole: wholeOf(buffer), writes: writes(buffer) }
    })
    this.#touches = bitsOf(this.#touched)
    this.#writes = bitsOf(this.#touched.filter(({ writes }) => writes))
    this.#shares = shares
  }

  conflictWith(other: SharedLaunch): 'threads' | 'launches' | undefined {
    if (((this.#touches & other.#writes) | (this.#writes & other.#touches)) === 0) return undefined
    let found: 'launches' | undefined
    // Asked for many thousand pairs: plain loops, and the likeliest reason to go on first.
    for (let i = 0; i < this.#touched.length; i++) {
      const a = this.#touched[i]!
      for (let j = 0; j < other.#touched.length; j++) {
        const b = other.#touched[j]!
        if (a.space !== b.space || !overlap(a.whole, b.whole) || !(a.writes || b.writes)) continue
        if (this.#shares.isOpen || other.#shares.isOpen) return 'threads'
        if (threadsMeet(this.#rangesOf(i), other.#rangesOf(j))) return 'threads'
        found = 'launches'
      }
    }
    return found
  }

  #rangesOf(argument: number): ThreadRanges {
    return (this.#ranges[argument] ??= this.#findRanges(argument))
  }

  #findRanges(argument: number): ThreadRanges {
    const { bounds } = this.#shares
    const buffer = this.#launch.buffers[argument]!
    const whole = wholeOf(buffer)
    const own = bounds.slice(1).map((end, t) => {
      if (bounds[t]! >= end) return nothing
      const { from, to } = reachOf(this.#kernel, bounds[t]!, end)[argument]!
      return { start: Math.max(whole.start, buffer.offset + from), end: Math.min(whole.end, buffer.offset + to) }
    })
    return { own, before: inFront(own), behind: inFront(own.toReversed()).toReversed() }
  }
}

function bitsOf(touched: readonly Touched[]): number {
  return touched.reduce((bits, { space }) => bits | (1 << (space % 32)), 0)
}

/** For each range, one around all in front of it. */
function inFront(ranges: readonly Range[]): Range[] {
  let all = nothing
  return ranges.map((range) => {
    const before = all
    all = { start: Math.min(all.start, range.start), end: Math.max(all.end, range.end) }
    return before
  })
}

/** Whether some thread touches, by its ranges in `a`, what another one touches by its ranges in `b`. */
function threadsMeet(a: ThreadRanges, b: ThreadRanges): boolean {
  return a.own.some((range, t) => overlap(range, b.before[t]!) || overlap(range, b.behind[t]!))
}

function overlap(a: Range, b: Range): boolean {
  return a.start < b.end && b.start < a.end
}

function wholeOf({ within }: BufferReference): Range {
  return within ?? { start: -Infinity, end: Infinity }
}
function writes({ within }: BufferReference): boolean {
  return within?.writes ?? true
}
