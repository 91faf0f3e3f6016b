/** Checks of an optimizer's options: unknown names, wrong types and impossible values are errors with a way out. */
import { resolveForm, type DecayFormSpec } from './decayForms.ts'
import { nearest } from './nearest.ts'
import type { Schedule } from './schedule.ts'

/** What every optimizer takes. */
export interface DecayOptions {
  /** η: learning rate at its peak, where a schedule follows. */
  readonly learningRate?: number
  /** λ of groups that name none. What it means depends on the form. */
  readonly weightDecay?: number
  /** How λ acts. */
  readonly form?: DecayFormSpec
  /** What λ is multiplied with in each step, counted from 0; default 1 throughout. Groups may have their own. */
  readonly decaySchedule?: Schedule
}

export interface OptionRule<T> {
  readonly default: T
  /** What is accepted, to follow "it must be". */
  readonly expected: string
  /** Throws for values that need an error of their own. */
  accepts(value: T): boolean
}

/** One rule for each option. */
export type OptionRules<O> = { readonly [K in keyof Required<O>]: OptionRule<Required<O>[K]> }

/**
 * The options with defaults filled in. Throws TypeError for something that is no object, for an unknown name and for a
 * value of another type than the default's, and RangeError for a value out of range.
 */
export function readOptions<O extends object>(optimizer: string, given: O, rules: OptionRules<O>): Required<O> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(
      `The options of ${optimizer} came as ${show(given)}; give an object, such as { learningRate: 3e-4, weightDecay: 0.1 }.`,
    )
  }
  const names = Object.keys(rules) as (keyof O & string)[]
  for (const name of Object.keys(given)) {
    if (names.some((known) => known === name)) continue
    const near = nearest(name, names)
    const guess = near === undefined ? '' : `Did you mean "${near}"? `
    throw new TypeError(`${optimizer} has no option "${name}". ${guess}Its options are: ${names.join(', ')}.`)
  }
  return Object.fromEntries(
    names.map((name) => {
      const rule: OptionRule<unknown> = rules[name]
      const value = given[name]
      return [name, value === undefined ? rule.default : checked(name, value, rule)]
    }),
  ) as Required<O>
}

function checked(name: string, value: unknown, rule: OptionRule<unknown>): unknown {
  const message = `${name} is ${show(value)}; it must be ${rule.expected}.`
  const sameKind = typeof value === typeof rule.default && Array.isArray(value) === Array.isArray(rule.default)
  if (!sameKind && typeof rule.default !== 'object' && rule.expected !== FORM) throw new TypeError(message)
  if (!rule.accepts(value)) throw new RangeError(message)
  return value
}

const FORM = 'a form of weight decay'

/** The four options that all optimizers have. A negative or NaN rate is refused later, where it is known whose it is. */
export function decayRules(defaults: {
  readonly learningRate: number
  readonly weightDecay: number
  readonly form: DecayFormSpec
}): OptionRules<DecayOptions> {
  return {
    learningRate: { default: defaults.learningRate, expected: 'a number, zero or more', accepts: () => true },
    weightDecay: { default: defaults.weightDecay, expected: 'a number, zero or more', accepts: () => true },
    form: {
      default: defaults.form,
      expected: FORM,
      accepts: (form) => resolveForm(form) !== undefined,
    },
    decaySchedule: { default: () => 1, expected: 'a function from the step, counted from 0', accepts: () => true },
  }
}

/** From 0 to less than 1: a decay rate of an average. */
export function fraction(value: number): OptionRule<number> {
  return { default: value, expected: 'a number from 0 to less than 1, such as 0.9', accepts: inUnitInterval }
}

/** Finite and above 0. */
export function positive(value: number): OptionRule<number> {
  return {
    default: value,
    expected: `a finite number above 0, such as ${value}`,
    accepts: (given) => Number.isFinite(given) && given > 0,
  }
}

/** Finite, zero or more. */
export function nonNegative(value: number): OptionRule<number> {
  return {
    default: value,
    expected: 'a finite number, zero or more',
    accepts: (given) => Number.isFinite(given) && given >= 0,
  }
}

/** A whole number from `least` to `most`. */
export function whole(value: number, least: number, most: number): OptionRule<number> {
  return {
    default: value,
    expected: `a whole number from ${least} to ${most}`,
    accepts: (given) => Number.isInteger(given) && given >= least && given <= most,
  }
}

export function flag(value: boolean): OptionRule<boolean> {
  return { default: value, expected: 'true or false', accepts: () => true }
}

/** One of some words. */
export function choice<T extends string>(value: T, words: readonly T[]): OptionRule<T> {
  return { default: value, expected: words.map((word) => `"${word}"`).join(' or '), accepts: (w) => words.includes(w) }
}

/** Two decay rates, each from 0 to less than 1; a wrong one is named by its index. */
export function betaPair(first: number, second: number): OptionRule<readonly [number, number]> {
  return {
    default: [first, second],
    expected: `two numbers, such as [${first}, ${second}]`,
    accepts: (betas) => {
      if (!Array.isArray(betas) || betas.length !== 2) return false
      for (const [index, beta] of betas.entries()) {
        if (inUnitInterval(beta)) continue
        throw new RangeError(`betas[${index}] is ${beta}; it must be a number from 0 to less than 1, such as 0.9.`)
      }
      return true
    },
  }
}

function inUnitInterval(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && value < 1
}

function show(value: unknown): string {
  return typeof value === 'number' || value === undefined ? String(value) : (JSON.stringify(value) ?? String(value))
}
