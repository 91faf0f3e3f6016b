/**
 * Schedules: pure functions from a 0-based step to a value, here of a learning rate.
 *
 * All warm-ups are nanoGPT's: value(step) = peak · (step + 1) / (warmup + 1) while step < warmup, so that the first
 * step already moves and the step after the warm-up is the first at the peak (karpathy/nanoGPT train.py, get_lr).
 */

export type Schedule = (step: number) => number

export type ScheduleSpec =
  | { readonly kind: 'constant'; readonly peak: number; readonly warmup?: number }
  | ({ readonly kind: 'cosine' | 'linear' } & Ramp)
  | ({ readonly kind: 'warmup-stable-decay'; readonly decaySteps: number } & Ramp)
  | {
      readonly kind: 'inverse-square-root' | 'inverse-square-root-held'
      readonly peak: number
      readonly warmup: number
      readonly floor?: number
    }

interface Ramp {
  /** Highest value, reached right after the warm-up. */
  readonly peak: number
  /** Steps of linear warm-up; default 0. */
  readonly warmup?: number
  /** Step at which the floor is reached; it holds from then on. */
  readonly steps: number
  /** Lowest value after the warm-up; default 0. */
  readonly floor?: number
}

/** The schedule that the specification describes. Throws, naming the key, on NaN, negative or impossible values. */
export function createSchedule(spec: ScheduleSpec): Schedule {
  switch (spec.kind) {
    case 'constant':
      return constant(spec)
    case 'cosine':
      return warmupCosine(spec)
    case 'linear':
      return warmupLinear(spec)
    case 'warmup-stable-decay':
      return warmupStableDecay(spec)
    case 'inverse-square-root':
      return inverseSquareRoot(spec)
    case 'inverse-square-root-held':
      return heldInverseSquareRoot(spec)
  }
}

/** value = peak, after the warm-up. */
export function constant({ peak, warmup = 0 }: { peak: number; warmup?: number }): Schedule {
  checkRate('peak', peak)
  checkSteps('warmup', warmup)
  return (step) => (step < warmup ? warm(step, peak, warmup) : peak)
}

/**
 * Warm-up, then cosine to the floor; nanoGPT's get_lr to the letter:
 *
 *     step < warmup:  peak · (step + 1) / (warmup + 1)
 *     step >= steps:  floor
 *     otherwise:      floor + ½ (1 + cos(π (step − warmup) / (steps − warmup))) · (peak − floor)
 *
 * `steps` is its lr_decay_iters; nanoGPT asks step > steps, but the cosine is at the floor there anyway. A run
 * shorter than its warm-up never leaves it.
 */
export function warmupCosine(ramp: Ramp): Schedule {
  const { peak, warmup, steps, floor } = checkRamp(ramp)
  return (step) => {
    if (step < warmup) return warm(step, peak, warmup)
    if (step >= steps) return floor
    const share = (step - warmup) / (steps - warmup)
    return floor + 0.5 * (1 + Math.cos(Math.PI * share)) * (peak - floor)
  }
}

/** Warm-up, then a straight line to the floor: floor + (1 − (step − warmup)/(steps − warmup)) · (peak − floor). */
export function warmupLinear(ramp: Ramp): Schedule {
  const { peak, warmup, steps, floor } = checkRamp(ramp)
  return (step) => {
    if (step < warmup) return warm(step, peak, warmup)
    if (step >= steps) return floor
    return floor + (1 - (step - warmup) / (steps - warmup)) * (peak - floor)
  }
}

/** Warm-up, the peak, then a straight line to the floor over the last `decaySteps` steps. */
export function warmupStableDecay(ramp: Ramp & { readonly decaySteps: number }): Schedule {
  const { peak, warmup, steps, floor } = checkRamp(ramp)
  const { decaySteps } = ramp
  checkSteps('decaySteps', decaySteps)
  if (warmup + decaySteps > steps) {
    throw new RangeError(
      `Schedule: warmup (${warmup}) and decaySteps (${decaySteps}) together are longer than steps (${steps}).`,
    )
  }
  const start = steps - decaySteps
  return (step) => {
    if (step < warmup) return warm(step, peak, warmup)
    if (step >= steps) return floor
    return step <= start ? peak : floor + ((steps - step) / decaySteps) * (peak - floor)
  }
}

/** Warm-up, then peak · √(warmup / step), never below the floor (Vaswani et al. 2017 §5.3, scaled to its peak). */
export function inverseSquareRoot(spec: { peak: number; warmup: number; floor?: number }): Schedule {
  const { peak, warmup, floor = 0 } = spec
  checkRate('peak', peak)
  checkRate('floor', floor)
  checkSteps('warmup', warmup)
  const reference = Math.max(1, warmup)
  return (step) => {
    if (step < warmup) return warm(step, peak, warmup)
    return Math.max(floor, peak * Math.sqrt(reference / Math.max(step, reference)))
  }
}

/**
 * The peak for the first `warmup` steps, then peak · √(warmup / k) in step k, counted from 1: T5's and PaLM's
 * 1/√max(k, 10⁴) with the peak 0.01 (Raffel et al. 2020 §3.1.2; Chowdhery et al. 2022 §5). Never below the floor.
 */
export function heldInverseSquareRoot(spec: { peak: number; warmup: number; floor?: number }): Schedule {
  const { peak, warmup, floor = 0 } = spec
  checkRate('peak', peak)
  checkRate('floor', floor)
  checkSteps('warmup', warmup)
  const held = Math.max(1, warmup)
  return (step) => Math.max(floor, peak * Math.sqrt(held / Math.max(step + 1, held)))
}

/** The value at each of the run's steps. */
export function valuesOver(schedule: Schedule, steps: number): Float64Array {
  checkSteps('steps', steps)
  const values = new Float64Array(steps)
  for (let step = 0; step < steps; step++) values[step] = schedule(step)
  return values
}

function warm(step: number, peak: number, warmup: number): number {
  return (peak * (step + 1)) / (warmup + 1)
}

function checkRamp(ramp: Ramp): Required<Ramp> {
  const { peak, warmup = 0, steps, floor = 0 } = ramp
  checkRate('peak', peak)
  checkRate('floor', floor)
  checkSteps('warmup', warmup)
  checkSteps('steps', steps)
  if (floor > peak) {
    throw new RangeError(`Schedule: floor (${floor}) is above peak (${peak}); the value would rise instead of decay.`)
  }
  return { peak, warmup, steps, floor }
}

function checkRate(key: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return
  throw new RangeError(`Schedule: ${key} is ${value}; it must be a finite number, zero or more.`)
}

function checkSteps(key: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return
  throw new RangeError(`Schedule: ${key} is ${value}; it must be a whole number of steps, zero or more.`)
}
