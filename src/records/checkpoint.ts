import { z } from 'zod'
import type { Immutable } from './immutable.ts'
import { corpusRecord } from './corpus.ts'
import { ledgerRecord } from './ledger.ts'
import { recipeRecord } from './recipe.ts'
import { tokenizerRecord } from './tokenizer.ts'

export const CHECKPOINT_VERSION = 1

/** `checkpoint.json`: all that a run needs besides its tensors to go on bit for bit. */
export const checkpointRecord = z.object({
  version: z.literal(CHECKPOINT_VERSION),
  /** Optimizer steps done. With the seed it gives the position in the data: batches depend on nothing else. */
  step: z.int().min(0),
  /** Tokens trained on. */
  tokens: z.int().min(0),
  /** Loss of the last evaluation, in nats per token; null before the first. */
  valLoss: z.number().nullable(),
  /** Lowest validation loss so far, and the step it was measured after; null before the first evaluation. */
  best: z.object({ step: z.int().min(0), valLoss: z.number() }).nullable(),
  /** 32 bits. */
  seed: z.int().min(0).max(0xffffffff),
  /** Learning rate of the last step. */
  learningRate: z.number().min(0),
  /** Steps done when the optimizer's state was zero: 0, or the step at which it was started anew. */
  optimizerStart: z.int().min(0).default(0),
  /**
   * Where it was computed: another backend rounds differently, so a resumed run differs in the last bits. Null where the
   * weights were imported and nothing was computed.
   */
  backend: z.string().min(1).nullable(),
  /** Null where the weights were imported: nobody says what they were trained on. */
  corpus: corpusRecord.nullable(),
  tokenizer: tokenizerRecord,
  recipe: recipeRecord,
  ledger: ledgerRecord,
})

export type CheckpointRecord = Immutable<z.infer<typeof checkpointRecord>>
