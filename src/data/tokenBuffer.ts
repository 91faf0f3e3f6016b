import type { Tokens } from './tokenizer.ts'

/** Ids up to this many fit in 16 bits. */
const SMALL_VOCABULARY = 2 ** 16

/** Collects ids of which nobody knows how many will come. */
export interface TokenBuffer {
  push(id: number): void
  append(ids: ArrayLike<number>): void
  /** What was collected, in an array of its own. */
  tokens(): Tokens
}

/** `expected` is a guess at how many. */
export function tokenBuffer(vocab: number, expected = 16): TokenBuffer {
  let out = emptyTokens(vocab, Math.max(16, Math.ceil(expected)))
  let length = 0
  const reserve = (more: number): void => {
    if (length + more <= out.length) return
    const grown = emptyTokens(vocab, 2 * (length + more))
    grown.set(out)
    out = grown
  }
  return {
    push(id) {
      reserve(1)
      out[length++] = id
    },
    append(ids) {
      reserve(ids.length)
      out.set(ids, length)
      length += ids.length
    },
    tokens: () => out.slice(0, length),
  }
}

/** Zeros, wide enough for the vocabulary's ids. */
export function emptyTokens(vocab: number, length: number): Tokens {
  return vocab <= SMALL_VOCABULARY ? new Uint16Array(length) : new Uint32Array(length)
}
