/** Tokenizers in files: a `tokenizer.json`, a SentencePiece `.model`, or a folder that has one of them. */
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { TokenizerRecord } from '../records/index.ts'
import { DataError } from './dataError.ts'
import { huggingfaceRecord, huggingfaceTokenizer } from './huggingfaceTokenizer.ts'
import { sentencePieceTokenizer } from './sentencePieceTokenizer.ts'
import { reading, statPath } from './textFiles.ts'
import type { Tokenizer } from './tokenizer.ts'

const NAMES = {
  huggingface: 'tokenizer.json',
  config: 'tokenizer_config.json',
  sentencePiece: 'tokenizer.model',
} as const
/** Far above any tokenizer there is; a mistaken path should not fill the memory. */
const LARGEST_FILE = 2 ** 28

/** The tokenizer file of a folder, `tokenizer.json` before `tokenizer.model`, or undefined where it has none. */
export function findTokenizerFile(folder: string): string | undefined {
  return [NAMES.huggingface, NAMES.sentencePiece].map((name) => join(folder, name)).find((path) => existsSync(path))
}

/**
 * Opens a tokenizer by its file or its folder. A `tokenizer_config.json` beside a `tokenizer.json` is read too.
 * Throws DataError.
 */
export function openTokenizerFile(path: string): Tokenizer {
  const file = statPath(path).isFolder ? findTokenizerFile(path) : path
  if (file === undefined) {
    throw new DataError(
      `The folder ${path} has no tokenizer.`,
      `Give a folder with ${NAMES.huggingface} or ${NAMES.sentencePiece}, or such a file by its name.`,
    )
  }
  const bytes = readSmall(file)
  if (!file.endsWith('.json')) return sentencePieceTokenizer(bytes, file)
  const config = join(dirname(file), NAMES.config)
  const withConfig = basename(file) === NAMES.huggingface && existsSync(config)
  const record = huggingfaceRecord(bytes.toString('utf8'), withConfig ? readSmall(config).toString('utf8') : null, file)
  return huggingfaceTokenizer(record, file)
}

/** The files that a described tokenizer was read from, by their usual names; none for those that come with the program. */
export function tokenizerFiles(record: TokenizerRecord): ReadonlyMap<string, string | Uint8Array> {
  if (record.name === 'sentencepiece') return new Map([[NAMES.sentencePiece, Buffer.from(record.model, 'base64')]])
  if (record.name !== 'huggingface') return new Map()
  const config = record.config === null ? [] : [[NAMES.config, record.config] as const]
  return new Map([[NAMES.huggingface, record.tokenizer], ...config])
}

function readSmall(path: string): Buffer {
  const { size } = statPath(path)
  if (size <= LARGEST_FILE) return reading(path, () => readFileSync(path))
  throw new DataError(
    `${path} has ${size} bytes, more than any tokenizer.`,
    'Give a tokenizer.json or tokenizer.model.',
  )
}
