/**
 * What the weight decay of a run will do, from arithmetic alone and before any training: how much of the initial
 * weights it leaves, over how many steps the weights average, how large they settle, what published rules would
 * choose, and what to make of it.
 *
 *     explain(model.parameters, 'nanogpt', { weightDecay: 0.1, learningRates, steps: 2000, tokensPerStep: 768, beta1: 0.9 })
 */
import { totalParameters, type ParameterSpec } from '../nn/parameter.ts'
import { createForecaster, ratesOver, type Forecast } from './forecast.ts'
import { initialRms } from './initialRms.ts'
import { buildLedger, decayKey, type Ledger, type LedgerEntry, type LedgerRun } from './ledger.ts'
import type { Policy } from './policy.ts'
import { suggestWeightDecay, type Suggestion } from './suggest.ts'
import { judge, type Strength } from './verdict.ts'

export interface ExplainRun extends LedgerRun {
  /** Tokens of the training text, where known; says how often it is read. */
  readonly corpusTokens?: number
}

/** Decaying tensors of one λ, schedule and learning rate. */
export interface ExplainedGroup {
  readonly weightDecay: number
  readonly learningRateMultiplier: number
  /** The optimizer's own factor on the learning rate. */
  readonly learningRateFactor: number
  /** Name of the schedule that λ follows; null where it stays the same. */
  readonly decaySchedule: string | null
  readonly roles: readonly string[]
  readonly tensors: number
  readonly parameters: number
  readonly survival: number | null
  readonly timescaleSteps: number | null
  readonly equilibriumRms: number | null
  /** √mean(w²) of these tensors before the first step. */
  readonly initialRms: number
}

/** Plain JSON. The measures are those of the largest group of decaying tensors; `groups` has them all. */
export interface Explanation {
  readonly policy: string
  readonly form: string
  /** Why nothing is foretold, where the optimizer is the reason; else null. */
  readonly nothingForetold: string | null
  /** λ of the largest decaying group; 0 where nothing decays. */
  readonly weightDecay: number
  readonly learningRate: { readonly peak: number; readonly last: number; readonly sum: number }
  readonly steps: number
  readonly tokensPerStep: number | null
  readonly parameters: { readonly total: number; readonly decayed: number }
  /** ∏ (1 − lr_t·λ_t): exact, not its limit exp(−Σ lr_t·λ_t). Null where the form does not tell. */
  readonly survival: number | null
  /** exp(−Σ lr_t·λ_t), for comparison with tables that give it. */
  readonly survivalLimit: number | null
  /** Σ lr_t·λ_t, in e-folds. For other forms than `decoupled`, the sum of what each takes per step. */
  readonly sumLrDecay: number | null
  readonly halfLifeSteps: number | null
  readonly timescaleSteps: number | null
  readonly timescaleTokens: number | null
  readonly timescaleShare: number | null
  /** √(lr/2λ) at the peak. */
  readonly equilibriumRms: number | null
  readonly equilibriumRmsExact: number | null
  readonly initialRms: number | null
  /** Tokens of the run over all parameters; null where tokens per step are unknown. */
  readonly tokensPerParameter: number | null
  /** Passes over the training text; null where its length is unknown. */
  readonly epochs: number | null
  readonly groups: readonly ExplainedGroup[]
  readonly suggestions: readonly Suggestion[]
  readonly strength: Strength
  /** In words that one can act on. */
  readonly verdict: string
  /** What the numbers leave out. */
  readonly notes: readonly string[]
}

/** Explains the decay of `parameters` under `policy` for a run. Pure. Throws as `buildLedger` does. */
export function explain(parameters: readonly ParameterSpec[], policy: Policy | string, run: ExplainRun): Explanation {
  const rates = ratesOver(run)
  const checked = { ...run, learningRates: rates }
  const ledger = buildLedger(parameters, policy, checked)
  const total = totalParameters(parameters)
  const groups = decayingGroups(ledger, parameters)
  const main = groups.toSorted((a, b) => b.parameters - a.parameters)[0]
  const member = ledger.entries.find((entry) => main !== undefined && isIn(main, entry))
  const forecast = member ?? createForecaster(checked)({ weightDecay: 0 })
  const { tokensPerStep, corpusTokens, steps } = run
  const tokens = tokensPerStep === undefined ? null : tokensPerStep * steps
  const scale = main === undefined ? 1 : main.learningRateMultiplier * main.learningRateFactor
  const learningRate = ledger.learningRate.peak * scale
  const suggestions = suggestWeightDecay({ ...run, learningRate, parameters: total })
  const facts = {
    policy: ledger.policy,
    form: ledger.form,
    nothingForetold: run.nothingForetold ?? null,
    weightDecay: main?.weightDecay ?? 0,
    learningRate: { ...ledger.learningRate, last: rates.at(-1) ?? 0 },
    steps,
    tokensPerStep: tokensPerStep ?? null,
    parameters: { total, decayed: ledger.totals.decayed.parameters },
    ...measuresOf(forecast),
    initialRms: main?.initialRms ?? null,
    tokensPerParameter: tokens === null || total === 0 ? null : tokens / total,
    epochs: tokens === null || corpusTokens === undefined || corpusTokens === 0 ? null : tokens / corpusTokens,
    groups,
    suggestions,
  }
  const judged = judge({ ...facts, runWeightDecay: run.weightDecay })
  return { ...facts, ...judged, notes: notesOn(facts) }
}

type Measures = Pick<
  Explanation,
  | 'survival'
  | 'survivalLimit'
  | 'sumLrDecay'
  | 'halfLifeSteps'
  | 'timescaleSteps'
  | 'timescaleTokens'
  | 'timescaleShare'
  | 'equilibriumRms'
  | 'equilibriumRmsExact'
>

function measuresOf(forecast: Forecast): Measures {
  const { survival, sumDecay, halfLifeSteps, timescaleSteps, timescaleTokens, timescaleShare } = forecast
  const { equilibriumRms, equilibriumRmsExact } = forecast
  return {
    survival,
    survivalLimit: sumDecay === null ? null : Math.exp(-sumDecay),
    sumLrDecay: sumDecay,
    halfLifeSteps,
    timescaleSteps,
    timescaleTokens,
    timescaleShare,
    equilibriumRms,
    equilibriumRmsExact,
  }
}

function isIn(group: ExplainedGroup, entry: LedgerEntry): boolean {
  return decayKey(group) === decayKey(entry)
}

/** Decaying tensors by λ and multiplier, in order of first appearance. */
function decayingGroups(ledger: Ledger, specs: readonly ParameterSpec[]): ExplainedGroup[] {
  const inits = new Map(specs.map(({ name, init }) => [name, init]))
  const groups = new Map<string, LedgerEntry[]>()
  for (const entry of ledger.entries) {
    if (entry.weightDecay === 0) continue
    const key = decayKey(entry)
    groups.set(key, [...(groups.get(key) ?? []), entry])
  }
  return [...groups.values()].flatMap((members) => {
    const [first] = members
    if (first === undefined) return []
    const parameters = members.reduce((sum, member) => sum + member.parameters, 0)
    const squares = members.reduce((sum, member) => {
      const init = inits.get(member.name)
      return init === undefined ? sum : sum + member.parameters * initialRms(init) ** 2
    }, 0)
    const { weightDecay, learningRateMultiplier, learningRateFactor, decaySchedule } = first
    const { survival, timescaleSteps, equilibriumRms } = first
    return [
      {
        weightDecay,
        learningRateMultiplier,
        learningRateFactor,
        decaySchedule,
        roles: [...new Set(members.map(({ role }) => role))],
        tensors: members.length,
        parameters,
        survival,
        timescaleSteps,
        equilibriumRms,
        initialRms: Math.sqrt(squares / parameters),
      },
    ]
  })
}

function notesOn(
  facts: Pick<Explanation, 'survival' | 'survivalLimit' | 'equilibriumRms' | 'tokensPerStep'>,
): string[] {
  const { survival, survivalLimit, equilibriumRms, tokensPerStep } = facts
  return [
    ...(survival === null || survivalLimit === null || survival === 1
      ? []
      : [
          'Survival is the product ∏ (1 − lr_t·λ_t) over the steps; published tables often give its limit ' +
            `exp(−Σ lr_t·λ_t), here ${survivalLimit.toPrecision(3)}. It tells what decay alone leaves: gradients write over it.`,
        ]),
    'Steps count from 0, and step t of a warm-up over w steps has the learning rate peak·(t + 1)/(w + 1).',
    ...(tokensPerStep === null ? [] : ['Every step is taken to have the same number of tokens: no batch ramp.']),
    ...(equilibriumRms === null
      ? []
      : [
          'The equilibrium is that of an Adam-type optimizer under gradients that are pure noise, at the peak learning ' +
            'rate; it is reached after about half a timescale and sinks with the learning rate.',
        ]),
  ]
}
