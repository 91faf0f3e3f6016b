/**
 * A user's exceptions to a decay policy: λ, its schedule and the learning rate's multiplier of single parameters, by
 * role or name.
 *
 *     λ of p  = the override that matches p, else λ of the run × the policy's answer
 *     lr of p = lr_t × the multiplier that matches p, else lr_t
 *
 * A frozen parameter is neither trained nor decayed, whatever matches it.
 */
import { decideAll, type Policy, type PolicyParameter } from './policy.ts'
import { matchPatterns, readPatterns, type PatternSource } from './patterns.ts'

export interface Overrides {
  /** λ by pattern, in place of the policy's: `embedding=0, *.ln_?.*=0.05`. Default none. */
  readonly decay?: PatternSource
  /** Multiplier of the learning rate by pattern: `embedding=0.1`. Default none, which is 1 for all. */
  readonly learningRateScale?: PatternSource
  /** Name of the schedule that λ follows by pattern, in place of the run's; default none. */
  readonly decaySchedules?: Readonly<Record<string, string>>
}

/** What is settled for one parameter. */
export interface ParameterDecay {
  /** λ; 0 when it does not decay. */
  readonly weightDecay: number
  /** The pattern or the policy's rule that decided, in words. */
  readonly reason: string
  readonly learningRateMultiplier: number
  /** The pattern that set the multiplier; null where none did. */
  readonly learningRateReason: string | null
  /** Name of the schedule that λ follows; null where it stays the same or nothing decays. */
  readonly decaySchedule: string | null
}

/**
 * λ and multiplier of every parameter, by name, in the order given. `weightDecay` is λ of the run, `decaySchedule` the
 * name of the schedule that it follows, null for none.
 * Throws PolicyError as `decideAll`, `readPatterns` and `matchPatterns` do.
 */
export function settleDecay(
  policy: Policy,
  parameters: readonly PolicyParameter[],
  weightDecay: number,
  overrides: Overrides = {},
  decaySchedule: string | null = null,
): ReadonlyMap<string, ParameterDecay> {
  const decisions = decideAll(policy, parameters)
  const match = (what: string, source: PatternSource = '') =>
    matchPatterns(what, readPatterns(what, source), parameters)
  const decays = match('decay', overrides.decay)
  const scales = match('learning-rate scale', overrides.learningRateScale)
  const named = Object.entries(overrides.decaySchedules ?? {}).map(([pattern, value]) => ({ pattern, value }))
  const schedules = matchPatterns('decay schedule', named, parameters)
  const settle = (parameter: PolicyParameter): ParameterDecay => {
    const { name, frozen } = parameter
    const decision = decisions.get(name)
    if (decision === undefined) throw new Error(`Policy "${policy.name}" gave no answer for "${name}".`)
    if (frozen === true) {
      const still = { learningRateMultiplier: 1, learningRateReason: null, decaySchedule: null }
      return { weightDecay: 0, reason: decision.reason, ...still }
    }
    const scale = scales.get(name)
    const multiplier = {
      learningRateMultiplier: scale?.value ?? 1,
      learningRateReason: scale === undefined ? null : `${scale.pattern}=${scale.value}`,
    }
    const own = decays.get(name)
    const lambda = own?.value ?? weightDecay * decision.multiplier
    const silenced = decision.multiplier > 0 && lambda === 0
    const rule = silenced ? `λ is 0 (rule: ${decision.reason})` : decision.reason
    return {
      weightDecay: lambda,
      reason: own === undefined ? rule : `override ${own.pattern}=${own.value} (rule: ${decision.reason})`,
      ...multiplier,
      decaySchedule: lambda === 0 ? null : (schedules.get(name)?.value ?? decaySchedule),
    }
  }
  return new Map(parameters.map((parameter) => [parameter.name, settle(parameter)]))
}
