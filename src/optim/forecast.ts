/**
 * What a λ will do over a run, from arithmetic alone.
 *
 * In every step decay takes a share s_t of a weight, which follows from the form of the decay (decayForms.ts), the
 * learning rate with the parameter's multiplier, its peak, and λ_t; for decoupled decay s_t = lr_t·λ_t. From these:
 *
 *     survival   = ∏ (1 − s_t)      share of the initial weights that decay alone leaves; exp(−Σ s_t) is its limit
 *     timescale  = 1 / max s_t      steps over which the weights average their updates (Wang & Aitchison 2025)
 *     half-life  = ln 2 · timescale
 *
 * Under `toward-init` s_t is taken of the distance to the initial weights, which therefore survive whole. Where s_t
 * depends on gradients or norms (L2 penalties, masks, target norms) nothing is foretold.
 */
import { resolveForm, type DecayForm, type DecayFormSpec } from './decayForms.ts'
import { valuesOver, type Schedule } from './schedule.ts'

/** What all parameters of a run share. */
export interface ForecastRun {
  /** One learning rate per step, or a schedule (0-based). */
  readonly learningRates: Schedule | ArrayLike<number>
  /** Length of the run in optimizer steps. */
  readonly steps: number
  /** Default `decoupled`. */
  readonly form?: DecayFormSpec
  /** What λ is multiplied with in each step; default 1 throughout. */
  readonly decaySchedule?: Schedule | ArrayLike<number>
  /** What the optimizer multiplies the learning rate with in a step, counted from 0; default 1 throughout. */
  readonly rateCorrection?: Schedule
  /** Why nothing can be foretold under this optimizer; default something can. */
  readonly nothingForetold?: string
  /** Tokens of one optimizer step, where a time is wanted in tokens too. */
  readonly tokensPerStep?: number
  /** β1 of an Adam-type optimizer. Without it no equilibrium is foretold: that of others depends on the gradients. */
  readonly beta1?: number
}

/** What parameters of one run may differ in. */
export interface ForecastCase {
  /** λ. */
  readonly weightDecay: number
  /** Default 1. */
  readonly learningRateMultiplier?: number
  /** What λ is multiplied with in each step, in place of the run's. */
  readonly decaySchedule?: Schedule
  /** For the form `corrected`: whether the layer's output does not depend on the scale of the weights; default true. */
  readonly normalised?: boolean
}

export interface Forecast {
  /** Null where the form does not tell. */
  readonly survival: number | null
  /** Σ s_t, in e-folds; null where the form does not tell. */
  readonly sumDecay: number | null
  /** These are null where nothing decays; in tokens, also where tokens per step are unknown. */
  readonly halfLifeSteps: number | null
  readonly halfLifeTokens: number | null
  readonly halfLifeShare: number | null
  readonly timescaleSteps: number | null
  readonly timescaleTokens: number | null
  /** Of the run; above 1 the run ends before the weights have averaged over one timescale. */
  readonly timescaleShare: number | null
  /** RMS of the weights' elements where decay and noise balance, at the step of strongest decay: √(lr/2λ). */
  readonly equilibriumRms: number | null
  /** The same with momentum and a finite timescale. */
  readonly equilibriumRmsExact: number | null
}

/** The forecast for one kind of parameter. */
export type Forecaster = (given: ForecastCase) => Forecast

const UNKNOWN: Forecast = {
  survival: null,
  sumDecay: null,
  halfLifeSteps: null,
  halfLifeTokens: null,
  halfLifeShare: null,
  timescaleSteps: null,
  timescaleTokens: null,
  timescaleShare: null,
  equilibriumRms: null,
  equilibriumRmsExact: null,
}
const NOTHING_DECAYS: Forecast = { ...UNKNOWN, survival: 1, sumDecay: 0 }

/** The form whose decay pulls the weights to where they began instead of to zero. */
const TOWARD_INITIAL = 'toward-init'

/**
 * Checks the run once and answers for any λ and multiplier, each worked out once. Throws RangeError for a learning
 * rate, factor, λ or multiplier that is negative or not a number, and where a list is not as long as the run; and
 * TypeError for an unknown form.
 */
export function createForecaster(run: ForecastRun): Forecaster {
  const rates = correctedRates(run)
  const form = resolveForm(run.form ?? 'decoupled')
  const factorsOf = (schedule: ForecastRun['decaySchedule']) => {
    return schedule === undefined ? null : stepValues('λ factor', schedule, run.steps)
  }
  const ofRun = factorsOf(run.decaySchedule)
  const known = new Map<ForecastRun['decaySchedule'], Map<string, Forecast>>()
  return ({ weightDecay, learningRateMultiplier = 1, normalised = true, decaySchedule }) => {
    checkValue('weightDecay', weightDecay)
    checkValue('learning-rate multiplier', learningRateMultiplier)
    const schedule = decaySchedule ?? run.decaySchedule
    const ofSchedule = known.get(schedule) ?? new Map<string, Forecast>()
    known.set(schedule, ofSchedule)
    const key = `${weightDecay} ${learningRateMultiplier} ${normalised}`
    const seen = ofSchedule.get(key)
    if (seen !== undefined) return seen
    const work = (): Forecast => {
      if (weightDecay === 0) return NOTHING_DECAYS
      if (run.nothingForetold !== undefined) return UNKNOWN
      const factors = schedule === run.decaySchedule ? ofRun : factorsOf(schedule)
      return forecastOf(run, form, walk(form, rates, factors, { weightDecay, learningRateMultiplier, normalised }))
    }
    const forecast = work()
    ofSchedule.set(key, forecast)
    return forecast
  }
}

/** The rates that step and decay take: as scheduled, unless the optimizer corrects them. */
function correctedRates(run: ForecastRun): Float64Array {
  const rates = ratesOver(run)
  const { rateCorrection } = run
  return rateCorrection === undefined ? rates : rates.map((rate, step) => rate * rateCorrection(step))
}

/** The learning rates of the run's steps, checked. Throws RangeError. */
export function ratesOver({ learningRates, steps }: Pick<ForecastRun, 'learningRates' | 'steps'>): Float64Array {
  return stepValues('learning rate', learningRates, steps)
}

interface Walk {
  readonly product: number
  readonly sum: number
  /** The largest shrink, and the highest learning rate of a step that has it. */
  readonly shrink: number
  readonly rate: number
}

/** Null where the form does not tell. */
function walk(
  form: DecayForm,
  rates: Float64Array,
  factors: Float64Array | null,
  { weightDecay, learningRateMultiplier, normalised }: Required<Omit<ForecastCase, 'decaySchedule'>>,
): Walk | null {
  const highest = learningRateMultiplier * highestOf(rates)
  // Where the learning rate is always 0, so is its ratio to the peak, whatever the peak.
  const peakLearningRate = highest === 0 ? 1 : highest
  let product = 1
  let sum = 0
  let shrink = 0
  let rate = 0
  // Plain loops here and below: published runs have a million steps.
  for (let step = 0; step < rates.length; step++) {
    const learningRate = learningRateMultiplier * rates[step]!
    const lambda = factors === null ? weightDecay : weightDecay * factors[step]!
    const taken = form.rate({ learningRate, peakLearningRate, weightDecay: lambda, normalised })
    if (taken === null) return null
    product *= 1 - taken
    sum += taken
    if (taken > shrink || (taken === shrink && learningRate > rate)) {
      shrink = taken
      rate = learningRate
    }
  }
  return { product, sum, shrink, rate }
}

function highestOf(rates: Float64Array): number {
  let highest = 0
  for (let step = 0; step < rates.length; step++) highest = Math.max(highest, rates[step]!)
  return highest
}

function forecastOf({ steps, tokensPerStep, beta1 }: ForecastRun, form: DecayForm, walked: Walk | null): Forecast {
  if (walked === null) return UNKNOWN
  const { product, sum, shrink, rate } = walked
  if (shrink === 0) return NOTHING_DECAYS
  const timescaleSteps = 1 / shrink
  const halfLifeSteps = Math.LN2 / shrink
  const inTokens = (count: number): number | null => (tokensPerStep === undefined ? null : count * tokensPerStep)
  const toInitial = form.name === TOWARD_INITIAL
  const balances = beta1 !== undefined && !toInitial
  return {
    survival: toInitial ? 1 : product,
    sumDecay: sum,
    halfLifeSteps,
    halfLifeTokens: inTokens(halfLifeSteps),
    halfLifeShare: halfLifeSteps / steps,
    timescaleSteps,
    timescaleTokens: inTokens(timescaleSteps),
    timescaleShare: timescaleSteps / steps,
    equilibriumRms: balances ? equilibriumRms(rate, shrink) : null,
    equilibriumRmsExact: balances ? equilibriumRmsExact(rate, shrink, beta1) : null,
  }
}

/**
 * √(lr²/2s), for decoupled decay √(lr/2λ): the RMS of a weight tensor's elements where an Adam-type optimizer's
 * noise and a shrink of s per step balance (Kosson, Messmer & Jaggi 2024). Null for s outside 0 < s < 2, where nothing
 * balances.
 */
export function equilibriumRms(learningRate: number, shrink: number): number | null {
  return shrink > 0 && shrink < 2 ? learningRate / Math.sqrt(2 * shrink) : null
}

/**
 * The same for updates that are themselves an average with weight β1, and a timescale that is not endless:
 *
 *     RMS² = lr² · (1−β1)/(1+β1) · (1+aβ1) / ((1−aβ1)(1−a²)),   a = 1 − s
 *
 * the variance of w ← a·w − lr·m, m ← β1·m + (1−β1)·g, with independent g of unit variance (v̂ = 1).
 */
export function equilibriumRmsExact(learningRate: number, shrink: number, beta1: number): number | null {
  if (!(shrink > 0 && shrink < 2)) return null
  const a = 1 - shrink
  const momentum = (1 - beta1) / (1 + beta1)
  const correlation = (1 + a * beta1) / ((1 - a * beta1) * (1 - a * a))
  return learningRate * Math.sqrt(momentum * correlation)
}

/**
 * The λ that takes the share `shrink` of a weight per step at this, the peak, learning rate; null where the form does
 * not tell or the learning rate is 0.
 */
export function weightDecayFor(form: DecayFormSpec, shrink: number, learningRate: number): number | null {
  if (learningRate === 0) return null
  const ofOne = resolveForm(form).rate({ learningRate, peakLearningRate: learningRate, weightDecay: 1 })
  return ofOne === null ? null : shrink / ofOne
}

/** ∏ (1 − lr_t · λ): the share of the initial weights that decoupled decay alone leaves. */
export function survivalOf(learningRates: ArrayLike<number>, weightDecay: number): number {
  let left = 1
  for (let step = 0; step < learningRates.length; step++) left *= 1 - (learningRates[step] ?? 0) * weightDecay
  return left
}

function stepValues(what: string, values: Schedule | ArrayLike<number>, steps: number): Float64Array {
  const list = typeof values === 'function' ? valuesOver(values, steps) : values
  if (list.length !== steps) {
    throw new RangeError(`${list.length} ${what}s were given for ${steps} steps; give one per step.`)
  }
  const checked = new Float64Array(steps)
  for (let step = 0; step < steps; step++) {
    const value = list[step]!
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new RangeError(`The ${what} at step ${step} is ${value}; it must be finite, zero or more.`)
    }
    checked[step] = value
  }
  return checked
}

function checkValue(key: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return
  throw new RangeError(`Forecast: ${key} is ${value}; it must be a finite number, zero or more.`)
}
