/** What a tokenizer is; tokenizers.ts lists those that there are. */
import type { TokenizerRecord } from '../records/index.ts'

/** Token ids: 16 bits each, as in nanoGPT's .bin files, where the vocabulary fits in them, else 32. */
export type Tokens = Uint16Array | Uint32Array

export interface EncodeOptions {
  /** Special tokens written out in the text, such as `<|endoftext|>`, become those tokens; plain text unless told. */
  readonly special?: boolean
}

export interface Tokenizer {
  readonly name: TokenizerRecord['name']
  /** Number of ids: 0 .. vocab - 1. */
  readonly vocab: number
  /** Ids that stand before a document, such as LLaMA's `<s>`; none where the tokenizer has none. */
  readonly begin: readonly number[]
  /** The id that stands after a document, such as GPT-2's `<|endoftext|>`; null where there is none. */
  readonly end: number | null
  /** Ids of the text alone, without `begin` and `end`. Throws DataError for text that has no tokens in this vocabulary. */
  encode(text: string, options?: EncodeOptions): Tokens
  /** Bytes that are no complete UTF-8 become U+FFFD. Throws DataError for an id outside the vocabulary. */
  decode(ids: ArrayLike<number>): string
  /** What is saved in a checkpoint; `tokenizerFromDescription` builds the tokenizer again. */
  describe(): TokenizerRecord
}
