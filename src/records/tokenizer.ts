import { z } from 'zod'
import type { Immutable } from './immutable.ts'

/** What is saved of a tokenizer: enough to build it again. */
export const tokenizerRecord = z.discriminatedUnion('name', [
  /** One token per character; ids are places in `characters`, which is sorted by code point. */
  z.strictObject({ name: z.literal('char'), characters: z.string().min(1) }),
  /** One token per byte of UTF-8. */
  z.strictObject({ name: z.literal('byte') }),
  /** GPT-2's byte pair encoding, 50,257 tokens. */
  z.strictObject({ name: z.literal('gpt2') }),
  /** The contents of a `tokenizer.json` and, where there is one, of the `tokenizer_config.json` beside it. */
  z.strictObject({ name: z.literal('huggingface'), tokenizer: z.string().min(2), config: z.string().nullable() }),
  /** A SentencePiece `.model` file, in base64. */
  z.strictObject({ name: z.literal('sentencepiece'), model: z.base64().min(4) }),
  /** Token ids whose text nobody knows, as in a .bin file without its tokenizer. */
  z.strictObject({
    name: z.literal('ids'),
    vocab: z
      .int()
      .min(1)
      .max(2 ** 31),
  }),
])

export type TokenizerRecord = Immutable<z.infer<typeof tokenizerRecord>>
