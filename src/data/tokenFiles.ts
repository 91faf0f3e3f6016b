/** nanoGPT's data folders: train.bin and val.bin, token ids as uint16, little endian, without a header. */
import { existsSync, openSync, closeSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { charactersOf, charTokenizer } from './charTokenizer.ts'
import { DataError } from './dataError.ts'
import { idsTokenizer } from './idsTokenizer.ts'
import { decodeText, listFolder, reading, readText, statPath } from './textFiles.ts'
import type { Tokenizer, Tokens } from './tokenizer.ts'
import { openTokenizer } from './tokenizers.ts'

const BYTES_PER_TOKEN = 2
/** Per read call; Node reads at most 2^31 - 1 bytes in one. */
const CHUNK_BYTES = 2 ** 26

export interface TokenFiles {
  readonly train: Tokens
  readonly validation: Tokens
  readonly tokenizer: Tokenizer
}

/** Whether a folder holds token files rather than text. */
export function hasTokenFiles(folder: string): boolean {
  return listFolder(folder).some((name) => name === 'train.bin' || name === 'val.bin')
}

/**
 * Reads train.bin and val.bin. Any tokenizer but characters is taken as the one that made them. The alphabet of a `char`
 * data set is not in its .bin files (nanoGPT keeps it in a Python pickle): it is taken from input.txt beside them when
 * that text gives exactly these tokens; otherwise the tokenizer is `ids`, which prints numbers.
 * Throws DataError where a model's characters are not known to be theirs.
 */
export async function readTokenFiles(folder: string, tokenizer: string | Tokenizer): Promise<TokenFiles> {
  const train = readTokens(folder, 'train.bin')
  const validation = readTokens(folder, 'val.bin')
  if (typeof tokenizer !== 'string' && tokenizer.name !== 'char') return { train, validation, tokenizer }
  if (typeof tokenizer === 'string' && tokenizer !== 'char') {
    return { train, validation, tokenizer: await openTokenizer(tokenizer, () => []) }
  }
  const alphabet = alphabetOf(folder, train, validation)
  if (typeof tokenizer !== 'string') {
    checkAlphabet(folder, tokenizer, alphabet)
    return { train, validation, tokenizer }
  }
  if (alphabet !== undefined) return { train, validation, tokenizer: charTokenizer(alphabet) }
  return { train, validation, tokenizer: idsTokenizer(Math.max(largest(train), largest(validation)) + 1) }
}

function checkAlphabet(folder: string, tokenizer: Tokenizer, alphabet: string | undefined): void {
  const record = tokenizer.describe()
  if (record.name === 'char' && record.characters === alphabet) return
  throw new DataError(
    alphabet === undefined
      ? `Nothing says which characters the token ids in ${folder} stand for: it has no input.txt that gives them.`
      : `The token ids in ${folder} stand for other characters than the model's.`,
    'Give the text itself with --data; it is then read with the characters of the model.',
  )
}

function readTokens(folder: string, name: string): Tokens {
  const path = join(folder, name)
  if (!existsSync(path)) {
    throw new DataError(`${folder} has no ${name}.`, 'A token folder needs both train.bin and val.bin.')
  }
  const { size } = statPath(path)
  if (size === 0) throw new DataError(`${path} is empty.`, 'Prepare the data again.')
  if (size % BYTES_PER_TOKEN !== 0) {
    throw new DataError(
      `${path} has ${size} bytes, an odd number; token files hold two bytes per token.`,
      'The file is cut off or is no uint16 token file; prepare or copy it again.',
    )
  }
  return reading(path, () => {
    const tokens = new Uint16Array(size / BYTES_PER_TOKEN)
    const bytes = new Uint8Array(tokens.buffer)
    const file = openSync(path, 'r')
    try {
      for (let at = 0; at < size;) {
        const read = readSync(file, bytes, at, Math.min(CHUNK_BYTES, size - at), at)
        if (read === 0)
          throw new DataError(`${path} became shorter while it was read.`, 'Run again when it is complete.')
        at += read
      }
    } finally {
      closeSync(file)
    }
    return tokens
  })
}

/** The characters of input.txt, when it is the text of these tokens. */
function alphabetOf(folder: string, train: Tokens, validation: Tokens): string | undefined {
  const path = join(folder, 'input.txt')
  if (!existsSync(path)) return undefined
  const text = decodeText(readText(path), path)
  const characters = charactersOf([text])
  const tokens = charTokenizer(characters).encode(text)
  if (tokens.length !== train.length + validation.length) return undefined
  const same = (part: Tokens, from: number): boolean => part.every((id, i) => tokens[from + i] === id)
  return same(train, 0) && same(validation, train.length) ? characters : undefined
}

function largest(tokens: Tokens): number {
  let largest = 0
  for (const id of tokens) if (id > largest) largest = id
  return largest
}
