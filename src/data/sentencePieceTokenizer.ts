/** SentencePiece's byte pair encoding (google/sentencepiece src/bpe_model.cc), as LLaMA 1 and 2 and Mistral use it. */
import { checkIds } from './checkIds.ts'
import { DataError } from './dataError.ts'
import { pieceEncoder } from './pieces.ts'
import { PIECE, parseSentencePieceModel, type SentencePieceModel } from './sentencePieceModel.ts'
import { mergePairs } from './mergePairs.ts'
import { tokenBuffer } from './tokenBuffer.ts'
import type { Tokenizer } from './tokenizer.ts'

/** What stands for a space in pieces: U+2581. */
const SPACE = '▁'
/** What an unknown token is written as, as by SentencePiece. */
const UNKNOWN_SURFACE = ' ⁇ '

/** The tokenizer of a `.model` file; `path` is for messages. Throws DataError. */
export function sentencePieceTokenizer(bytes: Uint8Array, path = 'The saved tokenizer.model'): Tokenizer {
  const model = parseSentencePieceModel(bytes, path)
  const { pieces, dummyPrefix } = model
  const vocab = pieces.length
  const isControl = (id: number): boolean => pieces[id]?.type === PIECE.control
  const controls = pieces.flatMap(({ text, type }, id) =>
    type === PIECE.control && text !== '' ? [[text, id] as const] : [],
  )
  const encodeText = encoderOf(model, path)
  const encodePlain = pieceEncoder(encodeText, vocab)
  return {
    name: 'sentencepiece',
    vocab,
    begin: isControl(model.begin) ? [model.begin] : [],
    end: isControl(model.end) ? model.end : null,
    encode(text, { special = false } = {}) {
      if (!special) return encodePlain(text)
      const out = tokenBuffer(vocab)
      for (const part of splitAt(text, controls)) out.append(typeof part === 'number' ? [part] : encodePlain(part))
      return out.tokens()
    },
    decode(ids) {
      checkIds(ids, vocab, 'Cannot turn ids into text')
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(ids, model))
      return dummyPrefix && text.startsWith(' ') ? text.slice(1) : text
    },
    describe: () => ({ name: 'sentencepiece', model: Buffer.from(bytes).toString('base64') }),
  }
}

function bytesOf(ids: ArrayLike<number>, { pieces }: SentencePieceModel): Buffer {
  const encoder = new TextEncoder()
  return Buffer.concat(
    Array.from(ids, (id) => {
      const { text, type } = pieces[id]!
      if (type === PIECE.byte) return Uint8Array.of(Number.parseInt(text.slice(1, -1), 16))
      if (type === PIECE.unknown) return encoder.encode(UNKNOWN_SURFACE)
      return encoder.encode(type === PIECE.control ? text : text.replaceAll(SPACE, ' '))
    }),
  )
}

/** Ids of a text without control symbols. */
function encoderOf({ pieces, dummyPrefix, removeExtraSpaces }: SentencePieceModel, path: string) {
  const idsByPiece = new Map<string, number>()
  const bytes = new Map<number, number>()
  const userDefined: (readonly [string, number])[] = []
  for (const [id, { text, type }] of pieces.entries()) {
    if (type === PIECE.normal) idsByPiece.set(text, id)
    if (type === PIECE.userDefined) userDefined.push([text, id])
    if (type === PIECE.byte) bytes.set(Number.parseInt(text.slice(1, -1), 16), id)
  }
  const unknown = pieces.findIndex(({ type }) => type === PIECE.unknown)
  const idOf = (piece: string): number | undefined => idsByPiece.get(piece)
  const fallback = (symbol: string): readonly number[] => {
    const found = Array.from(new TextEncoder().encode(symbol), (byte) => bytes.get(byte) ?? unknown)
    if (!found.includes(unknown)) return found
    if (unknown >= 0) return [unknown]
    throw new DataError(
      `${JSON.stringify(symbol)} is not in the vocabulary of ${path}, which has no token for what is unknown.`,
      'Leave it out, or use a tokenizer that can write every text, such as byte.',
    )
  }
  return (text: string): readonly number[] => {
    const kept = removeExtraSpaces ? text.replace(/^ +| +$/g, '').replace(/ {2,}/g, ' ') : text
    if (kept === '') return []
    const escaped = (dummyPrefix ? ` ${kept}` : kept).replaceAll(' ', SPACE)
    return splitAt(escaped, userDefined).flatMap((part) => {
      if (typeof part === 'number') return [part]
      const merged = mergePairs(Array.from(part), (piece) => {
        const id = idOf(piece)
        return id === undefined ? undefined : pieces[id]!.score
      })
      return merged.flatMap((symbol) => idOf(symbol) ?? fallback(symbol))
    })
  }
}

/** The text between the symbols, and their ids where they stand; of symbols that begin alike the longest. */
function splitAt(text: string, symbols: readonly (readonly [string, number])[]): (string | number)[] {
  if (symbols.length === 0) return text === '' ? [] : [text]
  const ids = new Map(symbols)
  const longestFirst = [...ids.keys()].toSorted((a, b) => b.length - a.length)
  const escaped = longestFirst.map((symbol) => symbol.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return text
    .split(new RegExp(`(${escaped.join('|')})`, 'u'))
    .filter((part) => part !== '')
    .map((part) => ids.get(part) ?? part)
}
