/** The tokenizer that goes with a model: the files it came with, and those that make other programs read it alike. */
import { basename } from 'node:path'
import { tokenizerFiles, tokenizerFromDescription } from '../data/index.ts'
import type { Pretrained } from './pretrained.ts'

export interface TokenizerToWrite {
  /** By name; without those that are carried along. */
  readonly files: ReadonlyMap<string, string | Uint8Array>
  /** The token that stands before a document, and the one after it; null where there is none. */
  readonly begin: number | null
  readonly end: number | null
}

/** Null where nobody knows what turns text into the model's tokens. Throws DataError where it is damaged. */
export async function tokenizerToWrite({ tokenizer, carried }: Pretrained): Promise<TokenizerToWrite | null> {
  if (tokenizer === null || tokenizer.name === 'ids') return null
  const { begin, end } = await tokenizerFromDescription(tokenizer)
  const there = new Set(carried.map((path) => basename(path)))
  const files = [...(await tokenizerFiles(tokenizer))].filter(([name]) => !there.has(name))
  return { files: new Map(files), begin: begin[0] ?? null, end }
}
