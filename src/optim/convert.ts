/**
 * From one framework's λ to another's: "λ = 0.1 in PyTorch at this learning rate and schedule is λ = … in Composer".
 *
 *     one step takes λ·k(η_t)                   k is η_t in PyTorch, η_t/η_max in Composer, 1 in t5x, η_t² for PaLM
 *     λ_to = λ_from · Σ k_from(η_t) / Σ k_to(η_t)
 *
 * so that the whole run takes the same Σ, and, where the two factors are in proportion, every single step does.
 */
import { DECAY_CONVENTIONS, type DecayConvention, type DecayConventionName } from './convertRows.ts'
import { nearest } from './nearest.ts'
import { valuesOver, type Schedule } from './schedule.ts'

export type { DecayConventionName } from './convertRows.ts'

export interface ConversionRequest {
  readonly weightDecay: number
  readonly from: DecayConventionName
  readonly to: DecayConventionName
  /** η_t over the run in `from`; a number is a constant rate. */
  readonly learningRate: Schedule | number
  readonly steps: number
  /** Peak in `to`, where the optimizer wants another one (Lion); the schedule's shape stays. Default: the same. */
  readonly targetPeak?: number
}

export interface Conversion {
  /** λ in `to`; null where none exists. */
  readonly weightDecay: number | null
  /** Every step takes the same share, not only the run as a whole. */
  readonly exact: boolean
  readonly equation: string
  /** The share that a step at the peak takes in `from` and in `to`. */
  readonly shareAtPeak: { readonly from: number | null; readonly to: number | null }
  /** What is left of the initial weights after the run, without gradients: ∏(1 − share). */
  readonly survival: { readonly from: number | null; readonly to: number | null }
  readonly caveats: readonly string[]
}

export const decayConventionNames = Object.keys(DECAY_CONVENTIONS) as readonly DecayConventionName[]

/** The frameworks' meanings by name. */
export const decayConventions: Readonly<Record<DecayConventionName, DecayConvention>> = DECAY_CONVENTIONS

/**
 * λ in another framework, for this learning rate and schedule. Throws TypeError for an unknown framework and
 * RangeError for a negative or NaN λ, a run of no steps, or learning rates that are all 0.
 */
export function convertWeightDecay(request: ConversionRequest): Conversion {
  const { weightDecay, from, to, targetPeak } = request
  const source = findConvention(from)
  const target = findConvention(to)
  if (!(Number.isFinite(weightDecay) && weightDecay >= 0)) {
    throw new RangeError(`weightDecay is ${weightDecay}; it must be a finite number, zero or more.`)
  }
  const rates = ratesOf(request)
  const peak = rates.reduce((highest, rate) => Math.max(highest, rate), 0)
  if (!(peak > 0)) throw new RangeError(`The learning rate is 0 over all ${request.steps} steps; nothing decays.`)
  const fromFactors = factorsOf(source, rates, peak)
  const targetScale = (targetPeak ?? peak) / peak
  const toFactors = factorsOf(
    target,
    rates.map((rate) => rate * targetScale),
    peak * targetScale,
  )
  if (!fromFactors || !toFactors) return untranslatable(source, target)
  const ratio = total(fromFactors) / total(toFactors)
  const converted = weightDecay * ratio
  const exact = fromFactors.every((factor, t) => Math.abs(factor - ratio * toFactors[t]!) <= 1e-9 * Math.abs(factor))
  const atPeak = rates.indexOf(peak)
  return {
    weightDecay: converted,
    exact,
    equation: target.equation,
    shareAtPeak: { from: weightDecay * fromFactors[atPeak]!, to: converted * toFactors[atPeak]! },
    survival: { from: survival(fromFactors, weightDecay), to: survival(toFactors, converted) },
    caveats: [
      ...(exact
        ? []
        : ['equal over the whole run only: the two follow the schedule differently, so single steps differ.']),
      ...[source.caveat, target.caveat].filter((caveat) => caveat !== ''),
    ],
  }
}

/** The same λ in every framework, in the table's order. */
export function convertToAll(
  request: Omit<ConversionRequest, 'to' | 'targetPeak'>,
): readonly { readonly to: DecayConventionName; readonly conversion: Conversion }[] {
  return decayConventionNames.map((to) => ({ to, conversion: convertWeightDecay({ ...request, to }) }))
}

function findConvention(name: string): DecayConvention {
  const known = decayConventionNames.find((candidate) => candidate === name)
  if (known !== undefined) return decayConventions[known]
  const near = nearest(name, decayConventionNames)
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  throw new TypeError(`Unknown framework "${name}". ${guess}The frameworks are: ${decayConventionNames.join(', ')}.`)
}

function ratesOf({ learningRate, steps }: ConversionRequest): Float64Array {
  if (!(Number.isSafeInteger(steps) && steps > 0)) {
    throw new RangeError(`steps is ${steps}; it must be a whole number above 0.`)
  }
  const rates = valuesOver(typeof learningRate === 'number' ? () => learningRate : learningRate, steps)
  const wrong = rates.findIndex((rate) => !(Number.isFinite(rate) && rate >= 0))
  if (wrong < 0) return rates
  throw new RangeError(
    `The learning rate of step ${wrong} is ${rates[wrong]}; it must be a finite number, zero or more.`,
  )
}

function factorsOf({ factor }: DecayConvention, rates: Float64Array, peak: number): Float64Array | undefined {
  return factor === null ? undefined : rates.map((learningRate) => factor({ learningRate, peak }))
}

function untranslatable(source: DecayConvention, target: DecayConvention): Conversion {
  const nothing = { from: null, to: null }
  const caveats = [source, target].filter(({ factor }) => factor === null).map(({ caveat }) => caveat)
  return {
    weightDecay: null,
    exact: false,
    equation: target.equation,
    shareAtPeak: nothing,
    survival: nothing,
    caveats,
  }
}

function total(factors: Float64Array): number {
  return factors.reduce((sum, factor) => sum + factor, 0)
}

function survival(factors: Float64Array, weightDecay: number): number {
  return factors.reduce((left, factor) => left * (1 - weightDecay * factor), 1)
}
