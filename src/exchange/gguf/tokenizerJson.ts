/** What llama.cpp needs to know of a tokenizer.json. */
import { z } from 'zod'
import { ExchangeError } from '../exchangeError.ts'

/** A part of the tokenizer, such as its pre-tokenizer; parts of the type Sequence have others in them. */
interface Part {
  readonly type: string
  readonly use_regex?: boolean | undefined
  readonly prepend_scheme?: string | undefined
  readonly pattern?: { readonly Regex?: string | undefined } | undefined
  readonly pretokenizers?: readonly Part[] | undefined
  readonly decoders?: readonly Part[] | undefined
  readonly normalizers?: readonly Part[] | undefined
}

const partSchema: z.ZodType<Part> = z.lazy(() =>
  z.object({
    type: z.string(),
    use_regex: z.boolean().optional(),
    prepend_scheme: z.string().optional(),
    pattern: z.object({ Regex: z.string().optional() }).optional(),
    pretokenizers: z.array(partSchema).optional(),
    decoders: z.array(partSchema).optional(),
    normalizers: z.array(partSchema).optional(),
  }),
)

const fileSchema = z.object({
  added_tokens: z.array(z.object({ id: z.int().min(0), content: z.string(), special: z.boolean() })).default([]),
  normalizer: partSchema.nullish(),
  pre_tokenizer: partSchema.nullish(),
  decoder: partSchema.nullish(),
  model: z.object({
    type: z.literal('BPE'),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(z.union([z.string().transform((merge) => splitMerge(merge)), z.tuple([z.string(), z.string()])])),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().default(false),
  }),
})

export interface TokenizerJson {
  /** By id, those that were added included. */
  readonly tokens: ReadonlyMap<number, string>
  readonly added: readonly { readonly id: number; readonly content: string; readonly special: boolean }[]
  readonly merges: readonly (readonly [string, string])[]
  /** The token for what has none. */
  readonly unknown: string | null
  /** Characters without a token are bytes written as `<0x0A>`. */
  readonly byteFallback: boolean
  /** Tokens are written in GPT-2's letters for bytes. */
  readonly byteLevel: boolean
  /** A space is put before a text. */
  readonly spacePrefix: boolean
  /** Patterns that cut a text into words; null for GPT-2's own. */
  readonly patterns: readonly (string | null)[]
}

/** Throws ExchangeError where it is no byte pair encoding, or one of characters that llama.cpp has nothing for. */
export function readTokenizerJson(file: unknown, path: string): TokenizerJson {
  const { data, error } = fileSchema.safeParse(file)
  if (error !== undefined) throw unwritable(path, 'it is no byte pair encoding')
  const { added_tokens: added, model } = data
  const tokens = new Map(Object.entries(model.vocab).map(([token, id]) => [id, token]))
  for (const { id, content } of added) tokens.set(id, content)
  const cuts = partsOf(data.pre_tokenizer)
  const byteLevel = [...cuts, ...partsOf(data.decoder)].some(({ type }) => type === 'ByteLevel')
  if (!byteLevel && !model.byte_fallback && model.merges.length > 0) {
    throw unwritable(path, 'it merges characters, neither bytes nor with a fallback to bytes')
  }
  return {
    tokens,
    added,
    merges: model.merges,
    unknown: model.unk_token ?? null,
    byteFallback: model.byte_fallback,
    byteLevel,
    spacePrefix:
      partsOf(data.normalizer).some(({ type }) => type === 'Prepend') ||
      cuts.some(({ type, prepend_scheme: scheme }) => type === 'Metaspace' && scheme !== 'never'),
    patterns: cuts.flatMap(({ type, use_regex: words = true, pattern }) => {
      if (type === 'ByteLevel') return words ? [null] : []
      return [pattern?.Regex ?? type]
    }),
  }
}

/** `a b` -> a and b, which have no spaces. */
function splitMerge(merge: string): [string, string] {
  const at = merge.indexOf(' ', 1)
  return [merge.slice(0, at), merge.slice(at + 1)]
}

function partsOf(part: Part | null | undefined): readonly Part[] {
  if (part === null || part === undefined) return []
  return part.type === 'Sequence'
    ? [...(part.pretokenizers ?? []), ...(part.decoders ?? []), ...(part.normalizers ?? [])].flatMap(partsOf)
    : [part]
}

const CONTRACTIONS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)`
const REST = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

/** What llama.cpp calls the patterns (src/llama-vocab.cpp, each beside its own form of them). */
const PRE_TOKENIZERS = new Map<string | null, string>([
  [null, 'gpt-2'],
  [String.raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|${REST}`, 'llama-bpe'],
  [String.raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|${REST}`, 'qwen2'],
])

/** `tokenizer.ggml.pre`. Throws ExchangeError for words that llama.cpp, as far as is known here, does not cut. */
export function preTokenizerName({ patterns }: TokenizerJson, path: string): string {
  const [pattern] = patterns
  const name = patterns.length === 1 && pattern !== undefined ? PRE_TOKENIZERS.get(pattern) : undefined
  if (name !== undefined) return name
  const what = patterns.map((each) => each ?? 'GPT-2’s').join(' and ')
  throw unwritable(
    path,
    `it cuts words by ${what === '' ? 'nothing' : what}, and known are GPT-2’s, LLaMA 3’s and Qwen’s ways`,
  )
}

function unwritable(path: string, why: string): ExchangeError {
  return new ExchangeError(
    path,
    `The tokenizer of ${path} cannot be written as GGUF: ${why}.`,
    'Write the folder of transformers, or move the tokenizer away to write the weights alone.',
  )
}
