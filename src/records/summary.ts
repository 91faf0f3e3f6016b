import { z } from 'zod'
import type { Immutable } from './immutable.ts'

const size = z.int().min(0)

/** What `train --json` prints at its end. */
export const summaryRecord = z.object({
  /** Folder of the run. */
  run: z.string().min(1),
  /** Name of the recipe. */
  recipe: z.string().min(1),
  backend: z.string().min(1),
  threads: z.int().min(1),
  seed: z.int().min(0).max(0xffffffff),
  parameters: z.object({ total: size, decayed: size, undecayed: size }),
  tensors: z.object({ decayed: size, undecayed: size }),
  /** Optimizer steps done in all, earlier sessions of a resumed run included. */
  steps: size,
  /** Tokens trained on in all. */
  tokens: size,
  /** Wall time of this session. */
  seconds: z.number().min(0),
  medianStepMs: z.number().min(0).nullable(),
  tokensPerSecond: z.number().min(0).nullable(),
  flopsPerSecond: z.number().min(0).nullable(),
  /** In nats per token; null when nothing was measured. */
  trainLoss: z.number().nullable(),
  /** What the decay added to it; null unless it acts on the loss. */
  penalty: z.number().nullable(),
  valLoss: z.number().nullable(),
  /** Folder of the last checkpoint; null when nothing is written. */
  checkpoint: z.string().min(1).nullable(),
})

export type SummaryRecord = Immutable<z.infer<typeof summaryRecord>>
