/** How the units of a program's launches are shared among threads, and where the threads must wait for each other. */
import { findBarriers } from './barriers.ts'
import type { Launch, Program } from './program.ts'

export interface Shares {
  /** The first units: each thread has its own part of them. */
  readonly fixed: number
  /** The others are taken this many at a time, by whoever is free. */
  readonly grain: number
  /** How many times. */
  readonly takes: number
}

export interface LaunchShares extends Shares {
  /** Of the first units, thread t does [bounds[t], bounds[t + 1]). */
  readonly bounds: readonly number[]
  /** Whether all threads meet before the launch. */
  readonly barrier: boolean
}

/** Part of a launch that is left to whoever is free: covers a thread that gets half as much done as another. */
const free = 0.3
/** Rates of one slow thread, to estimate how long a launch takes. */
const flopsPerMicrosecond = 4e4
const bytesPerMicrosecond = 8e3
/** Taking units costs a cache line's way from one core to another, some 0.1 microseconds. */
const shortestTake = 8

/**
 * Which thread does which unit changes no result, so units may go to whoever comes first. Every thread can take the same
 * number of times: where a take is a tenth of the launch, one more than another's would be a tenth of waiting.
 */
export function sharesOf({ units, grain = 1, flops, bytes }: Launch, threads: number): Shares {
  const microseconds = Math.max(flops / flopsPerMicrosecond, bytes / bytesPerMicrosecond)
  const each = Math.max(grain, Math.ceil((units * shortestTake) / microseconds))
  const takes = Math.floor((units * free) / each / threads) * threads
  if (threads === 1 || !(takes > 0)) return { fixed: units, grain: 1, takes: 0 }
  return { fixed: units - takes * each, grain: each, takes }
}

/** Units [bounds[t], bounds[t + 1]) for thread t. */
export function evenBounds(units: number, threads: number): readonly number[] {
  return Array.from({ length: threads + 1 }, (_, thread) => Math.floor((thread * units) / threads))
}

/**
 * The shares of all launches of a program. `canTake`: whether threads can take units while they run; where they cannot, all
 * units have their thread beforehand.
 */
export function shareProgram(program: Program, threads: number, canTake: boolean): readonly LaunchShares[] {
  const shares = program.launches.map((launch) => sharesOf(launch, canTake ? threads : 1))
  const bounds = shares.map(({ fixed }) => evenBounds(fixed, threads))
  const barriers = findBarriers(
    program,
    shares.map(({ takes }, k) => ({ bounds: bounds[k]!, isOpen: takes > 0 })),
  )
  return shares.map(({ fixed, grain, takes }, k) => {
    return { fixed, grain, takes, bounds: bounds[k]!, barrier: barriers[k]! }
  })
}
