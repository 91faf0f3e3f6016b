import { z } from 'zod'
import type { Immutable } from './immutable.ts'

/** Which tokens a run trains on; two runs with the same hash see the same tokens. */
export const corpusRecord = z.object({
  /** Built-in name, or the file's or folder's path as it was given. */
  name: z.string().min(1),
  /** SHA-256 over the train and validation tokens, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  trainTokens: z.int().min(1),
  validationTokens: z.int().min(1),
})

export type CorpusRecord = Immutable<z.infer<typeof corpusRecord>>
