import { z } from 'zod'
import type { Immutable } from './immutable.ts'

const size = z.int().min(0)
const perStep = z.number().min(0)
/** In steps; null when nothing decays. */
const steps = z.number().min(0).nullable()
/** Share of the initial weights that decay alone leaves. */
const survival = z.number()

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
  /** Tensors of one role that share one λ. */
  roles: z.array(
    z.object({
      role: z.string(),
      weightDecay: perStep,
      tensors: size,
      parameters: size,
      halfLifeSteps: steps,
      survival,
    }),
  ),
  entries: z.array(entry),
})

export type LedgerRecord = Immutable<z.infer<typeof ledgerRecord>>
