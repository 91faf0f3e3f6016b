/** From the sums of a step to its line in metrics.jsonl. */
import type { Role } from '../nn/parameter.ts'
import {
  addSums,
  forceOf,
  penaltyOf,
  type Expectation,
  type Force,
  type ForceSums,
  type PenaltyForce,
} from '../optim/index.ts'
import type { ForceRecord, LookLine } from '../records/index.ts'
import type { Forces } from './forces.ts'
import type { WatchedTable } from './observer.ts'
import type { StepSetup } from './step.ts'
import { groupRows } from './tokenRows.ts'

/** A step that was looked at. */
export interface LookedAt {
  /** Counted from 1. */
  readonly step: number
  readonly learningRate: number
  /** Before clipping. */
  readonly gradientNorm: number
  readonly forces: Forces
  /** Steps since the look before, this one included, and how many of them were clipped. */
  readonly clip: { readonly steps: number; readonly clipped: number }
  readonly setup: StepSetup
  /** What was expected of the step, by tensor. */
  readonly expected: (name: string) => Expectation
  readonly tokens: {
    readonly since: number
    readonly seen: ArrayLike<number>
    readonly tables: readonly WatchedTable[]
  }
}

/** What `clipByGlobalNorm` adds to the norm before it divides. */
const CLIP_EPSILON = 1e-6

export function lookLine(look: LookedAt): LookLine {
  const { setup, forces, gradientNorm, clip } = look
  const limit = setup.clip
  const coefficient = limit > 0 ? Math.min(1, limit / (gradientNorm + CLIP_EPSILON)) : 1
  const trained = setup.parameters.filter(({ name }) => forces.sums.has(name))
  const describe = (names: readonly string[]): ForceRecord => {
    const members = names.map((name) => ({ sums: forces.sums.get(name)!, expected: look.expected(name) }))
    return describeForce(members, setup, coefficient)
  }
  const byRole = new Map<Role, string[]>()
  for (const { name, role } of trained) byRole.set(role, [...(byRole.get(role) ?? []), name])
  return {
    kind: 'look',
    step: look.step,
    learningRate: look.learningRate,
    gradientNorm: round(gradientNorm),
    clip:
      limit > 0 ? { limit, coefficient: round(coefficient), rate: clip.clipped / clip.steps, steps: clip.steps } : null,
    roles: Object.fromEntries([...byRole].map(([role, names]) => [role, describe(names)])),
    tensors: Object.fromEntries(trained.map(({ name }) => [name, describe([name])])),
    tokens: { since: look.tokens.since, tables: look.tokens.tables.map((table) => tableLine(table, look)) },
  }
}

interface Member {
  readonly sums: ForceSums
  readonly expected: Expectation
}

/** Several tensors as if they were one. */
function describeForce(members: readonly Member[], setup: StepSetup, coefficient: number): ForceRecord {
  const total = addSums(members.map(({ sums }) => sums))
  return {
    ...roundAll(forceOf(total)),
    equilibriumRms: round(meanRoot(members.map(({ sums, expected }) => [expected.rms, sums.count]))),
    equilibriumRotation: round(meanRoot(members.map(({ sums, expected }) => [expected.rotation, sums.weight]))),
    penalty: describePenalty(members, total, setup, coefficient),
  }
}

/** Null unless an L2 penalty with one λ acts on all members. */
function describePenalty(
  members: readonly Member[],
  total: ForceSums,
  { optimizer }: StepSetup,
  coefficient: number,
): ForceRecord['penalty'] {
  const { actsOn } = optimizer.form
  const [first] = members
  if (actsOn === 'weights' || !first || first.expected.lambda === 0) return null
  const { lambda } = first.expected
  if (members.some(({ expected }) => expected.lambda !== lambda)) return null
  return roundAll(penaltyOf(total, { lambda, actsOn, coefficient }))
}

function tableLine({ spec, initial, survival }: WatchedTable, { forces, tokens }: LookedAt): TableLine {
  return {
    name: spec.name,
    tied: spec.aliases.length > 0,
    survival: round(survival),
    groups: groupRows(tokens.seen, forces.rows.get(spec.name)!, initial).map(({ from, to, rows, ratio, least }) => {
      return { from, to, rows, ratio: round(ratio), least: round(least) }
    }),
  }
}

type TableLine = LookLine['tokens']['tables'][number]

/** √(Σ weight·value² / Σ weight); null where a value is null. */
function meanRoot(values: readonly (readonly [value: number | null, weight: number])[]): number | null {
  let [sum, total] = [0, 0]
  for (const [value, weight] of values) {
    if (value === null) return null
    sum += weight * value ** 2
    total += weight
  }
  return total === 0 ? null : Math.sqrt(sum / total)
}

/** Five digits are more than a plot or a reader can tell apart, and a third of the file. */
function round(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? Number(value.toPrecision(5)) : null
}

function roundAll<T extends Force | PenaltyForce>(measures: T): { [K in keyof T]: number | null } {
  return Object.fromEntries(Object.entries(measures).map(([key, value]) => [key, round(value as number | null)])) as {
    [K in keyof T]: number | null
  }
}
