/** Encoding long texts piece by piece, where that gives the same ids as encoding them whole. */
import { DataError } from './dataError.ts'
import { tokenBuffer } from './tokenBuffer.ts'
import type { Tokens } from './tokenizer.ts'

type Encode = (text: string) => ArrayLike<number>

/** Between two of these, before the space: every tokenizer that splits by words splits there. */
const WORD_END = /(?<=\p{L}) (?=\p{L})/gu
/** Where the three probes have a space between letters. */
const PROBES = ['the end of word pieces', 'él día 日本 語', 'A. b c\n\nD e']
/** Pieces that come again and again are words; longer ones are not kept. */
const LONGEST_KEPT = 48
const MOST_KEPT = 200_000

/**
 * How a text may be cut: at a space between letters, with the space at the beginning of the next piece (`before`, as in
 * GPT-2's encoding, whose words carry it) or left out (`dropped`, as in SentencePiece's, which puts one before every
 * piece by itself). `whole` where neither gives the ids of the whole text.
 */
type Cut = 'before' | 'dropped' | 'whole'

function cutOf(encode: Encode): Cut {
  const idsOf = (pieces: Iterable<string>): string => [...pieces].flatMap((piece) => Array.from(encode(piece))).join()
  const same = (cut: Exclude<Cut, 'whole'>): boolean =>
    PROBES.every((probe) => idsOf([probe]) === idsOf(eachPiece(probe, cut)))
  try {
    return same('before') ? 'before' : same('dropped') ? 'dropped' : 'whole'
  } catch (error) {
    if (error instanceof DataError) return 'whole' // the probes cannot be written with this vocabulary
    throw error
  }
}

/**
 * `encode` for texts of any length: cut between words where that changes nothing, so that no list as long as the text is
 * made but the ids, and so that a word that comes again is looked up.
 */
export function pieceEncoder(encode: Encode, vocab: number): (text: string) => Tokens {
  const cut = cutOf(encode)
  const kept = new Map<string, Tokens>()
  const ids = (piece: string): ArrayLike<number> => {
    if (piece.length > LONGEST_KEPT) return encode(piece)
    const known = kept.get(piece)
    if (known !== undefined) return known
    const found = tokenBuffer(vocab)
    found.append(encode(piece))
    const tokens = found.tokens()
    if (kept.size < MOST_KEPT) kept.set(piece, tokens)
    return tokens
  }
  return (text) => {
    const out = tokenBuffer(vocab, text.length / 3)
    if (cut === 'whole') out.append(encode(text))
    else for (const piece of eachPiece(text, cut)) out.append(ids(piece))
    return out.tokens()
  }
}

function* eachPiece(text: string, cut: Exclude<Cut, 'whole'>): Generator<string> {
  const space = new RegExp(WORD_END)
  let from = 0
  for (let found = space.exec(text); found !== null; found = space.exec(text)) {
    yield text.slice(from, found.index)
    from = cut === 'before' ? found.index : found.index + 1
  }
  if (from < text.length) yield text.slice(from)
}
