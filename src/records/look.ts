import { z } from 'zod'
import type { Immutable } from './immutable.ts'

/** A measured number; null stands for NaN or an infinity, and for what does not apply. */
const measured = z.number().nullable()
/** In radians. */
const angle = z.number().nullable()

/** What one step did to a tensor, or to all tensors of a role taken as one. u is what the step subtracted. */
const force = z.object({
  /** ‖w‖ after the step, and √mean(w²). */
  norm: measured,
  rms: measured,
  /** The RMS at which noise and this step's decay would balance; null where none is foretold. */
  equilibriumRms: measured,
  /** ‖gradient‖ before clipping. */
  gradientNorm: measured,
  /** ‖u‖, and over ‖w‖. */
  update: measured,
  updateRatio: measured,
  /** Norms of u's two parts; the decay's is null where no decay acts on the weights. */
  gradientPart: measured,
  decayPart: measured,
  /** decayPart / (gradientPart + decayPart). */
  decayShare: measured,
  /** Between the two parts: below π/2 both shrink the weights. */
  angle,
  /** The share of the weights that the decay took. */
  shrink: measured,
  /** Between the weights before and after the step, and what it would be where noise and decay balance. */
  rotation: angle,
  equilibriumRotation: angle,
  /** For L2 penalties, which act on the gradient: ‖λ·w‖, the data's gradient that it joins, and the angle between. */
  penalty: z.object({ norm: measured, gradientNorm: measured, angle }).nullable(),
})

/** Rows of a token table whose tokens were seen about equally often. */
const rowGroup = z.object({
  /** Tokens seen from so often to so often, as inputs, since `since`. */
  from: z.int().min(0),
  to: z.int().min(0),
  rows: z.int().min(1),
  /** √(Σ‖row‖² / Σ‖row at the start‖²); null where the table began as 0. */
  ratio: measured,
  /** The smallest ratio of a single row. */
  least: measured,
})

const tokenTable = z.object({
  name: z.string().min(1),
  /** Whether the output layer is the same table: then every row gets a gradient in every step. */
  tied: z.boolean(),
  /** What decay alone would have left since `since`; null where the form does not tell. */
  survival: measured,
  groups: z.array(rowGroup),
})

/** The force of weight decay in one step: `metrics.jsonl` has one such line for every step that was looked at. */
export const lookLine = z.object({
  kind: z.literal('look'),
  /** Optimizer steps done, this one included. */
  step: z.int().min(1),
  learningRate: z.number(),
  /** Global norm of the gradient before clipping. */
  gradientNorm: measured,
  /** Null where gradients are never clipped. */
  clip: z
    .object({
      /** Largest norm that is let through. */
      limit: z.number(),
      /** What this step's gradient was multiplied with; 1 where it was not clipped. */
      coefficient: measured,
      /** Share of clipped steps among the last `steps`, those since the look before. */
      rate: z.number(),
      steps: z.int().min(1),
    })
    .nullable(),
  roles: z.record(z.string(), force),
  tensors: z.record(z.string(), force),
  /** Rows by how often their token was seen. `since` is the step that counting and shrinking are measured from. */
  tokens: z.object({ since: z.int().min(0), tables: z.array(tokenTable) }),
})

export const OBSERVED_VERSION = 1

/** `observed.json` of a checkpoint: what looking must remember to go on as if it had never stopped. */
export const observedRecord = z.object({
  version: z.literal(OBSERVED_VERSION),
  step: z.int().min(0),
  /** Steps since the last look, and how many of them were clipped. */
  clip: z.object({ steps: z.int().min(0), clipped: z.int().min(0) }),
  /** The step that counting began at. */
  since: z.int().min(0),
  /** How often each token was an input. */
  seen: z.array(z.int().min(0)),
  tables: z.array(z.object({ name: z.string().min(1), initial: z.array(z.number()), survival: measured })),
})

export type LookLine = Immutable<z.infer<typeof lookLine>>
export type ForceRecord = Immutable<z.infer<typeof force>>
export type ObservedRecord = Immutable<z.infer<typeof observedRecord>>
