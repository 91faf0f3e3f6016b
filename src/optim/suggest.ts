/**
 * The λ that published rules would choose for a run. Each rule speaks of the timescale τ = 1/(lr·λ); λ follows from it
 * by the form of the decay at the peak learning rate.
 *
 *     Power Lines   τ / steps = 1.084 · (tokens / parameters)^−0.527
 *     EMA           one pass over the data ≤ τ ≤ the whole run
 *     quarter run   τ / steps = ¼, where decay plainly acts
 */
import type { DecayFormSpec } from './decayForms.ts'
import { weightDecayFor } from './forecast.ts'

export interface SuggestionRun {
  /** At its peak. */
  readonly learningRate: number
  readonly steps: number
  /** Default `decoupled`. */
  readonly form?: DecayFormSpec
  /** For Power Lines, with `parameters`. */
  readonly tokensPerStep?: number
  /** Of the model; tied tensors count once. */
  readonly parameters?: number
  /** Tokens of the training text, where it may be read more than once. */
  readonly corpusTokens?: number
}

export interface Suggestion {
  /** `ema-run` is the weakest λ of the EMA rule, `ema-epoch` the strongest. */
  readonly rule: 'power-lines' | 'ema-run' | 'ema-epoch' | 'quarter-run'
  readonly weightDecay: number
  readonly timescaleSteps: number
  /** Of the run. */
  readonly timescaleShare: number
  readonly source: string
  readonly caveat: string
}

/** Coefficient and exponent of Bergsma et al. 2025 (arXiv 2505.13738), "Power Lines". */
const POWER_LINES = { coefficient: 1.084, exponent: -0.527 } as const
/** Sizes of the models that the power law was fitted on. */
const POWER_LINES_SIZES = [111e6, 3.3e9] as const

/** The best timescale as a share of the run, by tokens per parameter: 1.084 · TPP^−0.527. */
export function powerLinesTimescale(tokensPerParameter: number): number {
  return POWER_LINES.coefficient * tokensPerParameter ** POWER_LINES.exponent
}

/** The rules that apply, in the order above; none where the form of the decay does not tell its strength. */
export function suggestWeightDecay(run: SuggestionRun): readonly Suggestion[] {
  return [...powerLines(run), ...ema(run), ...quarterRun(run)]
}

type Rule = Pick<Suggestion, 'rule' | 'source' | 'caveat'>

function suggestion(run: SuggestionRun, rule: Rule, timescaleSteps: number): readonly Suggestion[] {
  const weightDecay = weightDecayFor(run.form ?? 'decoupled', 1 / timescaleSteps, run.learningRate)
  if (weightDecay === null) return []
  return [{ ...rule, weightDecay, timescaleSteps, timescaleShare: timescaleSteps / run.steps }]
}

function powerLines(run: SuggestionRun): readonly Suggestion[] {
  const { steps, tokensPerStep, parameters } = run
  if (tokensPerStep === undefined || parameters === undefined || parameters === 0) return []
  const share = powerLinesTimescale((steps * tokensPerStep) / parameters)
  const [least, most] = POWER_LINES_SIZES
  const outside = parameters < least || parameters > most ? '; this model lies outside' : ''
  const caveat =
    'Fitted for one pass over the data, at the peak learning rate of μP with a straight descent to zero, on models of ' +
    `111M to 3.3B parameters${outside}. Elsewhere take it as the order of magnitude.`
  return suggestion(
    run,
    { rule: 'power-lines', source: 'Bergsma et al. 2025, arXiv 2505.13738', caveat },
    share * steps,
  )
}

const EMA_SOURCE = 'Wang & Aitchison 2025, arXiv 2405.13698'

function ema(run: SuggestionRun): readonly Suggestion[] {
  const { steps, tokensPerStep, corpusTokens } = run
  const longest = suggestion(
    run,
    {
      rule: 'ema-run',
      source: EMA_SOURCE,
      caveat: 'The weakest that still forgets the initial weights: a timescale much above the run keeps them.',
    },
    steps,
  )
  if (tokensPerStep === undefined || corpusTokens === undefined) return longest
  const epoch = corpusTokens / tokensPerStep
  if (epoch >= steps) return longest
  return [
    ...longest,
    ...suggestion(
      run,
      {
        rule: 'ema-epoch',
        source: EMA_SOURCE,
        caveat:
          'The strongest that still averages over all the data: a timescale much below one pass forgets some of it. ' +
          'With many passes over few data stronger decay has paid (Kim et al. 2025, arXiv 2509.14786: 30 times the usual λ).',
      },
      epoch,
    ),
  ]
}

const QUARTER = 0.25

function quarterRun(run: SuggestionRun): readonly Suggestion[] {
  return suggestion(
    run,
    {
      rule: 'quarter-run',
      source: 'definition; about what Power Lines gives at 20 tokens per parameter (0.22)',
      caveat: 'For seeing decay act, not for the lowest loss.',
    },
    QUARTER * run.steps,
  )
}
