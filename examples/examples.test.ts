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
  test('01: weight decay on a model of one’s own, in twenty lines', async () => {
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
    expect(code.length).toBeLessThanOrEqual(20)
  })

  test('02: Adam with L2 erases rows that are never seen, whatever λ is; AdamW takes lr·λ of all alike', async () => {
    const text = await output('02-adam-l2-versus-adamw')
    const row = (name: string): number[] =>
      numbers(text, new RegExp(`^${name.replace('+', '\\+')} +([\\d.]+) +([\\d.]+) +([\\d.]+)$`, 'm'))
    const [plainLoss, plainNever, plainCommon] = row('no decay') as [number, number, number]
    const [adamwLoss, adamwNever, adamwCommon] = row('AdamW, λ 0.1') as [number, number, number]
    const [strongLoss, strongNever, strongCommon] = row('Adam + L2, λ 0.1') as [number, number, number]
    const [weakLoss, weakNever, weakCommon] = row('Adam + L2, λ 0.0001') as [number, number, number]
    expect(plainNever).toBe(1)
    expect(adamwNever).toBeCloseTo(0.9995 ** 400, 5)
    expect([strongNever, weakNever]).toEqual([0, 0])
    expect(adamwCommon).toBeLessThan(plainCommon)
    expect(strongCommon).toBeLessThan(0.01)
    expect(weakCommon).toBeGreaterThan(0.9 * plainCommon)
    for (const loss of [adamwLoss, weakLoss]) expect(Math.abs(loss - plainLoss)).toBeLessThan(0.1)
    expect(strongLoss).toBeGreaterThan(plainLoss + 0.5)
  })

  test('03: gradients grow fourfold under plain decay, and not at all under AdamC’s', async () => {
    const text = await output('03-adamc-toy')
    const five = ' +([\\d.]+)'.repeat(5)
    const plain = numbers(text, new RegExp(`^decoupled${five}`, 'm'))
    // ‖w‖² ← (1 − η_t·λ)²·‖w‖² + η_t²·N/‖w‖², which is the same without chance
    const expected = [1, 1.0747, 1.3701, 2.2208, 4.1515]
    plain.forEach((ratio, k) => expect(Math.abs(ratio / expected[k]! - 1)).toBeLessThan(1e-2))
    for (const ratio of numbers(text, new RegExp(`^corrected${five}`, 'm'))) {
      expect(Math.abs(ratio - 1)).toBeLessThan(1e-2)
    }
  })

  test('04: weights settle at √(lr/2λ) and turn by what is foretold, from ten times that size or a tenth', async () => {
    const rows = (await output('04-equilibrium')).trimEnd().split('\n').slice(1)
    expect(rows).toHaveLength(4)
    for (const row of rows) {
      const [size, plain, exact, turn, foretold] = row.split('×')[1]!.trim().split(/\s+/).map(Number) as [
        number,
        number,
        number,
        number,
        number,
      ]
      expect(Math.abs(plain / exact - 1)).toBeLessThan(5e-2)
      expect(Math.abs(size / exact - 1)).toBeLessThan(1.5e-2)
      expect(Math.abs(turn / foretold - 1)).toBeLessThan(1.5e-2)
    }
  })

  test('05: LLaMA’s 0.1 is 3e-5 in Composer, and 1.62 % of the start survives by every name', async () => {
    const text = await output('05-the-same-lambda-elsewhere')
    expect(numbers(text, /^composer +(\S+) +yes +([\d.]+) %$/m)).toEqual([3e-5, 1.62])
    expect(numbers(text, /^t5x-adafactor +(\S+) +overall +([\d.]+) %$/m)).toEqual([1.649e-5, 1.62])
    expect(text).toMatch(/^pytorch-adam +none/m)
  })

  test('06: from nanoGPT’s rule to OLMo-2’s, 100 of 148 tensors change sides', async () => {
    const text = await output('06-two-policies')
    expect(text).toContain('under olmo-2 only: 98 tensors, 121344 parameters;')
    expect(text).toContain('under nanogpt only: 2 tensors, 39383808 parameters')
  })
})

test('every example has a test', () => {
  const source = readFileSync(fileURLToPath(import.meta.url), 'utf8')
  for (const name of names) expect(source).toContain(`output('${name.slice(0, -3)}')`)
  expect(names.length).toBeGreaterThan(0)
})
