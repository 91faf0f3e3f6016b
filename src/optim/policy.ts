/**
 * Which parameters decay: named policies, each a pure function of one parameter.
 *
 * A policy answers for every parameter exactly once; a tied tensor is one parameter with aliases, and a frozen one
 * never decays whatever the policy says. The answers for a whole model are its ledger (ledger.ts).
 */
import type { ParameterSpec } from '../nn/parameter.ts'
import { nearest } from './nearest.ts'
import { POLICY_ROWS, type PolicyClause, type PolicyName } from './policyTable.ts'

/** What a policy may look at. */
export type PolicyParameter = Pick<ParameterSpec, 'name' | 'shape' | 'role' | 'aliases' | 'frozen'>

export interface DecayAnswer {
  /** true: the run's λ. false: none. A number multiplies the run's λ. */
  readonly decays: boolean | number
  /** The rule that matched, in words. */
  readonly reason: string
}

export interface Policy {
  readonly name: string
  /** One line for lists and help. */
  readonly description: string
  /** Paper, repository or document that the rule was read in. */
  readonly source: string
  /** λ that the source uses when nothing else is said; null where it names none. For information: a run states its own. */
  readonly usualWeightDecay: number | null
  readonly decide: (parameter: PolicyParameter) => DecayAnswer
}

/** A policy's answer after checks: what λ is multiplied with for this parameter. */
export interface DecayDecision {
  readonly multiplier: number
  readonly reason: string
}

/** A wrong policy name or a policy that answers nonsense; `hint` says what to do. */
export class PolicyError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.name = 'PolicyError'
    this.hint = hint
  }
}

export const policyNames = Object.keys(POLICY_ROWS) as readonly PolicyName[]

/** All named policies. */
export const policies: Readonly<Record<PolicyName, Policy>> = Object.fromEntries(
  policyNames.map((name) => {
    const { clauses, ...row } = POLICY_ROWS[name]
    return [name, { name, ...row, decide: (parameter: PolicyParameter) => firstMatch(name, clauses, parameter) }]
  }),
) as Record<PolicyName, Policy>

/** The policy of that name; throws PolicyError with the known names and the nearest one. */
export function findPolicy(name: string): Policy {
  const known = policyNames.find((candidate) => candidate === name)
  if (known !== undefined) return policies[known]
  const near = nearest(name, policyNames)
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  throw new PolicyError(`Unknown decay policy "${name}".`, `${guess}The policies are: ${policyNames.join(', ')}.`)
}

/**
 * Asks the policy about each parameter once. Keys are parameter names, in the order given.
 * Throws PolicyError when a name or alias stands for two tensors, or when a user's policy answers something other
 * than true, false or a finite multiplier of zero or more.
 */
export function decideAll(policy: Policy, parameters: readonly PolicyParameter[]): Map<string, DecayDecision> {
  refuseRepeatedNames(parameters)
  return new Map(parameters.map((parameter) => [parameter.name, decide(policy, parameter)]))
}

/** One checked answer. A frozen parameter never decays. */
export function decide(policy: Policy, parameter: PolicyParameter): DecayDecision {
  if (parameter.frozen === true) return { multiplier: 0, reason: 'frozen: neither trained nor decayed' }
  const { decays, reason } = policy.decide(parameter)
  const multiplier = typeof decays === 'boolean' ? Number(decays) : decays
  if (typeof multiplier !== 'number' || !Number.isFinite(multiplier) || multiplier < 0) {
    throw new PolicyError(
      `Policy "${policy.name}" answered decays = ${String(decays)} for "${parameter.name}".`,
      'A policy answers true, false, or a finite multiplier of λ that is zero or more.',
    )
  }
  return { multiplier, reason }
}

function refuseRepeatedNames(parameters: readonly PolicyParameter[]): void {
  const owners = new Map<string, string>()
  for (const { name, aliases } of parameters) {
    for (const label of [name, ...aliases]) {
      const owner = owners.get(label)
      if (owner !== undefined) {
        throw new PolicyError(
          `"${label}" stands for two parameters: "${owner}" and "${name}".`,
          'Give tied tensors as one parameter with aliases, and every parameter a name of its own.',
        )
      }
      owners.set(label, name)
    }
  }
}

function firstMatch(policy: string, clauses: readonly PolicyClause[], parameter: PolicyParameter): DecayAnswer {
  const clause = clauses.find(({ when }) => when === undefined || matches(when, parameter))
  if (clause === undefined) throw new Error(`Policy "${policy}" has no answer for "${parameter.name}".`)
  return { decays: clause.decays, reason: clause.reason }
}

function matches(when: NonNullable<PolicyClause['when']>, parameter: PolicyParameter): boolean {
  const { roles, dimensions, names } = when
  if (roles !== undefined && !roles.includes(parameter.role)) return false
  const count = parameter.shape.length
  if (dimensions !== undefined && (count < dimensions[0] || count > dimensions[1])) return false
  return names === undefined || names.some((pattern) => pattern.test(parameter.name.toLowerCase()))
}
