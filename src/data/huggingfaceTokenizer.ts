/** Tokenizers as Hugging Face's libraries save them: a `tokenizer.json`, with a `tokenizer_config.json` beside it or not. */
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import type { TokenizerRecord } from '../records/index.ts'
import { checkIds } from './checkIds.ts'
import { DataError } from './dataError.ts'
import { pieceEncoder } from './pieces.ts'
import { tokenBuffer } from './tokenBuffer.ts'
import type { Tokenizer } from './tokenizer.ts'

export type HuggingFaceRecord = Extract<TokenizerRecord, { name: 'huggingface' }>

const tokenSchema = z.looseObject({ id: z.int().min(0), content: z.string(), special: z.boolean().default(false) })
const fileSchema = z.looseObject({
  model: z.looseObject({ vocab: z.union([z.record(z.string(), z.int().min(0)), z.array(z.unknown())]) }),
  added_tokens: z.array(tokenSchema).default([]),
})
const namedToken = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)])
const configSchema = z.looseObject({ eos_token: namedToken.nullish() })

/** What is used of the library, whose own types do not resolve outside its repository. */
interface HuggingFaceTokenizer {
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): {
    readonly ids: readonly (number | undefined)[]
    readonly tokens: readonly string[]
  }
  decode(ids: readonly number[]): string
  token_to_id(token: string): number | undefined
}

/** What ends a document, by its usual names, where the configuration does not say. */
const USUAL_ENDS = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>', '<|im_end|>']

/**
 * The tokenizer of these files' contents. `path` is for messages. What the file puts before a text by itself (LLaMA's
 * `<s>`) is `begin`, never part of `encode`. Throws DataError where the files are not what they should be.
 */
export function huggingfaceTokenizer(record: HuggingFaceRecord, path = 'The saved tokenizer.json'): Tokenizer {
  const file = parse(fileSchema, record.tokenizer, path)
  const config =
    record.config === null ? {} : parse(configSchema, record.config, `The tokenizer_config.json of ${path}`)
  const build = (tokens: readonly unknown[]): HuggingFaceTokenizer => {
    try {
      // Cleaning up "can not" to "cannot" is for people's eyes, and loses what stood there.
      return new LibraryTokenizer({ ...file, added_tokens: tokens }, { ...config, clean_up_tokenization_spaces: false })
    } catch (cause) {
      throw unsupported(path, cause)
    }
  }
  const whole = build(file.added_tokens)
  // Without its special tokens the library takes them for the plain characters that they are.
  const plain = build(file.added_tokens.filter(({ special }) => !special))
  const { vocab: entries } = file.model
  const modelIds = Array.isArray(entries) ? entries.map((_, id) => id) : Object.values(entries)
  const vocab = 1 + [...modelIds, ...file.added_tokens.map(({ id }) => id)].reduce((a, b) => Math.max(a, b), -1)
  const ids = (by: HuggingFaceTokenizer) => (text: string) => idsOf(by, text, path)
  const encodePlain = pieceEncoder(ids(plain), vocab)
  const endNames = typeof config.eos_token === 'string' ? [config.eos_token] : USUAL_ENDS
  return {
    name: 'huggingface',
    vocab,
    begin: beginOf(whole),
    end: endNames.map((name) => whole.token_to_id(name)).find((id) => id !== undefined) ?? null,
    encode(text, { special = false } = {}) {
      if (!special) return encodePlain(text)
      const out = tokenBuffer(vocab)
      out.append(ids(whole)(text))
      return out.tokens()
    },
    decode(tokens) {
      checkIds(tokens, vocab, 'Cannot turn ids into text')
      return tokens.length === 0 ? '' : whole.decode(Array.from(tokens))
    },
    describe: () => record,
  }
}

/** The record of these texts, without the white space that makes the files long. Throws DataError where they are no JSON. */
export function huggingfaceRecord(tokenizer: string, config: string | null, path: string): HuggingFaceRecord {
  return {
    name: 'huggingface',
    tokenizer: shorten(tokenizer, path),
    config: config === null ? null : shorten(config, `The tokenizer_config.json beside ${path}`),
  }
}

function shorten(text: string, path: string): string {
  return JSON.stringify(parse(z.unknown(), text, path))
}

function parse<T extends z.ZodType>(schema: T, text: string, path: string): z.output<T> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new DataError(
      `${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'The file is cut off or damaged; copy or download it again.',
    )
  }
  const { data, error } = schema.safeParse(value)
  if (error === undefined) return data
  const [issue] = error.issues
  throw new DataError(
    `${path} is no tokenizer of Hugging Face's: ${issue!.path.join('.') || 'the whole'}: ${issue!.message}.`,
    "Give the tokenizer.json that a model's folder has.",
  )
}

function unsupported(path: string, cause: unknown): DataError {
  return new DataError(
    `${path} has a part that is not supported: ${cause instanceof Error ? cause.message : String(cause)}.`,
    'Byte pair encodings, Unigram and WordPiece models in the format of the tokenizers library can be read.',
  )
}

function idsOf(tokenizer: HuggingFaceTokenizer, text: string, path: string): readonly number[] {
  if (text === '') return []
  const { ids, tokens } = tokenizer.encode(text, { add_special_tokens: false })
  const known = ids.filter((id) => id !== undefined)
  if (known.length === ids.length) return known
  const unknown = ids.indexOf(undefined)
  throw new DataError(
    `${JSON.stringify(tokens[unknown])} is not in the vocabulary of ${path}, which has no token for what is unknown.`,
    'Leave it out, or use a tokenizer that can write every text, such as byte or gpt2.',
  )
}

/** What the tokenizer's post-processor puts before a text. */
function beginOf(tokenizer: HuggingFaceTokenizer): readonly number[] {
  const encoded = (special: boolean): number[] =>
    tokenizer.encode('a', { add_special_tokens: special }).ids.filter((id) => id !== undefined)
  const [alone, dressed] = [encoded(false), encoded(true)]
  const at = dressed.findIndex((_, start) => alone.every((id, i) => dressed[start + i] === id))
  return at <= 0 ? [] : dressed.slice(0, at)
}
