/** The smallest recipe of every architecture, scaled down further, through a whole run: stop, resume, sample. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { architectureNames } from '../models/index.ts'
import { recipes, resolveRecipe } from '../recipes/index.ts'
import { compiledBackends, float32 } from './backends.test.data.ts'
import { atStep, runTraining } from './running.test.data.ts'
import { openSampler } from './sample.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-architectures-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Two optimizer steps before the stop and two after it, each of two batches, with everything dropped that can be. */
const SMALL = {
  model: { layers: 2, width: 32, context: 8, vocab: 13, dropout: 0.1, stochasticDepth: 0.2 },
  schedule: { warmup: 1, steps: 4 },
  train: { batchSize: 2, accumulation: 2, evalEvery: 4 },
}

const nanos = recipes.filter(({ name }) => name.endsWith('@nano'))

test('every architecture has a smallest recipe', () => {
  const covered = new Set(nanos.map(({ fields }) => fields['model.architecture'].value))
  expect(covered).toEqual(new Set(architectureNames))
})

test.each(nanos)('$name: a stopped run goes on to the same bits, and is sampled', async ({ name }) => {
  const on = compiledBackends[0] ?? float32
  const recipe = resolveRecipe(name, { config: SMALL })
  const whole = await runTraining({ on, recipe })
  const out = join(folder, name)
  await runTraining({ on, recipe, out, abortAt: atStep(2) })
  const resumed = await runTraining({ on, recipe, out, resume: out })
  expect(resumed.steps.map(({ step }) => step)).toEqual([3, 4])
  expect(resumed.tensors).toEqual(whole.tensors)

  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n')
  const steps = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ kind }) => kind === 'step')
  const { zLoss, balanceLoss } = recipe.config.model
  const expected = [...(balanceLoss === null ? [] : ['balance']), ...((zLoss ?? 0) > 0 ? ['z'] : [])]
  for (const step of steps) expect(Object.keys(step['auxiliaryLosses'] ?? {}).toSorted()).toEqual(expected)

  const backend = on.create()
  const sampler = await openSampler(backend, out)
  const ids = (await sampler.text({ tokens: 10, seed: 1 })).split(' ')
  expect(ids).toHaveLength(10)
  backend.dispose()
})
