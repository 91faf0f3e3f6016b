/** Training with products in bf16: what it means, on whom it runs, and that checkpoints know of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { createBackend, PrecisionError } from '../engine/index.ts'
import { compiledBackends, float32, type TestedBackend } from './backends.test.data.ts'
import { runTraining, tinyRecipe } from './running.test.data.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-precision-'))
afterAll(() => rmSync(folder, { recursive: true }))

const bf16 = (...set: readonly string[]) => tinyRecipe('train.precision=bf16', 'schedule.steps=6', ...set)
const fp32 = tinyRecipe('schedule.steps=6')

const native = compiledBackends.filter(({ label }) => label === 'native')
/** Native code for bf16 by the instructions where there are some, else expanded. */
const withBf16: readonly TestedBackend[] = native.map((on) => ({
  ...on,
  create: (threads = 1) => createBackend({ backend: 'native', threads, expandBf16: true }),
}))

test('losses differ from those of fp32, but not by much', async () => {
  const [rounded, plain] = [await runTraining({ recipe: bf16() }), await runTraining({ recipe: fp32 })]
  const differences = rounded.steps.map(({ loss }, k) => Math.abs(loss - plain.steps[k]!.loss))
  expect(Math.max(...differences)).toBeLessThan(0.01)
  expect(differences.some((difference) => difference > 1e-6)).toBe(true)
})

describe.each(withBf16)('$label', (on) => {
  test('agrees with the interpreter', async () => {
    const [compiled, meant] = [await runTraining({ on, recipe: bf16() }), await runTraining({ recipe: bf16() })]
    for (const [k, { loss }] of compiled.steps.entries())
      expect(Math.abs(loss - meant.steps[k]!.loss)).toBeLessThan(1e-3)
    expect(compiled.evaluations.at(-1)!.valLoss).toBeCloseTo(meant.evaluations.at(-1)!.valLoss, 2)
  })

  test.skipIf(availableParallelism() < 2)('gives the same bits on two threads as on one', async () => {
    const recipe = bf16('model.dropout=0.1')
    const [one, two] = [await runTraining({ on, recipe, threads: 1 }), await runTraining({ on, recipe, threads: 2 })]
    expect([...two.tensors]).toEqual([...one.tensors])
  })
})

describe.each(compiledBackends.filter(({ label }) => label !== 'native'))('$label', (on) => {
  test('refuses', async () => {
    await expect(runTraining({ on, recipe: bf16() })).rejects.toThrow(PrecisionError)
  })
})

test('a processor without the instructions refuses and offers fp32', () => {
  if (native.length === 0) return
  const backend = createBackend({ backend: 'native', disable: ['bf16'] })
  expect(backend.withoutBf16).toMatch(/AVX512_BF16/)
  backend.dispose()
})

test('a run that goes on in another precision says so', async () => {
  const out = join(folder, 'run')
  await runTraining({ recipe: bf16(), out })
  const recipe = tinyRecipe('schedule.steps=8')
  const { start } = await runTraining({ on: float32, recipe, out, resume: out })
  expect(start.changes).toContainEqual({ path: 'train.precision', from: 'bf16', to: 'fp32' })
})
