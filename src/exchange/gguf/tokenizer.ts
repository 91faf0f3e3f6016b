/**
 * A tokenizer as llama.cpp keeps it: the texts of all tokens, their kinds, and how they come together
 * (ggml-org/llama.cpp src/llama-vocab.cpp; keys as in ggml docs/gguf.md).
 *
 *     llama   SentencePiece: pieces with scores; `tokenizer.model`, or a tokenizer.json with byte fallback
 *     gpt2    byte-level pair encoding: merges, and `pre`, which names the pattern that cuts text into words
 *     rwkv    the longest token that matches: characters, bytes, and whatever nothing merges
 *     none    text is token ids
 */
import { basename } from 'node:path'
import { readFileSync } from 'node:fs'
import {
  BYTE_LETTERS,
  DataError,
  parseSentencePieceModel,
  PIECE,
  TOKENIZER_FILES,
  type SentencePieceModel,
} from '../../data/index.ts'
import { readJsonFile } from '../jsonFile.ts'
import type { Pretrained } from '../pretrained.ts'
import type { TokenizerToWrite } from '../tokenizerToWrite.ts'
import type { GgufValue } from './container.ts'
import { preTokenizerName, readTokenizerJson, type TokenizerJson } from './tokenizerJson.ts'

/** `tokenizer.ggml.token_type` (gguf-py's TokenType). */
const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

type Values = ReadonlyMap<string, GgufValue>

/** The `tokenizer.ggml.` values. Throws ExchangeError for a tokenizer that llama.cpp has nothing for. */
export function tokenizerValues(source: Pretrained, tokenizer: TokenizerToWrite | null): Values {
  const values = new Map([...kindValues(source, tokenizer), ...specialIds(source, tokenizer)])
  return new Map([...values].map(([key, value]) => [`tokenizer.ggml.${key}`, value]))
}

/**
 * What to know of the written tokenizer: llama.cpp's byte-level vocabularies have a token that ends a text, whether they
 * say which or not.
 */
export function tokenizerNotices(values: Values): readonly string[] {
  const model = values.get('tokenizer.ggml.model')?.value
  if (model !== 'gpt2' || values.has('tokenizer.ggml.eos_token_id')) return []
  return [
    'The tokenizer names no token that ends a text, and llama.cpp then takes the one with the id 11 for it: ' +
      'run it with --ignore-eos.',
  ]
}

function kindValues({ tokenizer: record, carried, model, path }: Pretrained, tokenizer: TokenizerToWrite | null) {
  const { vocab } = model
  if (record?.name === 'char') return longestMatch(new Map(Array.from(record.characters, escaped).entries()), vocab)
  if (record?.name === 'byte') return longestMatch(new Map(everyByte().entries()), vocab)
  const carriedFile = (name: string): string | undefined => carried.find((file) => basename(file) === name)
  const jsonFile = carriedFile(TOKENIZER_FILES.huggingface)
  const jsonText = tokenizer?.files.get(TOKENIZER_FILES.huggingface)
  const json =
    jsonFile !== undefined
      ? readTokenizerJson(readJsonFile(jsonFile), jsonFile)
      : jsonText === undefined
        ? undefined
        : readTokenizerJson(JSON.parse(String(jsonText)), path)
  const modelFile = carriedFile(TOKENIZER_FILES.sentencePiece)
  const bytes = tokenizer?.files.get(TOKENIZER_FILES.sentencePiece) ?? (modelFile && readFileSync(modelFile))
  const pieces = bytes === undefined || bytes === '' ? undefined : sentencePieces(Buffer.from(bytes), modelFile ?? path)
  if (pieces !== undefined) return scored(pieces, json, vocab)
  return json === undefined ? new Map([['model', text('none')]]) : fromJson(json, vocab, jsonFile ?? path)
}

/** Undefined where it is a SentencePiece model of another kind, whose tokenizer.json may do. */
function sentencePieces(bytes: Uint8Array, path: string): SentencePieceModel | undefined {
  try {
    return parseSentencePieceModel(bytes, path)
  } catch (error) {
    if (error instanceof DataError) return undefined
    throw error
  }
}

const text = (value: string): GgufValue => ({ type: 'string', value })
const texts = (value: readonly string[]): GgufValue => ({ type: 'array', of: 'string', value })
const types = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'i32', value })
const numbers = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'f32', value })
const flag = (value: boolean): GgufValue => ({ type: 'bool', value })

/** A name for rows of the token table that no token has. */
function unused(id: number): string {
  return `[UNUSED${id}]`
}

function longestMatch(tokens: ReadonlyMap<number, string>, vocab: number, special: ReadonlySet<number> = new Set()) {
  const all = Array.from({ length: vocab }, (_, id) => tokens.get(id) ?? unused(id))
  const kinds = all.map((_, id) => {
    if (!tokens.has(id)) return TOKEN_TYPES.unused
    return special.has(id) ? TOKEN_TYPES.control : TOKEN_TYPES.normal
  })
  return new Map([
    ['model', text('rwkv')],
    ['tokens', texts(all)],
    ['token_type', types(kinds)],
  ])
}

/** A text as llama.cpp's rwkv tokens write it. */
function escaped(value: string): string {
  const named: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }
  return Array.from(value, (character) => {
    if (character === '\u0000') return String.raw`\x00`
    return character === '\\' ? '\\\\' : (named[character] ?? character)
  }).join('')
}

function everyByte(): string[] {
  return Array.from({ length: 256 }, (_, byte) => byteText(byte))
}

function byteText(byte: number): string {
  if (byte < 0x80) return escaped(String.fromCodePoint(byte))
  return String.raw`\x${byte.toString(16)}`
}

/** SentencePiece's own scores and types; tokens that a tokenizer.json adds come after its pieces. */
function scored(model: SentencePieceModel, json: TokenizerJson | undefined, vocab: number): Values {
  const { pieces, dummyPrefix, removeExtraSpaces } = model
  const added = new Map(json?.added.map((token) => [token.id, token]))
  const rows = Array.from({ length: vocab }, (_, id) => {
    const piece = pieces[id]
    // Both number the kinds alike.
    if (piece !== undefined) return piece
    const token = added.get(id)
    if (token === undefined) return { text: unused(id), score: 0, type: PIECE.unused }
    return { text: token.content, score: 0, type: token.special ? PIECE.control : PIECE.userDefined }
  })
  return new Map([
    ...scoredValues(rows),
    ['add_space_prefix', flag(dummyPrefix)],
    ['remove_extra_whitespaces', flag(removeExtraSpaces)],
  ])
}

function scoredValues(rows: readonly { readonly text: string; readonly score: number; readonly type: number }[]) {
  const unknown = rows.findIndex(({ type }) => type === TOKEN_TYPES.unknown)
  return new Map<string, GgufValue>([
    ['model', text('llama')],
    ['pre', text('default')],
    ['tokens', texts(rows.map((row) => row.text))],
    ['scores', numbers(rows.map(({ score }) => score))],
    ['token_type', types(rows.map(({ type }) => type))],
    ...(unknown < 0 ? [] : [['unknown_token_id', { type: 'u32', value: unknown }] as const]),
  ])
}

function fromJson(json: TokenizerJson, vocab: number, path: string): Values {
  const { tokens, added, merges, byteFallback, byteLevel } = json
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id))
  const own = new Set(added.filter((token) => !token.special).map(({ id }) => id))
  const kindOf = (id: number): number => {
    if (special.has(id)) return tokens.get(id) === json.unknown ? TOKEN_TYPES.unknown : TOKEN_TYPES.control
    if (!tokens.has(id)) return TOKEN_TYPES.unused
    if (own.has(id)) return TOKEN_TYPES.userDefined
    return byteFallback && /^<0x[0-9A-F]{2}>$/.test(tokens.get(id)!) ? TOKEN_TYPES.byte : TOKEN_TYPES.normal
  }
  const all = Array.from({ length: vocab }, (_, id) => tokens.get(id) ?? unused(id))
  if (byteFallback) {
    // SentencePiece merges the pair whose result scores highest: the rank of the first merge that makes it, below zero.
    const ranks = new Map(merges.map(([left, right], rank) => [left + right, -rank] as const).toReversed())
    return new Map([
      ...scoredValues(
        all.map((token, id) => ({ text: token, score: ranks.get(token) ?? -merges.length, type: kindOf(id) })),
      ),
      ['add_space_prefix', flag(json.spacePrefix)],
    ])
  }
  if (merges.length === 0) {
    const bytes = new Map(BYTE_LETTERS.map((letter, byte) => [letter, byte]))
    const plain = (token: string): string => Array.from(token, (letter) => byteText(bytes.get(letter)!)).join('')
    const isBytes = (id: number): boolean => byteLevel && !special.has(id) && !own.has(id)
    const written = Array.from(tokens, ([id, token]) => [id, isBytes(id) ? plain(token) : escaped(token)] as const)
    return longestMatch(new Map(written), vocab, special)
  }
  return new Map([
    ['model', text('gpt2')],
    ['pre', text(preTokenizerName(json, path))],
    ['tokens', texts(all)],
    ['token_type', types(all.map((_, id) => kindOf(id)))],
    ['merges', texts(merges.map((merge) => merge.join(' ')))],
  ])
}

/** Which tokens begin and end a text, as config.json has them or else the tokenizer, and whether one begins every text. */
function specialIds({ carried, model }: Pretrained, tokenizer: TokenizerToWrite | null) {
  const file = carried.find((path) => basename(path) === 'config.json')
  const config = file === undefined ? {} : (readJsonFile(file) as Readonly<Record<string, unknown>>)
  const idOf = (key: string, otherwise: number | null | undefined): readonly (readonly [string, GgufValue])[] => {
    const given = config[key]
    const [first] = Array.isArray(given) ? (given as unknown[]) : [given]
    const value = typeof first === 'number' ? first : otherwise
    const isToken = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < model.vocab
    return isToken ? [[key, { type: 'u32', value }]] : []
  }
  const adds = tokenizer === null ? [] : [['add_bos_token', flag(tokenizer.begin !== null)] as const]
  return [...idOf('bos_token_id', tokenizer?.begin), ...idOf('eos_token_id', tokenizer?.end), ...adds]
}
