/** Schedules of λ as a recipe writes them: a word, or a map with the schedule's kind and its values. */
import { z } from 'zod'
import {
  createDecaySchedule,
  inverseToLearningRate,
  tiedToLearningRate,
  type DecayScheduleSpec,
} from '../optim/decaySchedule.ts'
import type { Schedule } from '../optim/schedule.ts'

const factor = z.number().min(0)
const step = z.int().min(0)
const length = z.int().min(1).optional()

/** All values are factors on λ; `steps` is the run's length unless told. */
const specSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant') }),
  z.strictObject({ kind: z.literal('tied') }),
  z.strictObject({ kind: z.literal('inverse'), limit: factor.default(100) }),
  z.strictObject({ kind: z.literal('linear'), from: factor.default(1), to: factor.default(0), steps: length }),
  z.strictObject({ kind: z.literal('cosine'), from: factor.default(1), to: factor.default(0), steps: length }),
  z.strictObject({
    kind: z.literal('warmup-stable-decay'),
    warmup: step.default(0),
    decaySteps: step,
    floor: factor.default(0),
    steps: length,
  }),
  z.strictObject({ kind: z.literal('inverse-square-root'), warmup: step, floor: factor.default(0) }),
  z.strictObject({
    kind: z.literal('three-phase'),
    from: factor,
    middle: factor,
    to: factor,
    hold: step,
    turn: step,
    steps: length,
  }),
])

/** A kind whose values all have defaults may stand alone: `cosine` is `{ kind: cosine, from: 1, to: 0 }`. */
export const decayScheduleSchema = z.preprocess(
  (value) => (typeof value === 'string' ? { kind: value } : value),
  specSchema,
)

export type RecipeDecaySchedule = z.infer<typeof specSchema>

export const DECAY_SCHEDULE_EXPECTS =
  'constant, tied (to the learning rate), inverse, linear or cosine (from 1 to 0), or a map such as ' +
  '{kind: cosine, from: 1, to: 0.1}; also warmup-stable-decay, inverse-square-root, three-phase'

/** What a schedule is called in ledgers; null for a λ that stays the same. Equal schedules have equal names. */
export function decayScheduleName(spec: RecipeDecaySchedule): string | null {
  const over = 'steps' in spec && spec.steps !== undefined ? ` over ${spec.steps} steps` : ''
  switch (spec.kind) {
    case 'constant':
      return null
    case 'tied':
      return 'tied to the learning rate'
    case 'inverse':
      return `inverse to the learning rate, at most ×${spec.limit}`
    case 'linear':
    case 'cosine':
      return `${spec.kind} ${spec.from} → ${spec.to}${over}`
    case 'warmup-stable-decay':
      return `up over ${spec.warmup}, down to ${spec.floor} over the last ${spec.decaySteps}${over}`
    case 'inverse-square-root':
      return `inverse square root after ${spec.warmup}, at least ${spec.floor}`
    case 'three-phase':
      return `${spec.from} until ${spec.hold}, ${spec.middle} at ${spec.turn}, ${spec.to} at the end${over}`
  }
}

/** What a schedule of λ may follow from. */
export interface ScheduledRun {
  readonly learningRate: Schedule
  /** The highest learning rate. */
  readonly peak: number
  readonly steps: number
}

/** The factor on λ in each step, counted from 0. Throws RangeError where the values do not fit the run. */
export function decayScheduleOf(spec: RecipeDecaySchedule, run: ScheduledRun): Schedule {
  switch (spec.kind) {
    case 'tied':
      return tiedToLearningRate(1, run.learningRate, run.peak)
    case 'inverse':
      return inverseToLearningRate(1, run.learningRate, { peak: run.peak, limit: spec.limit })
    case 'constant':
      return () => 1
    case 'inverse-square-root':
      return createDecaySchedule({ ...spec, peak: 1 })
    case 'warmup-stable-decay':
      return createDecaySchedule({ ...spec, peak: 1, steps: spec.steps ?? run.steps })
    default:
      return createDecaySchedule({ ...spec, steps: spec.steps ?? run.steps } satisfies DecayScheduleSpec)
  }
}
