import { z } from 'zod'
import type { Immutable } from './immutable.ts'
import { corpusRecord } from './corpus.ts'
import { recipeRecord } from './recipe.ts'
import { tokenizerRecord } from './tokenizer.ts'

export const RUN_CONFIG_VERSION = 1

/** Weights of another run or program. */
export const pretrainedRecord = z.object({
  /** As it was given. */
  path: z.string().min(1),
  /** Such as `LlamaForCausalLM`. */
  format: z.string().min(1),
  /** Types of the numbers as they were stored, such as `BF16`. */
  dtypes: z.string().min(1),
})
export type PretrainedRecord = Immutable<z.infer<typeof pretrainedRecord>>

/** `config.json` of a run folder: what was asked for, and what it ran on. Written once, when the run starts. */
export const runConfigRecord = z.object({
  version: z.literal(RUN_CONFIG_VERSION),
  /** Package version of halflife. */
  halflife: z.string(),
  /** ISO 8601, UTC. */
  startedAt: z.iso.datetime(),
  recipe: recipeRecord,
  /** 32 bits. */
  seed: z.int().min(0).max(0xffffffff),
  /** Null, as the next two, where the run was imported and has not been trained here. */
  backend: z.string().min(1).nullable(),
  threads: z.int().min(1).nullable(),
  corpus: corpusRecord.nullable(),
  tokenizer: tokenizerRecord,
  /** The weights that it began with; absent where they were drawn from the seed. */
  pretrained: pretrainedRecord.optional(),
})

export type RunConfigRecord = Immutable<z.infer<typeof runConfigRecord>>
