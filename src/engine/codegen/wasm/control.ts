/**
 * The first bytes of a machine's memory: the words through which its threads meet. Generated code and the runtime agree on
 * them here. Words that one thread writes while others wait on them have a cache line (64 bytes) each.
 */

/** Byte addresses of 32-bit words. */
export const control = {
  /** Threads that have arrived at the current barrier. */
  arrived: 64,
  /** Counts completed barriers; threads wait for it to change. */
  generation: 128,
  /** Threads that sleep at the barrier, and must be notified. */
  sleepers: 192,
  /** Not zero where a thread has failed: the others must leave. */
  failed: 256,
  /** Counts commands to the workers; they sleep until it changes. */
  command: 320,
  /** What to do: see the runtime's `commands`. */
  action: 384,
  /** Arguments of `run`. */
  program: 388,
  table: 392,
  launches: 396,
  scratch: 400,
  scratchStride: 404,
  clocks: 408,
  /** Workers that have carried out the last command that wants an answer. */
  acknowledged: 448,
  /** Number of the launch that each thread is in: a word for each of up to `MAXIMUM_THREADS` threads. */
  launch: 512,
} as const

export const MAXIMUM_THREADS = 256

/** Memory from here on is for buffers, tables and code's data. */
export const CONTROL_BYTES = control.launch + 4 * MAXIMUM_THREADS

/** The launch table: one record of 32-bit words per launch; these are the words' byte offsets. */
export const launchRecord = {
  /** Index into the function table. */
  kernel: 0,
  /** Address of the argument table: one 32-bit address per buffer. */
  arguments: 4,
  /** 1 where all threads must meet before the launch. */
  barrier: 8,
  /** Unit boundaries: thread t does units [bounds[t], bounds[t + 1]). */
  bounds: 12,
} as const

export const launchRecordBytes = (threads: number): number => launchRecord.bounds + 4 * (threads + 1)
