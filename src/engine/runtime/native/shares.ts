/** How the units of a launch are shared among threads. */
import type { Launch } from '../../plan/program.ts'

export interface Shares {
  /** The first units: each thread has its own part of them. */
  readonly fixed: number
  /** The others are taken this many at a time, by whoever is free. */
  readonly grain: number
  /** How many times. */
  readonly takes: number
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
