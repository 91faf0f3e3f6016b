import { z } from 'zod'
import type { Immutable } from './immutable.ts'
import { lookLine } from './look.ts'

/** A measured number; null stands for NaN or an infinity, which JSON cannot say. */
const measured = z.number().nullable()

/** After an optimizer step. */
export const stepLine = z.object({
  kind: z.literal('step'),
  /** Optimizer steps done, this one included: the first line has 1. */
  step: z.int().min(1),
  /** Mean cross-entropy of the step's batch before its update, in nats per token. */
  loss: measured,
  /** What else the objective has, by name and without its weight; absent where it has nothing. */
  auxiliaryLosses: z.record(z.string(), measured).optional(),
  /** What the decay adds to the loss, which leaves it out; only where it acts there. */
  penalty: measured.optional(),
  learningRate: z.number(),
  /** λ of each role that decays, in this step; runs of earlier versions lack it, theirs was the ledger's throughout. */
  weightDecay: z.record(z.string(), z.number()).optional(),
  /** Global L2 norm of the gradient before clipping. */
  gradientNorm: measured,
  /** L2 norm of all weights of a role, after the update. */
  weightNorm: z.record(z.string(), measured),
  tokensPerSecond: z.number(),
})

/** After an evaluation on the whole validation split. */
export const evaluationLine = z.object({
  kind: z.literal('evaluation'),
  /** Optimizer steps done before it; 0 is the untrained model. */
  step: z.int().min(0),
  /** Mean cross-entropy over every target of the split, in nats per token. */
  valLoss: measured,
  /** Targets that the mean is over. */
  tokens: z.int().min(1),
  seconds: z.number().min(0),
})

/** A line of `metrics.jsonl`. */
export const metricsLine = z.discriminatedUnion('kind', [stepLine, evaluationLine, lookLine])

export type StepLine = Immutable<z.infer<typeof stepLine>>
export type EvaluationLine = Immutable<z.infer<typeof evaluationLine>>
export type MetricsLine = Immutable<z.infer<typeof metricsLine>>
