/** From what the user names as data to tokens for training and validation. */
import { createHash } from 'node:crypto'
import { extname } from 'node:path'
import type { CorpusRecord } from '../records/index.ts'
import { BUILT_IN_NAMES, readBuiltIn } from './builtin.ts'
import { byteTokenizer } from './byteTokenizer.ts'
import { checkLength } from './batches.ts'
import { checkCharacters } from './charTokenizer.ts'
import { checkIds } from './checkIds.ts'
import { DataError } from './dataError.ts'
import { packDocuments, separatedTexts, splitDocuments, splitText, type Part } from './documents.ts'
import { isJsonLines, listTexts, readDocuments, readText, statPath } from './textFiles.ts'
import { hasTokenFiles, readTokenFiles } from './tokenFiles.ts'
import type { Tokenizer, Tokens } from './tokenizer.ts'
import { openTokenizer } from './tokenizers.ts'

export interface Corpus {
  readonly train: Tokens
  readonly validation: Tokens
  readonly tokenizer: Tokenizer
  /** As the user named it. */
  readonly name: string
  /** SHA-256 over the numbers of tokens and the tokens, in hexadecimal. */
  readonly hash: string
  /** One line for people. */
  readonly description: string
}

export interface CorpusRequest {
  /** A built-in name, a text or .jsonl file, a folder of them, or a folder with train.bin and val.bin. */
  readonly data: string
  /** One of TOKENIZER_NAMES, the path of a tokenizer's file or folder, or the tokenizer that a model has already. */
  readonly tokenizer: string | Tokenizer
  /** Share of the text, from its end, that is kept for validation: above 0, below 1; default 0.1. .bin pairs are split already. */
  readonly validationShare?: number
}

/**
 * Reads, splits and tokenizes a corpus. The character vocabulary named `char` is that of the whole text, validation
 * included, as in nanoGPT; that of a model must have every character of it. A built-in name wins over a file of the same name; write `./name` for the file.
 * Throws DataError.
 */
export async function loadCorpus({ data, tokenizer, validationShare = 0.1 }: CorpusRequest): Promise<Corpus> {
  if (!(validationShare > 0 && validationShare < 1)) {
    throw new DataError(
      `The validation share is ${validationShare}; it must be above 0 and below 1.`,
      'Use 0.1 to keep a tenth of the text for validation.',
    )
  }
  const source =
    (await builtInSource(data, tokenizer, validationShare)) ?? (await pathSource(data, tokenizer, validationShare))
  const { train, validation, tokenizer: used, what } = source
  const shorter = Math.min(train.length, validation.length)
  if (shorter < 2) {
    throw new DataError(
      `${data} is too short: ${train.length} tokens to train on and ${validation.length} for validation.`,
      'Give more text; a model learns from thousands of tokens at least.',
    )
  }
  checkIds(train, used.vocab, `${data}, training tokens`)
  checkIds(validation, used.vocab, `${data}, validation tokens`)
  return {
    train,
    validation,
    tokenizer: used,
    name: data,
    hash: hashTokens(train, validation),
    description:
      `${what}: ${grouped(train.length)} training and ${grouped(validation.length)} validation tokens, ` +
      `${used.name} vocabulary of ${grouped(used.vocab)}`,
  }
}

/** What is saved of a corpus, to know it again on resume. */
export function corpusRecordOf({ name, hash, train, validation }: Corpus): CorpusRecord {
  return { name, hash, trainTokens: train.length, validationTokens: validation.length }
}

/**
 * Throws DataError when the corpus cannot feed a model: fewer than context + 1 training tokens, or an id outside the
 * model's vocabulary.
 */
export function checkCorpusFits(corpus: Corpus, { context, vocab }: { context: number; vocab: number }): void {
  checkLength(corpus.train, context, `The training part of ${corpus.name}`)
  if (corpus.tokenizer.vocab <= vocab) return
  checkIds(corpus.train, vocab, `${corpus.name}, training tokens`)
  checkIds(corpus.validation, vocab, `${corpus.name}, validation tokens`)
}

type TokenizerChoice = CorpusRequest['tokenizer']

function nameOf(choice: TokenizerChoice): string {
  return typeof choice === 'string' ? choice : choice.name
}

interface Source {
  readonly train: Tokens
  readonly validation: Tokens
  readonly tokenizer: Tokenizer
  /** The beginning of the description. */
  readonly what: string
}

async function builtInSource(data: string, choice: TokenizerChoice, share: number): Promise<Source | undefined> {
  const corpus = readBuiltIn(data)
  if (corpus === undefined) return undefined
  const { title, unit, documents } = corpus
  const what = `${title}, ${documents.texts.length} ${unit}`
  return { ...(await packed(splitDocuments(documents, share), choice, data)), what }
}

async function pathSource(data: string, choice: TokenizerChoice, share: number): Promise<Source> {
  const { isFolder } = statOrSuggest(data)
  if (isFolder && hasTokenFiles(data))
    return { ...(await readTokenFiles(data, choice)), what: `${data}, train.bin and val.bin` }
  if (!isFolder && extname(data) === '.bin') {
    throw new DataError(`${data} is one token file.`, 'Give the folder that holds train.bin and val.bin.')
  }
  const paths = isFolder ? listTexts(data) : [data]
  const named = isFolder ? `${data}, ${grouped(paths.length)} text file${paths.length === 1 ? '' : 's'}` : data
  // Bytes that are no UTF-8 are welcome to the byte tokenizer.
  if (nameOf(choice) === 'byte' && !paths.some(isJsonLines)) return { ...splitBytes(paths, share), what: named }
  const texts = paths.flatMap(readDocuments)
  const separator = paths.some(isJsonLines) ? 'empty line' : paths.length > 1 ? 'line end' : 'none'
  const what = texts.length === paths.length ? named : `${named}, ${grouped(texts.length)} documents`
  return { ...(await packed(splitText({ texts, separator }, share), choice, data)), what }
}

async function packed(
  { train, validation }: { readonly train: Part; readonly validation: Part },
  choice: TokenizerChoice,
  data: string,
): Promise<Omit<Source, 'what'>> {
  const texts = (): string[] => [...separatedTexts(train), ...separatedTexts(validation)]
  if (typeof choice !== 'string') checkCharacters(choice, texts, data)
  const tokenizer = typeof choice === 'string' ? await openTokenizer(choice, texts) : choice
  return { train: packDocuments(train, tokenizer), validation: packDocuments(validation, tokenizer), tokenizer }
}

/** The bytes of files, each ending its last line if there are several. */
function splitBytes(paths: readonly string[], share: number): Omit<Source, 'what'> {
  const newline = Buffer.from('\n')
  const parts = paths.flatMap((path) => {
    const bytes = readText(path)
    return paths.length === 1 || bytes.at(-1) === newline[0] ? [bytes] : [bytes, newline]
  })
  const bytes = Buffer.concat(parts)
  const cut = Math.floor(bytes.length * (1 - share))
  const [train, validation] = [new Uint16Array(bytes.subarray(0, cut)), new Uint16Array(bytes.subarray(cut))]
  return { train, validation, tokenizer: byteTokenizer }
}

function statOrSuggest(data: string): { isFolder: boolean } {
  try {
    return statPath(data)
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    throw new DataError(error.message, `${error.hint} The built-in corpora are: ${BUILT_IN_NAMES.join(', ')}.`)
  }
}

function hashTokens(...splits: readonly Tokens[]): string {
  const hash = createHash('sha256')
  for (const tokens of splits) {
    hash.update(`${tokens.length}\n`)
    hash.update(tokens)
  }
  return hash.digest('hex')
}

/** 1003854 as 1,003,854. */
function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
