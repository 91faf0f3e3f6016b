/** What differs between two ledgers: two policies on one model, two runs, or a checkpoint and a new recipe. */
import type { Role } from '../nn/parameter.ts'
import type { Ledger, LedgerEntry } from './ledger.ts'

export interface LedgerChange {
  readonly name: string
  readonly shape: readonly number[]
  readonly role: Role
  readonly parameters: number
  readonly before: { readonly weightDecay: number; readonly reason: string }
  readonly after: { readonly weightDecay: number; readonly reason: string }
}

export interface LedgerDiff {
  readonly before: string
  readonly after: string
  /** Decayed in the second only. */
  readonly startDecaying: readonly LedgerChange[]
  /** Decayed in the first only. */
  readonly stopDecaying: readonly LedgerChange[]
  /** Decayed in both, with another λ. */
  readonly otherWeightDecay: readonly LedgerChange[]
  /** Names of tensors that only one of the two models has. */
  readonly onlyBefore: readonly string[]
  readonly onlyAfter: readonly string[]
}

/** Lists the tensors that change sides from `before` to `after`, matched by name, in the order of `before`. */
export function diffLedgers(before: Ledger, after: Ledger): LedgerDiff {
  const later = new Map(after.entries.map((entry) => [entry.name, entry]))
  const earlier = new Set(before.entries.map((entry) => entry.name))
  const startDecaying: LedgerChange[] = []
  const stopDecaying: LedgerChange[] = []
  const otherWeightDecay: LedgerChange[] = []
  for (const entry of before.entries) {
    const other = later.get(entry.name)
    if (other === undefined || other.weightDecay === entry.weightDecay) continue
    const list = entry.weightDecay === 0 ? startDecaying : other.weightDecay === 0 ? stopDecaying : otherWeightDecay
    list.push(change(entry, other))
  }
  return {
    before: before.policy,
    after: after.policy,
    startDecaying,
    stopDecaying,
    otherWeightDecay,
    onlyBefore: before.entries.filter((entry) => !later.has(entry.name)).map((entry) => entry.name),
    onlyAfter: after.entries.filter((entry) => !earlier.has(entry.name)).map((entry) => entry.name),
  }
}

function change(entry: LedgerEntry, other: LedgerEntry): LedgerChange {
  const { name, shape, role, parameters } = entry
  return {
    name,
    shape,
    role,
    parameters,
    before: { weightDecay: entry.weightDecay, reason: entry.reason },
    after: { weightDecay: other.weightDecay, reason: other.reason },
  }
}
