/** Text on disk: one file, or the text files of a folder. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { z } from 'zod'
import { DataError, systemCode } from './dataError.ts'

const JSON_LINES = '.jsonl'
const TEXT_EXTENSIONS = ['.txt', '.text', '.md', JSON_LINES]
/** V8's longest string is some 2^29 units; a text is read as one. */
const LARGEST_TEXT = 2 ** 29 - 1024

/** The bytes of a file; DataError when it is missing, unreadable, empty or too big. */
export function readText(path: string): Buffer {
  const { size } = statPath(path)
  if (size > LARGEST_TEXT) {
    throw new DataError(
      `${path} has ${size} bytes; texts are read whole, up to ${LARGEST_TEXT} bytes.`,
      'Turn it into token files first (train.bin and val.bin, uint16 little endian) and give their folder.',
    )
  }
  const bytes = reading(path, () => readFileSync(path))
  if (bytes.length === 0) throw new DataError(`${path} is empty.`, 'Give a file with text in it.')
  return bytes
}

/** Paths of the text files of a folder, sorted by name. DataError when there is none. */
export function listTexts(folder: string): string[] {
  const names = listFolder(folder)
  const texts = names.filter((name) => TEXT_EXTENSIONS.includes(extname(name).toLowerCase())).toSorted()
  if (texts.length > 0) return texts.map((name) => join(folder, name))
  const found =
    names.length === 0 ? 'it is empty' : `it holds ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  throw new DataError(
    `The folder ${folder} has no text: ${found}.`,
    `Give a folder with ${TEXT_EXTENSIONS.join(', ')} files, or with train.bin and val.bin, or give one file by its name.`,
  )
}

/** Whether a file has one document per line, each an object with its text. */
export function isJsonLines(path: string): boolean {
  return extname(path).toLowerCase() === JSON_LINES
}

/** The documents of a text file: its whole text, or of a `.jsonl` file the "text" of every line. Throws DataError. */
export function readDocuments(path: string): string[] {
  const text = decodeText(readText(path), path)
  if (!isJsonLines(path)) return [text]
  const documents: string[] = []
  for (let from = 0, line = 1; from < text.length; line++) {
    const end = text.indexOf('\n', from)
    const row = text.slice(from, end === -1 ? text.length : end)
    from += row.length + 1
    if (row.trim() !== '') documents.push(textOfLine(row, `${path}, line ${line}`))
  }
  if (documents.length > 0) return documents
  throw new DataError(`${path} has no documents.`, 'Give a file with a document on each line: {"text": "…"}.')
}

const lineSchema = z.looseObject({ text: z.string() })

function textOfLine(row: string, where: string): string {
  let value: unknown
  try {
    value = JSON.parse(row)
  } catch (cause) {
    throw new DataError(
      `${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Each line of a .jsonl file is one document: {"text": "…"}.',
    )
  }
  const { data } = lineSchema.safeParse(value)
  if (data !== undefined) return data.text
  throw new DataError(`${where} has no "text".`, 'Each line of a .jsonl file is one document: {"text": "…"}.')
}

/** UTF-8 as a string; DataError with the place of the first byte that is not UTF-8. A byte order mark is left out. */
export function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new DataError(
      `${path} is not UTF-8 text: byte ${firstInvalidByte(bytes)} cannot be read.`,
      'Save it as UTF-8, or use --tokenizer byte, which takes any file.',
    )
  }
}

/** What stands at a path; DataError when nothing does. */
export function statPath(path: string): { size: number; isFolder: boolean } {
  const stat = reading(path, () => statSync(path))
  return { size: stat.size, isFolder: stat.isDirectory() }
}

/** All names in a folder. */
export function listFolder(folder: string): string[] {
  return reading(folder, () => readdirSync(folder))
}

/** Runs a file system call, and explains its failure. */
export function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const code = systemCode(cause)
    if (code === undefined) throw cause
    const error = explain(path, code)
    error.cause = cause
    throw error
  }
}

function explain(path: string, code: string): DataError {
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new DataError(
      `There is no file or folder ${path}.`,
      'Check the path, which is taken from the folder you are in, or use a built-in corpus.',
    )
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new DataError(`${path} may not be read by this user (${code}).`, 'Change its permissions, or copy it.')
  }
  return new DataError(`${path} cannot be read (${code}).`, 'Check the disk, or copy the file somewhere else.')
}

/** Longest valid prefix by bisection: decoding with `stream` accepts a character that is cut off at the end. */
function firstInvalidByte(bytes: Uint8Array): number {
  let low = 0
  let high = bytes.length
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (isPrefixValid(bytes.subarray(0, middle))) low = middle
    else high = middle - 1
  }
  return low
}

function isPrefixValid(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
