/**
 * What a SentencePiece `.model` file says: the protocol buffer `ModelProto` of google/sentencepiece
 * src/sentencepiece_model.proto, of which these fields are read.
 */
import { DataError } from './dataError.ts'

/** `SentencePiece.Type`. */
export const PIECE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

export interface Piece {
  readonly text: string
  /** Of two merges that are possible, the one whose result has the higher score comes first. */
  readonly score: number
  /** One of PIECE. */
  readonly type: number
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  /** A space is put before every text. */
  readonly dummyPrefix: boolean
  /** Spaces at the ends go, and several in a row become one. */
  readonly removeExtraSpaces: boolean
  /** Ids of the control symbols around a text; negative where there is none. */
  readonly begin: number
  readonly end: number
}

const BYTE_PAIR_ENCODING = 2
const UNIGRAM = 1

/** `path` is for messages. Throws DataError for what is no such file, or has a model that cannot be read here. */
export function parseSentencePieceModel(bytes: Uint8Array, path: string): SentencePieceModel {
  let pieces: readonly Piece[]
  let trainer: Fields
  let normalizer: Fields
  try {
    const model = fieldsOf(bytes)
    pieces = (model.get(1) ?? []).map((value) => pieceOf(fieldsOf(bytesOf(value))))
    trainer = fieldsOf(bytesOf(model.get(2)?.at(-1) ?? new Uint8Array()))
    normalizer = fieldsOf(bytesOf(model.get(3)?.at(-1) ?? new Uint8Array()))
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new DataError(
      `${path} is no SentencePiece model: ${error.message}.`,
      'Give a tokenizer.model or a tokenizer.json; if it should be one, it is damaged: copy or download it again.',
    )
  }
  const refuse = (what: string): never => {
    throw new DataError(
      `${path} is a SentencePiece model ${what}, which cannot be read here.`,
      'Give the tokenizer.json that belongs to it; transformers saves one.',
    )
  }
  if (pieces.length === 0) refuse('without pieces')
  const type = numberOf(trainer, 3, UNIGRAM)
  if (type !== BYTE_PAIR_ENCODING) refuse(`of type ${['', 'unigram', 'bpe', 'word', 'char'][type] ?? type}, not bpe`)
  if (numberOf(trainer, 24, 0) === 1) refuse('with white space as a suffix')
  const rules = normalizer.get(2)?.at(-1)
  if (rules !== undefined && bytesOf(rules).length > 0) refuse('with rules that change characters before encoding')
  return {
    pieces,
    dummyPrefix: numberOf(normalizer, 3, 1) === 1,
    removeExtraSpaces: numberOf(normalizer, 4, 1) === 1,
    begin: numberOf(trainer, 41, 1),
    end: numberOf(trainer, 42, 2),
  }
}

function pieceOf(fields: Fields): Piece {
  const text = fields.get(1)?.at(-1)
  const score = fields.get(2)?.at(-1)
  const { buffer, byteOffset } = bytesOf(score ?? new Uint8Array(4))
  return {
    text: text === undefined ? '' : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(text)),
    score: new DataView(buffer, byteOffset, 4).getFloat32(0, true),
    type: numberOf(fields, 3, PIECE.normal),
  }
}

class MalformedError extends Error {}

/** The values of a message by field number; fields of fixed width and of varying length are their bytes. */
type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>

function bytesOf(value: number | Uint8Array): Uint8Array {
  if (typeof value !== 'number') return value
  throw new MalformedError('a number stands where text should be')
}

/** The last value of a field, `otherwise` where there is none; an int32. */
function numberOf(fields: Fields, field: number, otherwise: number): number {
  const value = fields.get(field)?.at(-1) ?? otherwise
  if (typeof value === 'number') return value
  throw new MalformedError(`field ${field} is no number`)
}

/** protobuf.dev/programming-guides/encoding: each field is a varint, number · 8 + wire type, and its value. */
function fieldsOf(bytes: Uint8Array): Fields {
  const fields = new Map<number, (number | Uint8Array)[]>()
  let at = 0
  const varint = (): number => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new MalformedError('it is cut off')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number(BigInt.asIntN(64, value))
    }
    throw new MalformedError(`a number at byte ${at} does not end`)
  }
  const take = (length: number): Uint8Array => {
    if (length < 0 || at + length > bytes.length) throw new MalformedError('it is cut off')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = varint()
    const wire = key & 7
    const value =
      wire === 0 ? varint() : wire === 1 ? take(8) : wire === 2 ? take(varint()) : wire === 5 ? take(4) : null
    if (value === null || key < 8) throw new MalformedError(`byte ${at} begins no field`)
    const field = Math.floor(key / 8)
    const values = fields.get(field)
    if (values === undefined) fields.set(field, [value])
    else values.push(value)
  }
  return fields
}
