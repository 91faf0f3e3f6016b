/** What differs between two ledgers: two policies on one model, two recipes, or a checkpoint and a new recipe. */
import type { Ledger } from './ledger.ts'

/** What is compared; ledgers that were saved have it as well as those just built. */
export interface ComparableLedger extends Pick<Ledger, 'policy'> {
  readonly entries: readonly ComparableEntry[]
}

interface ComparableEntry {
  readonly name: string
  readonly shape: readonly number[]
  readonly role: string
  readonly parameters: number
  readonly weightDecay: number
  readonly reason: string
  /** Ledgers of earlier versions lack these: their decay was decoupled and constant, their multipliers all 1. */
  readonly learningRateMultiplier?: number | undefined
  readonly learningRateFactor?: number | undefined
  readonly form?: string | null | undefined
  readonly decaySchedule?: string | null | undefined
}

export interface LedgerSide {
  readonly weightDecay: number
  readonly reason: string
  /** The optimizer's own factor included. */
  readonly learningRateMultiplier: number
  /** Null where the tensor does not decay. */
  readonly form: string | null
  /** Name of the schedule that λ follows; null where it stays the same. */
  readonly decaySchedule: string | null
}

export interface LedgerChange {
  readonly name: string
  readonly shape: readonly number[]
  readonly role: string
  readonly parameters: number
  readonly before: LedgerSide
  readonly after: LedgerSide
}

export interface LedgerDiff {
  /** What the two are called: their policies, unless told. */
  readonly before: string
  readonly after: string
  /** Decayed in the second only. */
  readonly startDecaying: readonly LedgerChange[]
  /** Decayed in the first only. */
  readonly stopDecaying: readonly LedgerChange[]
  /** Decayed in both, with another λ. */
  readonly otherWeightDecay: readonly LedgerChange[]
  /** Decayed in both with the same λ, by another form. */
  readonly otherForm: readonly LedgerChange[]
  /** Decayed in both, with λ following another schedule. */
  readonly otherSchedule: readonly LedgerChange[]
  /** With another learning-rate multiplier, whatever else changes. */
  readonly otherLearningRate: readonly LedgerChange[]
  /** Names of tensors that only one of the two models has. */
  readonly onlyBefore: readonly string[]
  readonly onlyAfter: readonly string[]
}

/**
 * Lists the tensors that change from `before` to `after`, matched by name, in the order of `before`. `names` are what
 * the two are called, such as two files or recipes.
 */
export function diffLedgers(
  before: ComparableLedger,
  after: ComparableLedger,
  names: readonly [before: string, after: string] = [before.policy, after.policy],
): LedgerDiff {
  const later = new Map(after.entries.map((entry) => [entry.name, entry]))
  const earlier = new Set(before.entries.map((entry) => entry.name))
  const pairs = before.entries.flatMap((entry) => {
    const other = later.get(entry.name)
    return other === undefined ? [] : [change(entry, other)]
  })
  const where = (holds: (before: LedgerSide, after: LedgerSide) => boolean): LedgerChange[] =>
    pairs.filter((pair) => holds(pair.before, pair.after))
  return {
    before: names[0],
    after: names[1],
    startDecaying: where((a, b) => a.weightDecay === 0 && b.weightDecay > 0),
    stopDecaying: where((a, b) => a.weightDecay > 0 && b.weightDecay === 0),
    otherWeightDecay: where((a, b) => both(a, b) && a.weightDecay !== b.weightDecay),
    otherForm: where((a, b) => both(a, b) && a.weightDecay === b.weightDecay && a.form !== b.form),
    otherSchedule: where((a, b) => both(a, b) && a.decaySchedule !== b.decaySchedule),
    otherLearningRate: where((a, b) => a.learningRateMultiplier !== b.learningRateMultiplier),
    onlyBefore: before.entries.filter((entry) => !later.has(entry.name)).map((entry) => entry.name),
    onlyAfter: after.entries.filter((entry) => !earlier.has(entry.name)).map((entry) => entry.name),
  }
}

function both(a: LedgerSide, b: LedgerSide): boolean {
  return a.weightDecay > 0 && b.weightDecay > 0
}

function change(entry: ComparableEntry, other: ComparableEntry): LedgerChange {
  const { name, shape, role, parameters } = entry
  return { name, shape, role, parameters, before: side(entry), after: side(other) }
}

function side(entry: ComparableEntry): LedgerSide {
  const { weightDecay, reason, learningRateMultiplier = 1, learningRateFactor = 1, form, decaySchedule = null } = entry
  return {
    weightDecay,
    reason,
    learningRateMultiplier: learningRateMultiplier * learningRateFactor,
    decaySchedule,
    form: form === undefined ? (weightDecay > 0 ? 'decoupled' : null) : form,
  }
}
