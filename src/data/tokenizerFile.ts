/** Tokenizers in files: a `tokenizer.json`, a SentencePiece `.model`, or a folder that has one of them. */
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DataError } from './dataError.ts'
import { huggingfaceRecord, huggingfaceTokenizer } from './huggingfaceTokenizer.ts'
import { sentencePieceTokenizer } from './sentencePieceTokenizer.ts'
import { reading, statPath } from './textFiles.ts'
import type { Tokenizer } from './tokenizer.ts'
import { TOKENIZER_FILES } from './tokenizerJson.ts'

/** Far above any tokenizer there is; a mistaken path should not fill the memory. */
const LARGEST_FILE = 2 ** 28

/** The tokenizer file of a folder, `tokenizer.json` before `tokenizer.model`, or undefined where it has none. */
export function findTokenizerFile(folder: string): string | undefined {
  return [TOKENIZER_FILES.huggingface, TOKENIZER_FILES.sentencePiece]
    .map((name) => join(folder, name))
    .find((path) => existsSync(path))
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
      `Give a folder with ${TOKENIZER_FILES.huggingface} or ${TOKENIZER_FILES.sentencePiece}, or such a file by its name.`,
    )
  }
  const bytes = readSmall(file)
  if (!file.endsWith('.json')) return sentencePieceTokenizer(bytes, file)
  const config = join(dirname(file), TOKENIZER_FILES.config)
  const withConfig = basename(file) === TOKENIZER_FILES.huggingface && existsSync(config)
  const record = huggingfaceRecord(bytes.toString('utf8'), withConfig ? readSmall(config).toString('utf8') : null, file)
  return huggingfaceTokenizer(record, file)
}

function readSmall(path: string): Buffer {
  const { size } = statPath(path)
  if (size <= LARGEST_FILE) return reading(path, () => readFileSync(path))
  throw new DataError(
    `${path} has ${size} bytes, more than any tokenizer.`,
    'Give a tokenizer.json or tokenizer.model.',
  )
}
