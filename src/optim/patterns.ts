/**
 * Values for some of a model's parameters, by role or by name:
 *
 *     embedding=0, *.ln_?.weight=0.05
 *
 * A pattern is the name of a role, or else a glob over parameter names and their aliases, where `*` stands for any run
 * of characters, dots included, and `?` for one. Order means nothing: two patterns that give one parameter different
 * values are an error, and so is a pattern that matches nothing.
 */
import type { ParameterSpec } from '../nn/parameter.ts'
import { ROLES } from '../nn/parameter.ts'
import { nearest } from './nearest.ts'
import { PolicyError } from './policy.ts'

/** What a pattern may look at. */
export type PatternParameter = Pick<ParameterSpec, 'name' | 'aliases' | 'role'>

export interface PatternValue<V = number> {
  readonly pattern: string
  readonly value: V
}

/** Patterns as a person writes them: `embedding=0, *.ln_?.*=0.05`, or the same as a map. */
export type PatternSource = string | Readonly<Record<string, number>>

/**
 * The patterns in order. `what` names the setting in errors, as "decay". Throws PolicyError for a part without `=`, an
 * empty pattern, a value that is not a finite number of zero or more, and one pattern with two values.
 */
export function readPatterns(what: string, source: PatternSource): readonly PatternValue[] {
  const pairs = typeof source === 'string' ? splitText(what, source) : Object.entries(source)
  const known = new Map<string, number>()
  for (const [pattern, value] of pairs) {
    if (pattern.trim() === '') throw new PolicyError(`A ${what} pattern is empty.`, WRITING)
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new PolicyError(
        `The ${what} of "${pattern}" is ${value}; it must be a finite number, zero or more.`,
        WRITING,
      )
    }
    const earlier = known.get(pattern)
    if (earlier !== undefined && earlier !== value) {
      throw new PolicyError(`The ${what} of "${pattern}" is given as ${earlier} and as ${value}.`, 'Keep one of them.')
    }
    known.set(pattern, value)
  }
  return [...known].map(([pattern, value]) => ({ pattern, value }))
}

const WRITING =
  'Write patterns with their values, separated by commas, as in  embedding=0, *.ln_?.weight=0.05 : ' +
  'a role, or a glob over parameter names.'

function splitText(what: string, text: string): (readonly [string, number])[] {
  if (text.trim() === '') return []
  return text.split(',').map((part) => {
    const equals = part.lastIndexOf('=')
    const raw = equals < 0 ? '' : part.slice(equals + 1).trim()
    if (raw === '') throw new PolicyError(`The ${what} pattern "${part.trim()}" has no value.`, WRITING)
    return [part.slice(0, equals).trim(), Number(raw)] as const
  })
}

/** Whether the pattern speaks of this parameter. A role's name means the role, whatever parameters are called. */
export function matchesPattern(pattern: string, { name, aliases, role }: PatternParameter): boolean {
  if (isRole(pattern)) return pattern === role
  const glob = globExpression(pattern)
  return [name, ...aliases].some((label) => glob.test(label))
}

/**
 * The pattern that matched each parameter, by name; parameters that none matched are left out. Throws PolicyError for
 * a pattern that matches nothing, and for a parameter to which two patterns give different values.
 */
export function matchPatterns<V>(
  what: string,
  patterns: readonly PatternValue<V>[],
  parameters: readonly PatternParameter[],
): ReadonlyMap<string, PatternValue<V>> {
  const matched = new Map<string, PatternValue<V>>()
  for (const candidate of patterns) {
    const members = parameters.filter((parameter) => matchesPattern(candidate.pattern, parameter))
    if (members.length === 0) throw matchesNothing(what, candidate.pattern, parameters)
    for (const { name } of members) {
      const earlier = matched.get(name)
      if (earlier !== undefined && earlier.value !== candidate.value) throw disagree(what, name, earlier, candidate)
      matched.set(name, earlier ?? candidate)
    }
  }
  return matched
}

function disagree<V>(what: string, name: string, first: PatternValue<V>, second: PatternValue<V>): PolicyError {
  return new PolicyError(
    `"${first.pattern}" gives ${name} a ${what} of ${String(first.value)}, and "${second.pattern}" gives it ${String(second.value)}.`,
    'Patterns have no order, so neither wins: narrow one of them until they meet no parameter in common.',
  )
}

const NAMES_SHOWN = 6

function matchesNothing(what: string, pattern: string, parameters: readonly PatternParameter[]): PolicyError {
  const roles = [...new Set(parameters.map(({ role }) => role))]
  const names = parameters.flatMap(({ name, aliases }) => [name, ...aliases])
  if (isRole(pattern)) {
    return new PolicyError(
      `The ${what} pattern "${pattern}" matches nothing: the model has no parameter of that role.`,
      `Its roles are ${roles.join(', ')}.`,
    )
  }
  const near = nearest(pattern, [...roles, ...names])
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  const more = names.length > NAMES_SHOWN ? ', …' : ''
  return new PolicyError(
    `The ${what} pattern "${pattern}" matches no parameter.`,
    `${guess}The roles are ${roles.join(', ')}; the names begin ${names.slice(0, NAMES_SHOWN).join(', ')}${more}.`,
  )
}

function isRole(pattern: string): boolean {
  return (ROLES as readonly string[]).includes(pattern)
}

function globExpression(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[\\^$.|+()[\]{}]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 'u')
}
