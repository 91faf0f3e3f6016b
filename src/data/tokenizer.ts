/** What a tokenizer is; tokenizers.ts lists those that there are. */
import type { TokenizerRecord } from '../records/index.ts'

/** Token ids; every vocabulary here fits in 16 bits, as in nanoGPT's .bin files. */
export type Tokens = Uint16Array

export interface Tokenizer {
  readonly name: TokenizerRecord['name']
  /** Number of ids: 0 .. vocab - 1. */
  readonly vocab: number
  /** Throws DataError for text that has no tokens in this vocabulary. */
  encode(text: string): Tokens
  /** Bytes that are no complete UTF-8 become U+FFFD. Throws DataError for an id outside the vocabulary. */
  decode(ids: ArrayLike<number>): string
  /** What is saved in a checkpoint; `tokenizerFromDescription` builds the tokenizer again. */
  describe(): TokenizerRecord
}
