/** What to make of a decay, in words that a person can act on. */
import type { Explanation } from './explain.ts'
import { percent, short, whole } from './textTable.ts'

/**
 * - `none`: nothing decays
 * - `unknown`: the form of the decay does not tell its strength
 * - `faint`: most of the initial weights are left; expect no visible effect
 * - `partial`: some are forgotten, and no equilibrium is reached
 * - `full`: the initial weights are forgotten; the weights average over part of the run
 * - `short`: the weights remember a small last part of the run only
 * - `unstable`: a step takes as much as there is of a weight, or more
 */
export type Strength = 'none' | 'unknown' | 'faint' | 'partial' | 'full' | 'short' | 'unstable'

/** Shares of the initial weights above which decay is faint, and below which they count as forgotten. */
const FAINT = 0.8
const FORGOTTEN = 0.2
/** A timescale below this share of the run is short: the best of Power Lines at 2,400 tokens per parameter is 0.018. */
const SHORT = 0.005

type Facts = Omit<Explanation, 'strength' | 'verdict' | 'notes'> & {
  /** λ of the run, before the policy's answer. */
  readonly runWeightDecay: number
}

/** The strength of the main group's decay, and the verdict on it. */
export function judge(facts: Facts): { readonly strength: Strength; readonly verdict: string } {
  const strength = strengthOf(facts)
  return { strength, verdict: [finding(strength, facts), ...advice(strength, facts)].join(' ') }
}

function strengthOf(facts: Facts): Strength {
  const { groups, survival, timescaleSteps, timescaleShare } = facts
  if (groups.length === 0) return 'none'
  if (survival === null) return 'unknown'
  if (timescaleSteps === null || timescaleShare === null) return 'none'
  if (timescaleSteps <= 1) return 'unstable'
  if (timescaleShare < SHORT) return 'short'
  const { share } = remains(facts)
  return share > FAINT ? 'faint' : share > FORGOTTEN ? 'partial' : 'full'
}

/** What decay wears away: the initial weights, or, where it pulls towards them, what was learnt first. */
function remains({ survival, survivalLimit }: Facts): { readonly share: number; readonly of: string } {
  const product = survival ?? 1
  const limit = survivalLimit ?? 1
  return product === 1 && limit < 1
    ? { share: limit, of: 'an early change of the weights' }
    : { share: product, of: 'the initial weights' }
}

function finding(strength: Strength, facts: Facts): string {
  const { weightDecay, steps, timescaleSteps, timescaleShare, form, policy } = facts
  const lambda = `λ = ${short(weightDecay)}`
  const { share, of } = remains(facts)
  const leaves = `leaves ${percent(share)} of ${of} after ${whole(steps)} steps`
  const timescale = `its timescale of ${count(timescaleSteps)} is ${ofTheRun(timescaleShare)}`
  switch (strength) {
    case 'none':
      return facts.runWeightDecay === 0
        ? 'λ is 0, so nothing decays.'
        : `Nothing decays: policy ${policy} leaves every tensor out, or the learning rate is 0.`
    case 'unknown':
      if (facts.nothingForetold !== null) {
        return `${lambda} decays, but ${facts.nothingForetold}, so arithmetic alone does not tell what it leaves.`
      }
      return `How strongly ${lambda} decays by the form ${form} depends on the gradients and weights; arithmetic alone does not tell.`
    case 'unstable':
      return (
        `${lambda} takes ${percent(1 / (timescaleSteps ?? 1))} of a weight in one step at the peak learning rate: ` +
        `the decay ${(timescaleSteps ?? 1) <= 0.5 ? 'diverges' : 'leaves nothing or overshoots zero'}.`
      )
    case 'faint':
      return `${lambda} ${leaves}, and ${timescale}: expect no visible effect.`
    case 'partial':
      return `${lambda} ${leaves}; ${timescale}, so its effect is real but far from an equilibrium.`
    case 'full':
      return `${lambda} ${leaves}: the start is forgotten; ${timescale}, over which the weights average their updates.`
    case 'short':
      return (
        `${lambda} ${leaves}; ${timescale}, so the final weights remember the last steps of the peak only: ` +
        'expect a higher loss than with less.'
      )
  }
}

function advice(strength: Strength, facts: Facts): string[] {
  const { suggestions, weightDecay } = facts
  if (strength === 'unknown') return []
  const rule = suggestions.find((suggestion) => suggestion.rule === 'power-lines')
  const quarter = suggestions.find((suggestion) => suggestion.rule === 'quarter-run')
  const lines: string[] = []
  if (rule !== undefined) {
    const ratio = weightDecay / rule.weightDecay
    const close = ratio > 0.5 && ratio < 2
    lines.push(
      close
        ? `Power Lines would choose about the same, λ ≈ ${short(rule.weightDecay, 2)}.`
        : `Power Lines suggests ${ratio < 1 ? 'more' : 'less'}, λ ≈ ${short(rule.weightDecay, 2)}: a timescale of ${count(rule.timescaleSteps)}, ${ofTheRun(rule.timescaleShare)}.`,
    )
  }
  if (quarter !== undefined && (strength === 'faint' || strength === 'none' || strength === 'partial')) {
    lines.push(
      `To see decay act, λ ≈ ${short(quarter.weightDecay, 2)} would give a timescale of ${count(quarter.timescaleSteps)}, a quarter of the run.`,
    )
  }
  return lines
}

function count(steps: number | null): string {
  if (steps === null) return 'unknown length'
  return steps < 10 ? `${short(steps, 2)} steps` : `${whole(steps)} steps`
}

function ofTheRun(share: number | null): string {
  if (share === null) return 'unknown against the run'
  return share >= 1 ? `${short(share, 3)} times the run` : `${percent(share)} of the run`
}
