import { z } from 'zod'
import type { Immutable } from './immutable.ts'

const rate = z.number().positive()
/** A pass over memory: sum of an array, a = b, a = b + s·c, a = b + s·a in place. */
const memoryPass = z.enum(['read', 'copy', 'triad', 'update'])
/** Lower and upper quartile. */
const quartiles = z.tuple([z.number().min(0), z.number().min(0)])

/** One kernel of a profiled step: all launches of one label, but for the numbers of blocks. */
export const profileRow = z.object({
  label: z.string(),
  /** Launches in a step. */
  launches: z.number().min(0),
  /** Of all of them together, in a step. */
  milliseconds: z.number().min(0),
  flops: z.number().min(0),
  bytes: z.number().min(0),
  /** Of the time of all kernels. */
  shareOfTime: z.number().min(0),
  /** Of the multiply-add peak or of the bandwidth, whichever it is nearer to; null where no ceiling was measured. */
  shareOfCeiling: z.number().min(0).nullable(),
  ceiling: z.enum(['peak', 'bandwidth']).nullable(),
})

/** What `train --profile-to` writes. */
export const stepProfileRecord = z.object({
  backend: z.string().min(1),
  description: z.string().min(1),
  threads: z.int().min(1),
  precision: z.enum(['fp32', 'bf16']),
  /** The watched steps, counted from 1. */
  first: z.int().min(1),
  last: z.int().min(1),
  /** Multiply-adds per second times two, and bytes per second; null for the interpreter. */
  peak: rate.nullable(),
  bandwidth: rate.nullable(),
  /** Per step, longest first. */
  kernels: z.array(profileRow),
})

const ceilings = z.object({
  backend: z.string().min(1),
  description: z.string().min(1),
  threads: z.int().min(1),
  /** Multiply-adds per second times two, medians over the whole run. */
  peakFp32: rate,
  peakFp32Quartiles: quartiles,
  /** Null with the reason where there is none. */
  peakBf16: rate.nullable(),
  withoutBf16: z.string().nullable(),
  /** Bytes per second of the fastest of the passes over memory. */
  bandwidth: rate,
  bandwidthOf: memoryPass,
  bandwidths: z.object({ read: rate, copy: rate, triad: rate, update: rate }),
})

/** What one mode of PyTorch took. */
const pytorchTimes = z.object({
  mode: z.enum(['eager', 'compiled']),
  medianMs: z.number().min(0),
  quartilesMs: quartiles,
  steps: z.int().min(1),
  /** The first step, with what it compiles. */
  readyMs: z.number().min(0),
})

export const benchResult = z.object({
  name: z.string().min(1),
  description: z.string(),
  precision: z.enum(['fp32', 'bf16']),
  backend: z.string().min(1),
  threads: z.int().min(1),
  medianMs: z.number().positive(),
  quartilesMs: quartiles,
  /** Timed steps. */
  steps: z.int().min(1),
  /** How many times as fast as on the fewest threads of this run (the median of the rounds), and on how many that was; null where these are they. */
  speedup: z.object({ over: z.int().min(1), ratio: z.number().positive() }).nullable(),
  /** Of a step, by the rows' own counts. */
  flops: z.number().min(0),
  flopsPerSecond: z.number().min(0),
  /** The median peak of its precision, measured in turn with its steps. */
  peak: rate,
  /** The median of the rounds, each with the peak of its own turn; `shareOfBandwidth` likewise. */
  shareOfPeak: z.number().min(0),
  /** Bytes that a step must move; null where multiply-adds are the limit. */
  bytes: z.number().positive().nullable(),
  bytesPerSecond: rate.nullable(),
  /** The pass that reads and writes in the same proportion, and its rate beside the steps. */
  bandwidthOf: memoryPass.nullable(),
  bandwidth: rate.nullable(),
  shareOfBandwidth: z.number().min(0).nullable(),
  /** Which of the two shares says how close it is to what the machine can do. */
  limit: z.enum(['peak', 'bandwidth']),
  /** Of that share, over the rounds. */
  shareQuartiles: quartiles,
  tokensPerSecond: rate.nullable(),
  compileMs: z.number().min(0),
  /** Temporary memory of the program. */
  arenaBytes: z.number().min(0),
  /** The median of PyTorch's faster mode; null where PyTorch did not run. */
  pytorchMs: z.number().positive().nullable(),
  pytorchMode: z.enum(['eager', 'compiled']).nullable(),
  /** PyTorch's time over halflife's, the median of the rounds. */
  ratio: z.number().positive().nullable(),
  ratioQuartiles: quartiles.nullable(),
  pytorch: z.array(pytorchTimes),
  /** With --profile. */
  profile: z.array(profileRow).nullable(),
})

/** What `bench --json` prints. */
export const benchRecord = z.object({
  machine: ceilings.extend({
    halflife: z.string(),
    node: z.string(),
    cpu: z.string(),
    cores: z.int().min(1),
    memoryBytes: z.number(),
    /** Version of torch; null where PyTorch did not run. */
    pytorch: z.string().nullable(),
    /** Of other backends that cases ran on. */
    others: z.array(ceilings),
  }),
  results: z.array(benchResult),
})

export type ProfileRecord = Immutable<z.infer<typeof profileRow>>
export type StepProfileRecord = Immutable<z.infer<typeof stepProfileRecord>>
export type CeilingsRecord = Immutable<z.infer<typeof ceilings>>
export type BenchResult = Immutable<z.infer<typeof benchResult>>
export type BenchRecord = Immutable<z.infer<typeof benchRecord>>
