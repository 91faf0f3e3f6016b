/**
 * How λ changes over a run: pure functions of the 0-based step, like learning-rate schedules, but free to rise. They
 * enter the step as run-time scalars, so that a schedule never recompiles.
 *
 * An optimizer multiplies a group's λ with its `decaySchedule`. Give weightDecay 1 for a schedule that holds λ itself,
 * or a schedule that starts from 1 for groups of several λ. A group with λ = 0 stays at 0 either way.
 */
import { inverseSquareRoot, warmupStableDecay, type Schedule } from './schedule.ts'

export type DecayScheduleSpec =
  | { readonly kind: 'constant'; readonly value: number }
  /** `from` at step 0 to `to` at step `steps`, either way up; `to` from then on. */
  | { readonly kind: 'linear' | 'cosine'; readonly from: number; readonly to: number; readonly steps: number }
  | {
      readonly kind: 'warmup-stable-decay'
      readonly peak: number
      readonly warmup?: number
      readonly steps: number
      readonly decaySteps: number
      readonly floor?: number
    }
  | { readonly kind: 'inverse-square-root'; readonly peak: number; readonly warmup: number; readonly floor?: number }
  | ({ readonly kind: 'three-phase' } & ThreePhases)

export interface ThreePhases {
  /** Held until step `hold`. */
  readonly from: number
  /** Reached at step `turn`. */
  readonly middle: number
  /** Reached at step `steps`; holds from then on. */
  readonly to: number
  readonly hold: number
  readonly turn: number
  readonly steps: number
}

/** The schedule that the specification describes. Throws, naming the key, on NaN, negative or impossible values. */
export function createDecaySchedule(spec: DecayScheduleSpec): Schedule {
  switch (spec.kind) {
    case 'constant':
      checkValue('value', spec.value)
      return () => spec.value
    case 'linear':
      return decayLinear(spec)
    case 'cosine':
      return decayCosine(spec)
    case 'warmup-stable-decay':
      return warmupStableDecay(spec)
    case 'inverse-square-root':
      return inverseSquareRoot(spec)
    case 'three-phase':
      return decayThreePhase(spec)
  }
}

interface Span {
  readonly from: number
  readonly to: number
  readonly steps: number
}

/** λ = from + (to − from)·min(step/steps, 1); Megatron's `linear` increment, marin's router decay. */
export function decayLinear({ from, to, steps }: Span): Schedule {
  checkSpan({ from, to, steps })
  return (step) => between(from, to, Math.min(step / steps, 1))
}

/** λ = from + (to − from)·½(1 − cos(π·min(step/steps, 1))); nanochat's falls to 0, Megatron's may only rise. */
export function decayCosine({ from, to, steps }: Span): Schedule {
  checkSpan({ from, to, steps })
  return (step) => between(from, to, (1 - Math.cos(Math.PI * Math.min(step / steps, 1))) / 2)
}

/** Holds, falls in a straight line, then rises (or the reverse); slowrun's 0.8 → 0.1 → 0.93 (qlabs-eng/slowrun tiny/train.py). */
export function decayThreePhase({ from, middle, to, hold, turn, steps }: ThreePhases): Schedule {
  checkValue('from', from)
  checkValue('middle', middle)
  checkValue('to', to)
  checkSteps('steps', steps)
  if (!(Number.isFinite(hold) && hold >= 0 && hold <= turn && turn <= steps)) {
    throw new RangeError(`Decay schedule: hold (${hold}), turn (${turn}) and steps (${steps}) must rise, from 0 on.`)
  }
  return (step) => {
    if (step <= hold) return from
    if (step < turn) return between(from, middle, (step - hold) / (turn - hold))
    if (step < steps) return between(middle, to, (step - turn) / (steps - turn))
    return to
  }
}

/**
 * λ = value·η_t/η_max: λ falls with the learning rate, so that `decoupled` becomes `corrected` for all parameters and
 * lr·λ falls with its square (modded-nanogpt). `peak` is the highest learning rate.
 */
export function tiedToLearningRate(value: number, learningRate: Schedule, peak: number): Schedule {
  checkValue('value', value)
  if (!(Number.isFinite(peak) && peak > 0)) {
    throw new RangeError(`Decay schedule: peak is ${peak}; it must be a finite learning rate above 0.`)
  }
  return (step) => (value * learningRate(step)) / peak
}

/**
 * λ = value·η_max/η_t: λ rises as the learning rate falls, so that lr·λ, the share that a step takes, stays the same. Where the learning rate is 0, λ is 0: no finite λ makes a step of it. `limit` caps λ.
 */
export function inverseToLearningRate(
  value: number,
  learningRate: Schedule,
  { peak, limit }: { readonly peak: number; readonly limit: number },
): Schedule {
  checkValue('value', value)
  checkValue('limit', limit)
  checkValue('peak', peak)
  return (step) => {
    const rate = learningRate(step)
    return rate > 0 ? Math.min((value * peak) / rate, limit) : 0
  }
}

function between(from: number, to: number, share: number): number {
  return from + (to - from) * share
}

function checkSpan({ from, to, steps }: Span): void {
  checkValue('from', from)
  checkValue('to', to)
  checkSteps('steps', steps)
}

function checkValue(key: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return
  throw new RangeError(`Decay schedule: ${key} is ${value}; it must be a finite number, zero or more.`)
}

function checkSteps(key: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return
  throw new RangeError(`Decay schedule: ${key} is ${value}; it must be a whole number of steps above 0.`)
}
