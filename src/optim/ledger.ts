/**
 * The decay ledger: for every tensor of a model whether it decays, why, how fast, and what that leaves of it.
 *
 * A pure function of the parameters, a policy and the run's learning rates; it is printed at the start, saved with
 * the run, and compared between runs. The three measures of one decay, for decoupled decay w ← w(1 − lr·λ) − …:
 *
 *     half-life  = ln 2 / (lr_peak · λ)      steps in which a weight that gets no gradient halves, at the peak
 *     timescale  = 1 / (lr_peak · λ)         steps over which the weights average their updates
 *     survival   = ∏ (1 − lr_t · λ)          share of the initial weights that is left when the run ends
 */
import { parameterCount, type Role } from '../nn/parameter.ts'
import { decideAll, findPolicy, type Policy, type PolicyParameter } from './policy.ts'
import { valuesOver, type Schedule } from './schedule.ts'

export interface LedgerEntry {
  readonly name: string
  /** Other names of this tensor; it is counted and decayed once. */
  readonly aliases: readonly string[]
  readonly shape: readonly number[]
  readonly role: Role
  readonly parameters: number
  /** λ for this tensor, 0 when it does not decay. */
  readonly weightDecay: number
  /** The rule that matched. */
  readonly reason: string
  /** In steps; null when nothing decays. */
  readonly halfLifeSteps: number | null
  /** In steps; null when nothing decays. */
  readonly timescaleSteps: number | null
  /** 1 when nothing decays. */
  readonly survival: number
}

export interface LedgerCount {
  readonly tensors: number
  readonly parameters: number
}

/** Tensors of one role that share one λ. */
export interface LedgerRole extends LedgerCount {
  readonly role: Role
  readonly weightDecay: number
  readonly halfLifeSteps: number | null
  readonly survival: number
}

export interface Ledger {
  readonly policy: string
  /** λ of the run, before the policy's answer. */
  readonly weightDecay: number
  /** Highest learning rate of the run, and the sum over its steps. */
  readonly learningRate: { readonly peak: number; readonly sum: number }
  readonly steps: number
  readonly totals: { readonly decayed: LedgerCount; readonly undecayed: LedgerCount }
  readonly roles: readonly LedgerRole[]
  readonly entries: readonly LedgerEntry[]
}

export interface LedgerRun {
  /** λ; finite, zero or more. */
  readonly weightDecay: number
  /** One learning rate per step, or a schedule. */
  readonly learningRates: Schedule | ArrayLike<number>
  /** Length of the run in optimizer steps. */
  readonly steps: number
}

/**
 * Builds the ledger of `parameters` under `policy` (a Policy or the name of one) for a run.
 * Throws PolicyError for an unknown policy, a repeated name or a nonsensical answer, and RangeError for a λ, a
 * learning rate or a number of steps that is negative or not a number.
 */
export function buildLedger(parameters: readonly PolicyParameter[], policy: Policy | string, run: LedgerRun): Ledger {
  const { weightDecay, steps } = run
  if (!(Number.isFinite(weightDecay) && weightDecay >= 0)) {
    throw new RangeError(`Ledger: weightDecay is ${weightDecay}; it must be a finite number, zero or more.`)
  }
  const rates = ratesOf(run)
  const peak = rates.reduce((highest, rate) => Math.max(highest, rate), 0)
  const effectOf = effects(rates, peak)
  const chosen = typeof policy === 'string' ? findPolicy(policy) : policy
  const decisions = decideAll(chosen, parameters)

  const entries = parameters.map((parameter): LedgerEntry => {
    const decision = decisions.get(parameter.name)
    if (decision === undefined) throw new Error(`Policy "${chosen.name}" gave no answer for "${parameter.name}".`)
    const lambda = weightDecay * decision.multiplier
    const silenced = decision.multiplier > 0 && lambda === 0
    return {
      name: parameter.name,
      aliases: [...parameter.aliases],
      shape: [...parameter.shape],
      role: parameter.role,
      parameters: parameterCount(parameter.shape),
      weightDecay: lambda,
      reason: silenced ? `λ is 0 (rule: ${decision.reason})` : decision.reason,
      ...effectOf(lambda),
    }
  })
  return {
    policy: chosen.name,
    weightDecay,
    learningRate: { peak, sum: rates.reduce((sum, rate) => sum + rate, 0) },
    steps,
    totals: {
      decayed: count(entries.filter((entry) => entry.weightDecay > 0)),
      undecayed: count(entries.filter((entry) => entry.weightDecay === 0)),
    },
    roles: byRole(entries),
    entries,
  }
}

/** ∏ (1 − lr_t · λ): the share of the initial weights that this decay alone leaves. */
export function survivalOf(learningRates: ArrayLike<number>, weightDecay: number): number {
  let left = 1
  for (let step = 0; step < learningRates.length; step++) left *= 1 - (learningRates[step] ?? 0) * weightDecay
  return left
}

function ratesOf({ learningRates, steps }: LedgerRun): Float64Array {
  const rates =
    typeof learningRates === 'function' ? valuesOver(learningRates, steps) : Float64Array.from(learningRates)
  if (rates.length !== steps) {
    throw new RangeError(`Ledger: ${rates.length} learning rates were given for ${steps} steps; give one per step.`)
  }
  const wrong = rates.findIndex((rate) => !(Number.isFinite(rate) && rate >= 0))
  if (wrong >= 0) {
    throw new RangeError(
      `Ledger: the learning rate at step ${wrong} is ${rates[wrong]}; it must be finite, zero or more.`,
    )
  }
  return rates
}

type Effect = Pick<LedgerEntry, 'halfLifeSteps' | 'timescaleSteps' | 'survival'>

/** Most tensors share one λ, so each product over the run is taken once. */
function effects(rates: Float64Array, peak: number): (lambda: number) => Effect {
  const known = new Map<number, Effect>()
  return (lambda) => {
    const seen = known.get(lambda)
    if (seen !== undefined) return seen
    const perStep = peak * lambda
    const effect: Effect =
      perStep === 0
        ? { halfLifeSteps: null, timescaleSteps: null, survival: 1 }
        : { halfLifeSteps: Math.LN2 / perStep, timescaleSteps: 1 / perStep, survival: survivalOf(rates, lambda) }
    known.set(lambda, effect)
    return effect
  }
}

function count(entries: readonly LedgerEntry[]): LedgerCount {
  return { tensors: entries.length, parameters: entries.reduce((sum, entry) => sum + entry.parameters, 0) }
}

/** One row per role and λ, in order of first appearance, decayed before undecayed within a role. */
function byRole(entries: readonly LedgerEntry[]): LedgerRole[] {
  const groups = new Map<Role, Map<number, LedgerEntry[]>>()
  for (const entry of entries) {
    const group = groups.get(entry.role) ?? new Map<number, LedgerEntry[]>()
    groups.set(entry.role, group)
    const members = group.get(entry.weightDecay) ?? []
    group.set(entry.weightDecay, members)
    members.push(entry)
  }
  return [...groups].flatMap(([role, group]) =>
    [...group]
      .toSorted(([a], [b]) => b - a)
      .map(([weightDecay, members]): LedgerRole => {
        const { halfLifeSteps, survival } = members[0] ?? { halfLifeSteps: null, survival: 1 }
        const { tensors, parameters } = count(members)
        return { role, weightDecay, tensors, parameters, halfLifeSteps, survival }
      }),
  )
}
