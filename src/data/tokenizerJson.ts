/**
 * Our tokenizers in the format of Hugging Face's library, so that transformers gives the same ids:
 *
 *     char            a byte pair encoding of single characters that nothing merges; others are an error there too
 *     byte            one of single bytes
 *     gpt2            GPT-2's own
 *     SentencePiece   the merges that its scores stand for
 */
import type { TokenizerRecord } from '../records/index.ts'
import { BYTE_LETTERS, inByteLetters } from './byteLetters.ts'
import { END_OF_TEXT, gpt2Pieces } from './gpt2Tokenizer.ts'
import { mergePairs } from './mergePairs.ts'
import { PIECE, parseSentencePieceModel, type SentencePieceModel } from './sentencePieceModel.ts'

/** The names under which transformers looks for a tokenizer. */
export const TOKENIZER_FILES = {
  huggingface: 'tokenizer.json',
  config: 'tokenizer_config.json',
  sentencePiece: 'tokenizer.model',
} as const

/**
 * The files of a tokenizer by their names: those that it was read from, and where transformers could not read these alone,
 * a `tokenizer.json` of the same ids. None for ids whose text nobody knows. A SentencePiece model with symbols of its
 * user, which `tokenizer.json` would cut otherwise, is its `tokenizer.model` alone.
 */
export async function tokenizerFiles(record: TokenizerRecord): Promise<ReadonlyMap<string, string | Uint8Array>> {
  switch (record.name) {
    case 'char':
      return files(characterJson(record.characters), {})
    case 'byte':
      return files(byteJson(), {})
    case 'gpt2':
      return files(await gpt2Json(), { bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, unk_token: END_OF_TEXT })
    case 'huggingface':
      return new Map([
        [TOKENIZER_FILES.huggingface, record.tokenizer],
        ...(record.config === null ? [] : [[TOKENIZER_FILES.config, record.config] as const]),
      ])
    case 'sentencepiece':
      return sentencePieceFiles(Buffer.from(record.model, 'base64'))
    case 'ids':
      return new Map()
  }
}

function files(json: object, config: Readonly<Record<string, string>>): Map<string, string | Uint8Array> {
  const settings = { ...config, clean_up_tokenization_spaces: false, tokenizer_class: 'PreTrainedTokenizerFast' }
  return new Map([
    [TOKENIZER_FILES.huggingface, `${JSON.stringify(json)}\n`],
    [TOKENIZER_FILES.config, `${JSON.stringify(settings, null, 2)}\n`],
  ])
}

interface Parts {
  readonly vocab: Readonly<Record<string, number>>
  readonly merges?: readonly (readonly [string, string])[]
  /** What stands for text that has no tokens; a name that the vocabulary lacks makes such text an error. */
  readonly unknown?: string
  readonly byteFallback?: boolean
  readonly special?: readonly (readonly [content: string, id: number])[]
  readonly normalizer?: object
  readonly preTokenizer?: object
  readonly postProcessor?: object
  readonly decoder: object
}

function addedToken(content: string, id: number): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
}

/** A tokenizer.json of the type BPE. */
function json(parts: Parts): object {
  const { vocab, merges = [], unknown = null, byteFallback = false, special = [] } = parts
  const { normalizer = null, preTokenizer = null, postProcessor = null, decoder } = parts
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(([content, id]) => addedToken(content, id)),
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: postProcessor,
    decoder,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: byteFallback,
      byte_fallback: byteFallback,
      ignore_merges: false,
      vocab,
      merges,
    },
  }
}

function characterJson(characters: string): object {
  const vocab = Object.fromEntries(Array.from(characters, (character, id) => [character, id]))
  return json({ vocab, unknown: '<not in the vocabulary>', decoder: { type: 'Fuse' } })
}

/** Bytes as letters; `words` splits text by GPT-2's pattern first. */
function byteLevel(words: boolean): object {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: words }
}

function byteJson(): object {
  const vocab = Object.fromEntries(BYTE_LETTERS.map((letter, byte) => [letter, byte]))
  return json({ vocab, preTokenizer: byteLevel(false), decoder: byteLevel(false) })
}

async function gpt2Json(): Promise<object> {
  const pieces = (await gpt2Pieces()).map(inByteLetters)
  const ids = new Map(pieces.map((piece, id) => [piece, id]))
  // A piece was made by the merge that its own parts, by earlier merges, lead to.
  const merges = pieces.flatMap((piece, id) => {
    if (piece.length < 2) return []
    const parts = mergePairs(Array.from(piece), (part) => {
      const rank = ids.get(part)
      return rank === undefined || rank >= id ? undefined : -rank
    })
    return [[parts[0]!, parts[1]!] as const]
  })
  const end = [END_OF_TEXT, pieces.length] as const
  return json({
    vocab: Object.fromEntries([...ids, end]),
    merges,
    special: [end],
    preTokenizer: byteLevel(true),
    postProcessor: byteLevel(true),
    decoder: byteLevel(true),
  })
}

function sentencePieceFiles(bytes: Uint8Array): Map<string, string | Uint8Array> {
  const model = parseSentencePieceModel(bytes, 'The saved tokenizer.model')
  const own: readonly (readonly [string, Uint8Array])[] = [[TOKENIZER_FILES.sentencePiece, bytes]]
  if (model.pieces.some(({ type }) => type === PIECE.userDefined)) return new Map(own)
  const named = { bos_token: model.begin, eos_token: model.end, unk_token: unknownOf(model) }
  const config = Object.entries(named).flatMap(([key, id]) => {
    const text = model.pieces[id]?.text ?? ''
    return text === '' ? [] : [[key, text] as const]
  })
  return new Map([...own, ...files(sentencePieceJson(model), Object.fromEntries(config))])
}

function unknownOf({ pieces }: SentencePieceModel): number {
  return pieces.findIndex(({ type }) => type === PIECE.unknown)
}

/** What stands for a space in pieces: U+2581. */
const SPACE = '▁'

function replace(from: object, to: string): object {
  return { type: 'Replace', pattern: from, content: to }
}

function sentencePieceJson(model: SentencePieceModel): object {
  const { pieces, dummyPrefix, removeExtraSpaces, begin } = model
  const controls = pieces.flatMap(({ text, type }, id) => {
    const isSpecial = type === PIECE.control || type === PIECE.unknown
    return isSpecial && text !== '' ? [[text, id] as const] : []
  })
  const first = pieces[begin]?.type === PIECE.control ? pieces[begin].text : undefined
  const unknown = pieces[unknownOf(model)]?.text
  return json({
    vocab: Object.fromEntries(pieces.map(({ text }, id) => [text, id])),
    merges: mergesOf(model),
    ...(unknown === undefined ? {} : { unknown }),
    byteFallback: pieces.some(({ type }) => type === PIECE.byte),
    special: controls,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(removeExtraSpaces ? [replace({ Regex: '^ +| +$' }, ''), replace({ Regex: ' {2,}' }, ' ')] : []),
        ...(dummyPrefix ? [{ type: 'Prepend', prepend: SPACE }] : []),
        replace({ String: ' ' }, SPACE),
      ],
    },
    ...(first === undefined ? {} : { postProcessor: beginningWith(first, begin) }),
    decoder: {
      type: 'Sequence',
      decoders: [
        replace({ String: SPACE }, ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(dummyPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
  })
}

function beginningWith(token: string, id: number): object {
  const special = { SpecialToken: { id: token, type_id: 0 } }
  const text = { Sequence: { id: 'A', type_id: 0 } }
  return {
    type: 'TemplateProcessing',
    single: [special, text],
    pair: [special, text, { SpecialToken: { id: token, type_id: 1 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  }
}

/** Every way to make a piece of two others, the pieces of the highest score first, as transformers converts such models. */
function mergesOf({ pieces }: SentencePieceModel): readonly (readonly [string, string])[] {
  const normal = pieces.filter(({ type }) => type === PIECE.normal)
  const ids = new Map(normal.map(({ text }, id) => [text, id]))
  return normal
    .toSorted((a, b) => b.score - a.score)
    .flatMap(({ text }) => {
      const letters = Array.from(text)
      return letters
        .slice(1)
        .map((_, i) => [letters.slice(0, i + 1).join(''), letters.slice(i + 1).join('')] as const)
        .filter(([left, right]) => ids.has(left) && ids.has(right))
        .toSorted(([a, c], [b, d]) => ids.get(a)! - ids.get(b)! || ids.get(c)! - ids.get(d)!)
    })
}
