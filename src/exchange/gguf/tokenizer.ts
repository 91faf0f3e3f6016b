/** A tokenizer as llama.cpp keeps it: the texts of all tokens, their kinds, and how they merge. */
import { basename } from 'node:path'
import { z } from 'zod'
import { ExchangeError } from '../exchangeError.ts'
import { readJsonFile } from '../jsonFile.ts'
import type { Pretrained } from '../pretrained.ts'
import type { GgufValue } from './container.ts'

/** `tokenizer.ggml.token_type` (gguf-py's TokenType). */
const TOKEN_TYPES = { normal: 1, control: 3, unused: 5, byte: 6 } as const

/**
 * The `tokenizer.ggml.` values. A `tokenizer.json` with byte-level BPE becomes `gpt2`, one with byte fallback `llama`
 * (scored by the ranks of its merges); characters and bytes become a `gpt2` without merges; where the tokenizer is not
 * known it is `none`, and text is token ids. Throws ExchangeError for a tokenizer.json of another kind.
 */
export function tokenizerValues(source: Pretrained): ReadonlyMap<string, GgufValue> {
  const file = source.carried.find((path) => basename(path) === 'tokenizer.json')
  const { tokenizer, model } = source
  const values =
    file !== undefined
      ? fromTokenizerFile(file, model.vocab)
      : tokenizer?.name === 'char'
        ? plain([...tokenizer.characters].map(byteLevel), model.vocab)
        : tokenizer?.name === 'byte'
          ? plain(
              Array.from({ length: 256 }, (_, byte) => BYTE_LETTERS[byte]!),
              model.vocab,
            )
          : new Map([['model', text('none')]])
  return new Map([...values, ...specialIds(source)].map(([key, value]) => [`tokenizer.ggml.${key}`, value]))
}

const text = (value: string): GgufValue => ({ type: 'string', value })
const texts = (value: readonly string[]): GgufValue => ({ type: 'array', of: 'string', value })
const types = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'i32', value })

/** Every token stands for itself. Rows that the table has beyond them are unused. */
function plain(tokens: readonly string[], vocab: number): Map<string, GgufValue> {
  const all = Array.from({ length: vocab }, (_, id) => tokens[id] ?? `[UNUSED${id}]`)
  return new Map([
    ['model', text('gpt2')],
    ['pre', text('gpt-2')],
    ['tokens', texts(all)],
    ['token_type', types(all.map((_, id) => (id < tokens.length ? TOKEN_TYPES.normal : TOKEN_TYPES.unused)))],
    ['merges', texts([])],
  ])
}

const fileSchema = z.object({
  added_tokens: z.array(z.object({ id: z.int().min(0), content: z.string(), special: z.boolean() })).default([]),
  model: z.object({
    type: z.literal('BPE'),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    byte_fallback: z.boolean().default(false),
  }),
})

function fromTokenizerFile(path: string, vocab: number): Map<string, GgufValue> {
  const parsed = fileSchema.safeParse(readJsonFile(path))
  if (!parsed.success) {
    throw new ExchangeError(
      path,
      `${path} is no byte pair encoding, which is what is written as GGUF.`,
      'Write the folder of transformers, or move the tokenizer away to write the weights alone.',
    )
  }
  const { added_tokens: added, model } = parsed.data
  const known = new Map<number, string>(Object.entries(model.vocab).map(([token, id]) => [id, token]))
  for (const { id, content } of added) known.set(id, content)
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id))
  const all = Array.from({ length: vocab }, (_, id) => known.get(id) ?? `[UNUSED${id}]`)
  const kinds = all.map((token, id) => {
    if (special.has(id)) return TOKEN_TYPES.control
    if (!known.has(id)) return TOKEN_TYPES.unused
    return model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(token) ? TOKEN_TYPES.byte : TOKEN_TYPES.normal
  })
  const merges = model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))
  const common = [
    ['tokens', texts(all)],
    ['token_type', types(kinds)],
  ] as const
  if (!model.byte_fallback) {
    return new Map([['model', text('gpt2')], ['pre', text('gpt-2')], ...common, ['merges', texts(merges)]])
  }
  // SentencePiece merges the pair whose result scores highest: the rank of the merge, below zero.
  const ranks = new Map(merges.map((merge, rank) => [merge.replace(' ', ''), -rank]))
  const scores = all.map((token) => ranks.get(token) ?? -merges.length)
  return new Map([['model', text('llama')], ...common, ['scores', { type: 'array', of: 'f32', value: scores }]])
}

const idsSchema = z.object({ bos_token_id: z.int().min(0).nullish(), eos_token_id: z.int().min(0).nullish() })

/** The first and last token of a document, as config.json names them. */
function specialIds({ carried, model }: Pretrained): readonly (readonly [string, GgufValue])[] {
  const file = carried.find((path) => basename(path) === 'config.json')
  const ids = file === undefined ? undefined : idsSchema.safeParse(readJsonFile(file)).data
  return (['bos_token_id', 'eos_token_id'] as const).flatMap((key) => {
    const value = ids?.[key] ?? undefined
    return value === undefined || value >= model.vocab ? [] : [[key, { type: 'u32', value }] as const]
  })
}

/** GPT-2's letters for bytes (openai/gpt-2 src/encoder.py, bytes_to_unicode): printable ones are themselves. */
const BYTE_LETTERS: readonly string[] = byteLetters()

function byteLetters(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCodePoint(printable ? byte : next++)
  })
}

function byteLevel(character: string): string {
  return Array.from(Buffer.from(character), (byte) => BYTE_LETTERS[byte]!).join('')
}
