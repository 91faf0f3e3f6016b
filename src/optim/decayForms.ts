/**
 * Every form of weight decay by name. What the same λ means differs by orders of magnitude between them; convert.ts
 * translates. λ, the learning rate and its peak are run-time scalars in all of them.
 */
import { cautious, type CautiousMask } from './forms/cautious.ts'
import { corrected } from './forms/corrected.ts'
import { decoupled } from './forms/decoupled.ts'
import { fixed } from './forms/fixed.ts'
import type { DecayForm } from './forms/form.ts'
import { gradientL2 } from './forms/gradientL2.ts'
import { independent } from './forms/independent.ts'
import { lossL2 } from './forms/lossL2.ts'
import { lrSquared } from './forms/lrSquared.ts'
import { selective } from './forms/selective.ts'
import { targetNorm } from './forms/targetNorm.ts'
import { towardInit } from './forms/towardInit.ts'
import { nearest } from './nearest.ts'

const NAMED = {
  'loss-l2': lossL2,
  'gradient-l2': gradientL2,
  decoupled,
  independent,
  fixed,
  'lr-squared': lrSquared,
  corrected,
  cautious: cautious(decoupled, '>='),
  selective: selective(decoupled),
  'toward-init': towardInit,
  'target-norm': targetNorm(1),
} as const satisfies Readonly<Record<string, DecayForm>>

export type DecayFormName = keyof typeof NAMED

/** A form's name, or one with its own settings. Masks go around any form that acts on the weights, and around each other. */
export type DecayFormSpec =
  | DecayFormName
  | { readonly kind: Exclude<DecayFormName, 'cautious' | 'selective' | 'target-norm'> }
  /** `mask` default `>=`; `of` default `decoupled`. */
  | { readonly kind: 'cautious'; readonly mask?: CautiousMask; readonly of?: DecayFormSpec }
  /** `of` default `decoupled`. */
  | { readonly kind: 'selective'; readonly of?: DecayFormSpec }
  /** `ratio` to the initial norm, zero or more; default 1. */
  | { readonly kind: 'target-norm'; readonly ratio?: number }

export const decayFormNames = Object.keys(NAMED) as readonly DecayFormName[]

/** Every named form with its default settings. */
export const decayForms: Readonly<Record<DecayFormName, DecayForm>> = NAMED

/** The form that is meant. Throws TypeError for an unknown name or setting, naming the nearest, RangeError for a bad ratio. */
export function resolveForm(spec: DecayFormSpec): DecayForm {
  if (typeof spec === 'string') return decayForms[knownName(spec)]
  if (typeof spec !== 'object' || spec === null) return decayForms[knownName(String(spec))]
  const name = knownName(spec.kind)
  switch (spec.kind) {
    case 'cautious':
      checkKeys(spec, ['kind', 'mask', 'of'])
      return cautious(resolveForm(spec.of ?? 'decoupled'), checkMask(spec.mask ?? '>='))
    case 'selective':
      checkKeys(spec, ['kind', 'of'])
      return selective(resolveForm(spec.of ?? 'decoupled'))
    case 'target-norm':
      checkKeys(spec, ['kind', 'ratio'])
      return targetNorm(checkRatio(spec.ratio ?? 1))
    default:
      checkKeys(spec, ['kind'])
      return decayForms[name]
  }
}

function knownName(name: unknown): DecayFormName {
  const known = decayFormNames.find((candidate) => candidate === name)
  if (known !== undefined) return known
  const near = typeof name === 'string' ? nearest(name, decayFormNames) : undefined
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  const shown = JSON.stringify(name) ?? String(name)
  throw new TypeError(`Unknown form of weight decay ${shown}. ${guess}The forms are: ${decayFormNames.join(', ')}.`)
}

function checkKeys(spec: { readonly kind: string }, known: readonly string[]): void {
  const unknown = Object.keys(spec).find((key) => !known.includes(key))
  if (unknown === undefined) return
  throw new TypeError(`The decay form "${spec.kind}" has no setting "${unknown}"; it has ${known.join(', ')}.`)
}

function checkMask(mask: unknown): CautiousMask {
  if (mask === '>=' || mask === '>') return mask
  throw new TypeError(`The mask of cautious decay is ${JSON.stringify(mask) ?? String(mask)}; it must be ">=" or ">".`)
}

function checkRatio(ratio: unknown): number {
  if (typeof ratio === 'number' && Number.isFinite(ratio) && ratio >= 0) return ratio
  throw new RangeError(`The ratio of target-norm is ${String(ratio)}; it must be a finite number, zero or more.`)
}

export type { DecayForm, DecayPoint, DecayRates, Pull } from './forms/form.ts'
export { l2Penalty } from './forms/lossL2.ts'
