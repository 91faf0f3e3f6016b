import { z } from 'zod'
import type { Immutable } from './immutable.ts'
import { corpusRecord } from './corpus.ts'
import { recipeRecord } from './recipe.ts'
import { tokenizerRecord } from './tokenizer.ts'

export const RUN_CONFIG_VERSION = 1

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
  backend: z.string().min(1),
  threads: z.int().min(1),
  corpus: corpusRecord,
  tokenizer: tokenizerRecord,
})

export type RunConfigRecord = Immutable<z.infer<typeof runConfigRecord>>
