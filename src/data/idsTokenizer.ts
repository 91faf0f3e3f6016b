import { checkIds } from './checkIds.ts'
import { DataError } from './dataError.ts'
import { emptyTokens } from './tokenBuffer.ts'
import type { Tokenizer } from './tokenizer.ts'

/**
 * For token files that came without their tokenizer: text is the ids themselves, as decimal numbers between spaces.
 */
export function idsTokenizer(vocab: number): Tokenizer {
  return {
    name: 'ids',
    vocab,
    begin: [],
    end: null,
    encode(text) {
      const ids = text
        .split(/\s+/)
        .filter((word) => word !== '')
        .map((word) => {
          if (/^\d+$/.test(word)) return Number(word)
          throw new DataError(
            `${JSON.stringify(word)} is not a token id, and the tokenizer of this data is unknown.`,
            `Write the text as numbers from 0 to ${vocab - 1}, such as "18 47 56", or name the tokenizer with --tokenizer.`,
          )
        })
      checkIds(ids, vocab, 'The text')
      const out = emptyTokens(vocab, ids.length)
      out.set(ids)
      return out
    },
    decode(ids) {
      checkIds(ids, vocab, 'Cannot turn ids into text')
      return Array.from(ids).join(' ')
    },
    describe: () => ({ name: 'ids', vocab }),
  }
}
