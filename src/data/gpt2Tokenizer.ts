import { checkIds } from './checkIds.ts'
import { tokenBuffer } from './tokenBuffer.ts'
import type { Tokenizer } from './tokenizer.ts'

const VOCAB = 50_257
/** The last id; its text stands between documents in GPT-2's training data. */
export const END_OF_TEXT = '<|endoftext|>'

let loading: Promise<Tokenizer> | undefined

/**
 * GPT-2's byte pair encoding (50,257 ids). Special tokens written out in a text are encoded as the plain characters
 * that they are, unless asked for. The tables are some megabytes, so they are imported at the first call.
 */
export function gpt2Tokenizer(): Promise<Tokenizer> {
  loading ??= load()
  return loading
}

/** The bytes of each token but the last, whose text is END_OF_TEXT; a token's rank among the merges is its id. */
export async function gpt2Pieces(): Promise<readonly Uint8Array[]> {
  const { default: ranks } = await import('gpt-tokenizer/bpeRanks/r50k_base')
  const encoder = new TextEncoder()
  return ranks.map((piece) => (typeof piece === 'string' ? encoder.encode(piece) : Uint8Array.from(piece)))
}

async function load(): Promise<Tokenizer> {
  const { encodeGenerator } = await import('gpt-tokenizer/encoding/r50k_base')
  const pieces = await gpt2Pieces()
  const plain = { disallowedSpecial: new Set<string>() }
  const withSpecial = { allowedSpecial: new Set([END_OF_TEXT]) }
  const end = new TextEncoder().encode(END_OF_TEXT)
  const bytesOf = (id: number): Uint8Array => pieces[id] ?? end
  return {
    name: 'gpt2',
    vocab: VOCAB,
    begin: [],
    end: VOCAB - 1,
    encode(text, { special = false } = {}) {
      // The package's `encode` spreads each piece into a call, which overflows the stack on long runs of one kind.
      const out = tokenBuffer(VOCAB, text.length / 3)
      for (const piece of encodeGenerator(text, special ? withSpecial : plain)) out.append(piece)
      return out.tokens()
    },
    decode(ids) {
      checkIds(ids, VOCAB, 'Cannot turn ids into text')
      // Not the package's `decode`: it keeps the bytes of a character that was cut off for the next call.
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(Array.from(ids, bytesOf)))
    },
    describe: () => ({ name: 'gpt2' }),
  }
}
