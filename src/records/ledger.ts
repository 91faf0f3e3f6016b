import { z } from 'zod'
import type { Immutable } from './immutable.ts'

const size = z.int().min(0)
const perStep = z.number().min(0)
/** In steps; null when nothing decays. */
const steps = z.number().min(0).nullable()
/** In tokens; null when nothing decays or nobody said how many tokens a step has. */
const tokens = z.number().min(0).nullable()
/** Of the run's length; null when nothing decays. */
const share = z.number().min(0).nullable()
/** Share of the initial weights that decay alone leaves; null where the form of the decay does not tell. */
const survival = z.number().nullable()
/** RMS of the tensor's elements; null where none is foretold. */
const rms = z.number().min(0).nullable()

/** Fields that ledgers of the first version did not have; those can still be read and compared. */
function grown<S extends z.core.$ZodLooseShape>(shape: S): { [K in keyof S]: z.ZodOptional<S[K]> } {
  return z.object(shape).partial().shape
}

const count = z.object({ tensors: size, parameters: size })

const entry = z.object({
  name: z.string().min(1),
  /** Other names of this tensor, which counts and decays once. */
  aliases: z.array(z.string()),
  /** `[]` is one number. */
  shape: z.array(size),
  role: z.string().min(1),
  parameters: size,
  /** λ for this tensor; 0 when it does not decay. */
  weightDecay: perStep,
  /** The rule that matched, in words. */
  reason: z.string(),
  halfLifeSteps: steps,
  timescaleSteps: steps,
  survival,
  ...grown({
    /** How λ acts, as `decoupled`; null when the tensor does not decay. */
    form: z.string().nullable(),
    /** What the scheduled learning rate is multiplied with for this tensor. */
    learningRateMultiplier: perStep,
    /** What the optimizer itself multiplies the learning rate with for this tensor. */
    learningRateFactor: perStep,
    /** Name of the schedule that λ follows; null where it stays the same. */
    decaySchedule: z.string().nullable(),
    /** The override that set the multiplier; null where none did. */
    learningRateReason: z.string().nullable(),
    /** Σ lr_t·λ_t, in e-folds; null where the form does not tell. */
    sumDecay: z.number().min(0).nullable(),
    halfLifeTokens: tokens,
    halfLifeShare: share,
    timescaleTokens: tokens,
    timescaleShare: share,
    equilibriumRms: rms,
    equilibriumRmsExact: rms,
  }),
})

/** `ledger.json` and `ledger --json`: which tensors decay, why and how fast. */
export const ledgerRecord = z.object({
  policy: z.string().min(1),
  /** λ of the run, before the policy's answer. */
  weightDecay: perStep,
  /** Highest learning rate of the run, and the sum over its steps. */
  learningRate: z.object({ peak: perStep, sum: perStep }),
  steps: size,
  totals: z.object({ decayed: count, undecayed: count }),
  /** Tensors of one role that share λ and the learning-rate multiplier. */
  roles: z.array(
    z.object({
      role: z.string(),
      weightDecay: perStep,
      tensors: size,
      parameters: size,
      halfLifeSteps: steps,
      survival,
      ...grown({
        learningRateMultiplier: perStep,
        learningRateFactor: perStep,
        decaySchedule: z.string().nullable(),
        timescaleShare: share,
      }),
    }),
  ),
  entries: z.array(entry),
  ...grown({
    /** How λ acts, as `decoupled`. */
    form: z.string().min(1),
    /** Name of the schedule that λ follows where no pattern says otherwise; null where it stays the same. */
    decaySchedule: z.string().nullable(),
    /** Null where nobody said. */
    tokensPerStep: size.nullable(),
  }),
})

export type LedgerRecord = Immutable<z.infer<typeof ledgerRecord>>
