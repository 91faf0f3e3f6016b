/** Each example compiled and run as a user would, on the built package; its numbers are what its text promises. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COMPILED = fileURLToPath(new URL('../.cache/examples/', import.meta.url))
const names = readdirSync(new URL('.', import.meta.url)).filter((name) => /^\d\d-.*\.ts$/.test(name))
const start = promisify(execFile)

beforeAll(async () => {
  if (!existsSync(`${ROOT}dist/index.js`)) throw new Error('dist is missing: run npm run build first (npm test does).')
  await start('npx', ['tsc', '-p', 'tsconfig.examples.json'], { cwd: ROOT })
})

async function output(name: string): Promise<string> {
  const { stdout } = await start(process.execPath, [`${COMPILED}${name}.js`], { cwd: ROOT })
  return stdout
}

/** The numbers that the pattern's groups find. */
function numbers(text: string, pattern: RegExp): number[] {
  const found = pattern.exec(text)
  expect(found, `${String(pattern)} in:\n${text}`).not.toBeNull()
  return found!.slice(1).map((group) => Number(group.replaceAll(',', '')))
}

describe('example', { timeout: 300_000 }, () => {
  test('01: weight decay on a model of one’s own, in some twenty lines', async () => {
    const text = await output('01-weight-decay-in-twenty-lines')
    // Only the two matrices decay: ∏(1 − 0.01·0.2) over 1,000 steps = 0.998^1000.
    expect(text).toMatch(/^matrix +2 +64 +0.2 +347 +13.5 %$/m)
    expect(text).toMatch(/^bias +1 +32 +– +– +100 %$/m)
    expect(text).toContain('λ = 0.2 leaves 13.5 % of the initial weights after 1,000 steps')
    const [before, after] = numbers(text, /loss ([\d.]+) before training, ([\d.]+) after/)
    expect(before).toBeCloseTo(4.544, 2)
    expect(after).toBeLessThan(0.02)
    const source = readFileSync(new URL('01-weight-decay-in-twenty-lines.ts', import.meta.url), 'utf8')
    const code = source.split('\n').filter((line) => line !== '' && !/^(import|\/\*\*| \*)/.test(line))
    expect(code.length).toBeLessThanOrEqual(22)
  })
})

test('every example has a test', () => {
  const source = readFileSync(fileURLToPath(import.meta.url), 'utf8')
  for (const name of names) expect(source).toContain(`output('${name.slice(0, -3)}')`)
  expect(names.length).toBeGreaterThan(0)
})
