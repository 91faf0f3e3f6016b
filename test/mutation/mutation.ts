/** Tries mutants on a copy of the repository: applies one, runs its tests, and puts the source back. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVitest, type TestModule, type Vitest } from 'vitest/node'
import type { Mutant } from './mutant.ts'

export interface Verdict {
  readonly mutant: string
  /** Null where all tests passed. */
  readonly caughtBy: Failure | null
}

interface Failure {
  readonly file: string
  readonly test: string
  readonly message: string
}

/** A mutant that proves nothing: its text is not there, or what it makes does not even load. */
export class MutationError extends Error {}

/** What of the repository the tests need. */
const COPIED = ['src', 'test', 'reference', 'docs', 'package.json', 'tsconfig.json', 'vitest.config.ts']

/** The mutated source. Throws MutationError where the text to replace does not stand in it exactly once. */
export function mutate(source: string, { find, replace }: { find: string; replace: string }, where: string): string {
  const times = source.split(find).length - 1
  if (times === 1) return source.replace(find, () => replace)
  throw new MutationError(
    `${where}: the text to replace is there ${times} times, not once:\n    ${find}\n` +
      'The code has moved on; bring the mutant in test/mutation up to date.',
  )
}

/** Every edit of the mutant applied: file -> new content. Throws as `mutate` does. */
export function mutatedFiles(root: string, { name, edits }: Mutant): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { file, ...change } of edits) {
    const source = files.get(file) ?? readFileSync(join(root, file), 'utf8')
    files.set(file, mutate(source, change, `"${name}" in ${file}`))
  }
  return files
}

/**
 * Tries each mutant on a copy of `root` and yields what caught it. Before that the same tests must pass on the copy as
 * it is. Throws MutationError where they do not, and for a mutant that cannot be applied or loaded.
 */
export async function* tryMutants(root: string, mutants: readonly Mutant[]): AsyncGenerator<Verdict> {
  for (const mutant of mutants) mutatedFiles(root, mutant) // before any time is spent
  const copy = mkdtempSync(join(tmpdir(), 'halflife-mutants-'))
  try {
    for (const part of COPIED) cpSync(join(root, part), join(copy, part), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    yield* tryOn(copy, mutants)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

async function* tryOn(copy: string, mutants: readonly Mutant[]): AsyncGenerator<Verdict> {
  const vitest = await createVitest('test', {
    root: copy,
    watch: false,
    reporters: [{}],
    bail: 1,
    testTimeout: 600_000,
  })
  try {
    await vitest.standalone()
    const before = failureIn(copy, await run(vitest, copy, [...new Set(mutants.flatMap(({ tests }) => tests))]))
    if (before !== null) {
      const { file, test, message } = before
      throw new MutationError(`Without any mutant, ${file} fails already: ${test}\n${message}\nRepair that first.`)
    }
    for (const mutant of mutants) {
      const files = mutatedFiles(copy, mutant)
      const originals = [...files.keys()].map((file) => [file, readFileSync(join(copy, file), 'utf8')] as const)
      write(vitest, copy, files)
      const modules = await run(vitest, copy, mutant.tests)
      write(vitest, copy, originals)
      yield { mutant: mutant.name, caughtBy: failureIn(copy, modules) }
    }
  } finally {
    await vitest.close()
  }
}

/** Writes files of the copy, and makes vitest read them again. */
function write(vitest: Vitest, copy: string, files: Iterable<readonly [file: string, content: string]>): void {
  for (const [file, content] of files) {
    writeFileSync(join(copy, file), content)
    vitest.invalidateFile(join(copy, file))
  }
}

async function run(vitest: Vitest, copy: string, tests: readonly string[]): Promise<readonly TestModule[]> {
  const found = await vitest.globTestSpecifications([...tests])
  const specifications = found.filter(({ moduleId }) => tests.some((test) => moduleId === join(copy, test)))
  const missing = tests.find((test) => specifications.every(({ moduleId }) => moduleId !== join(copy, test)))
  if (missing !== undefined) throw new MutationError(`There is no test file ${missing}.`)
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
  if (unhandledErrors.length > 0) throw new MutationError(`Outside of any test: ${String(unhandledErrors[0])}`)
  return testModules.filter(({ moduleId }) => specifications.some((one) => one.moduleId === moduleId))
}

/** The first test that failed; null where none did. Throws MutationError for a file whose code did not load. */
function failureIn(copy: string, modules: readonly TestModule[]): Failure | null {
  for (const module of modules) {
    const file = module.moduleId.slice(copy.length + 1)
    for (const test of module.children.allTests('failed'))
      return { file, test: test.fullName, message: test.result().errors?.[0]?.message ?? '' }
  }
  for (const module of modules) {
    const [error] = module.errors()
    if (error) throw new MutationError(`${module.moduleId.slice(copy.length + 1)} does not load: ${error.message}`)
  }
  return null
}
