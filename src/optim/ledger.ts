/**
 * The decay ledger: for every tensor of a model whether it decays, why, how fast, and what that leaves of it.
 *
 * A pure function of the parameters, a policy with the user's exceptions, and the run's learning rates; it is printed
 * at the start, saved with the run, and compared between runs. Its measures (half-life, timescale, survival,
 * equilibrium) are those of forecast.ts, for λ and the learning-rate multiplier of each tensor.
 */
import { parameterCount, type Role } from '../nn/parameter.ts'
import { resolveForm } from './decayForms.ts'
import { createForecaster, ratesOver, type Forecast, type ForecastRun } from './forecast.ts'
import { settleDecay, type Overrides, type ParameterDecay } from './overrides.ts'
import { findPolicy, type Policy, type PolicyParameter } from './policy.ts'
import type { Schedule } from './schedule.ts'

export { survivalOf } from './forecast.ts'

export interface LedgerEntry extends ParameterDecay, Forecast {
  readonly name: string
  /** Other names of this tensor; it is counted and decayed once. */
  readonly aliases: readonly string[]
  readonly shape: readonly number[]
  readonly role: Role
  readonly parameters: number
  /** How λ acts, as `decoupled`; null where the tensor does not decay. */
  readonly form: string | null
  /** What the optimizer itself multiplies the learning rate with for this tensor, as Muon does for other than matrices. */
  readonly learningRateFactor: number
}

export interface LedgerCount {
  readonly tensors: number
  readonly parameters: number
}

/** Tensors of one role that share λ, its schedule and the learning rate. */
export interface LedgerRole extends LedgerCount {
  readonly role: Role
  readonly weightDecay: number
  readonly learningRateMultiplier: number
  readonly learningRateFactor: number
  readonly decaySchedule: string | null
  readonly halfLifeSteps: number | null
  readonly timescaleShare: number | null
  readonly survival: number | null
}

export interface Ledger {
  readonly policy: string
  /** λ of the run, before the policy's answer. */
  readonly weightDecay: number
  /** How λ acts, as `decoupled`. */
  readonly form: string
  /** Name of the schedule that λ follows where no pattern says otherwise; null where it stays the same. */
  readonly decaySchedule: string | null
  /** Highest learning rate of the run, and the sum over its steps. */
  readonly learningRate: { readonly peak: number; readonly sum: number }
  readonly steps: number
  /** Null where nobody said. */
  readonly tokensPerStep: number | null
  readonly totals: { readonly decayed: LedgerCount; readonly undecayed: LedgerCount }
  readonly roles: readonly LedgerRole[]
  readonly entries: readonly LedgerEntry[]
}

export interface LedgerRun extends ForecastRun {
  /** λ; finite, zero or more. */
  readonly weightDecay: number
  /** Exceptions to the policy; default none. */
  readonly overrides?: Overrides
  /** Schedules of λ by name, for `decaySchedule` and the overrides to refer to. */
  readonly schedules?: ReadonlyMap<string, Schedule>
  /** Name of the schedule that λ of the run follows; default none, which is 1 throughout. */
  readonly scheduleName?: string | null
  /** A factor of the optimizer's own on a parameter's learning rate; default 1. */
  readonly learningRateFactor?: (parameter: PolicyParameter) => number
}

/**
 * Builds the ledger of `parameters` under `policy` (a Policy or the name of one) for a run.
 * Throws PolicyError for an unknown policy, a repeated name, a nonsensical answer or an override that matches nothing
 * or disagrees with another, and RangeError for a λ, a learning rate or a number of steps that is negative or not a
 * number.
 */
export function buildLedger(parameters: readonly PolicyParameter[], policy: Policy | string, run: LedgerRun): Ledger {
  const { weightDecay, steps, tokensPerStep } = run
  if (!(Number.isFinite(weightDecay) && weightDecay >= 0)) {
    throw new RangeError(`Ledger: weightDecay is ${weightDecay}; it must be a finite number, zero or more.`)
  }
  const rates = ratesOver(run)
  const forecast = createForecaster({ ...run, learningRates: rates })
  const chosen = typeof policy === 'string' ? findPolicy(policy) : policy
  const form = resolveForm(run.form ?? 'decoupled').name
  const scheduleName = run.scheduleName ?? null
  const settled = settleDecay(chosen, parameters, weightDecay, run.overrides, scheduleName)
  const entries = parameters.map((parameter): LedgerEntry => {
    const decay = settled.get(parameter.name)
    if (decay === undefined) throw new Error(`Nothing was settled for "${parameter.name}".`)
    const learningRateFactor = run.learningRateFactor?.(parameter) ?? 1
    return {
      name: parameter.name,
      aliases: [...parameter.aliases],
      shape: [...parameter.shape],
      role: parameter.role,
      parameters: parameterCount(parameter.shape),
      ...decay,
      form: decay.weightDecay === 0 ? null : form,
      learningRateFactor,
      ...forecast({
        weightDecay: decay.weightDecay,
        learningRateMultiplier: decay.learningRateMultiplier * learningRateFactor,
        normalised: parameter.role === 'matrix',
        ...scheduleOf(decay.decaySchedule, run.schedules),
      }),
    }
  })
  return {
    policy: chosen.name,
    weightDecay,
    form,
    decaySchedule: scheduleName,
    learningRate: {
      peak: rates.reduce((highest, rate) => Math.max(highest, rate), 0),
      sum: rates.reduce((sum, rate) => sum + rate, 0),
    },
    steps,
    tokensPerStep: tokensPerStep ?? null,
    totals: {
      decayed: count(entries.filter((entry) => entry.weightDecay > 0)),
      undecayed: count(entries.filter((entry) => entry.weightDecay === 0)),
    },
    roles: byRole(entries),
    entries,
  }
}

function scheduleOf(name: string | null, schedules: LedgerRun['schedules']): { decaySchedule?: Schedule } {
  if (name === null) return {}
  const decaySchedule = schedules?.get(name)
  if (decaySchedule === undefined) throw new TypeError(`No schedule of λ is called "${name}".`)
  return { decaySchedule }
}

/** Tensors with the same key decay alike. */
export function decayKey(entry: {
  readonly weightDecay: number
  readonly learningRateMultiplier: number
  readonly learningRateFactor: number
  readonly decaySchedule: string | null
}): string {
  const { weightDecay, learningRateMultiplier, learningRateFactor, decaySchedule } = entry
  return [weightDecay, learningRateMultiplier, learningRateFactor, decaySchedule ?? ''].join(' ')
}

function count(entries: readonly LedgerEntry[]): LedgerCount {
  return { tensors: entries.length, parameters: entries.reduce((sum, entry) => sum + entry.parameters, 0) }
}

/** One row per role and decay: roles in order of first appearance, the strongest decay first within a role. */
function byRole(entries: readonly LedgerEntry[]): LedgerRole[] {
  const roles = new Map<Role, Map<string, LedgerEntry[]>>()
  for (const entry of entries) {
    const groups = roles.get(entry.role) ?? new Map<string, LedgerEntry[]>()
    roles.set(entry.role, groups)
    const key = decayKey(entry)
    const members = groups.get(key) ?? []
    groups.set(key, members)
    members.push(entry)
  }
  return [...roles].flatMap(([role, groups]) =>
    [...groups.values()]
      .map((members) => roleRow(role, members))
      .toSorted((a, b) => b.weightDecay - a.weightDecay || b.learningRateMultiplier - a.learningRateMultiplier),
  )
}

function roleRow(role: Role, members: readonly LedgerEntry[]): LedgerRole {
  const [first] = members
  if (first === undefined) throw new Error(`A group of role ${role} is empty.`)
  const { weightDecay, learningRateMultiplier, learningRateFactor, decaySchedule } = first
  const { halfLifeSteps, timescaleShare, survival } = first
  const decay = { weightDecay, learningRateMultiplier, learningRateFactor, decaySchedule }
  return { role, ...decay, ...count(members), halfLifeSteps, timescaleShare, survival }
}
