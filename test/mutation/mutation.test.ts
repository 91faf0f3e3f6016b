/** The mutants can be applied to the code as it is, and tests catch them: here the few that stand for the rest. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { MUTANTS } from './mutants.ts'
import { mutate, mutatedFiles } from './mutation.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

describe('a mutation', () => {
  test('replaces its text, whatever signs are in it', () => {
    expect(mutate('a - b', { find: '- b', replace: "+ $& $' b" }, 'here')).toBe("a + $& $' b")
  })

  test.each([
    ['is gone', 'a + b', 0],
    ['stands there twice', 'a - b - b', 2],
  ])('fails loudly where the text %s', (_, source, times) => {
    expect(() => mutate(source, { find: '- b', replace: '+ b' }, 'the sign, in x.ts')).toThrow(
      `the sign, in x.ts: the text to replace is there ${times} times, not once:\n    - b`,
    )
  })
})

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s: can be applied', (_, mutant) => {
  const files = mutatedFiles(ROOT, mutant)
  expect(files.size).toBe(new Set(mutant.edits.map(({ file }) => file)).size)
  for (const { find, replace } of mutant.edits) expect(replace).not.toBe(find)
})

// All of them: npm run mutate.
test('a test catches each of the mutants that are tried in every run', { timeout: 600_000 }, async () => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')))
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'mutate', '--', '--in-suite'], {
    cwd: ROOT,
    env,
  })
  const expected = MUTANTS.filter(({ inSuite }) => inSuite)
  expect(expected.length).toBeGreaterThanOrEqual(8)
  expect(stdout).toContain(`${expected.length} of ${expected.length} mutants were caught`)
  for (const { name, tests } of expected) {
    const line = stdout.split('\n').find((row) => row.startsWith(name))
    expect(tests.some((file) => line?.includes(`  ${file}: `) === true)).toBe(true)
  }
})
