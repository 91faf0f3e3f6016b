import { describe, expect, test } from 'vitest'
import { createInterpreterBackend } from '../engine/index.ts'
import { architectureNames } from '../models/index.ts'
import { recipes, resolveRecipe } from '../recipes/index.ts'
import { stepSetup } from '../train/index.ts'
import { traceTrain } from '../train/step.ts'
import { flopsPerToken } from './flops.ts'
import { memoryOf } from './memory.ts'
import { planRun } from './plan.ts'

const A100 = { deviceFlops: 312e12 }
const gpt2 = resolveRecipe('gpt2-nanogpt@124m').config

const sized = (batchSize: number) => stepSetup({ ...gpt2, train: { ...gpt2.train, batchSize } }, 50257).step

describe('planRun', () => {
  test('GPT-2 124M: nanoGPT’s counts, AdamW’s two moments, PaLM’s convention, the research document’s survival', () => {
    const plan = planRun('gpt2-nanogpt@124m', gpt2, 50257, { ...A100, devices: 8, utilisation: 0.5 })
    expect(plan.parameters).toMatchObject({ total: 124_439_808, active: 124_439_808, undecayed: 121_344 })
    expect(plan.parameters.byRole.bias).toEqual({ tensors: 73, parameters: 102_144, decayed: 0 })
    expect(plan.memory).toMatchObject({
      weights: 4 * 124_439_808,
      gradients: 4 * 124_439_808,
      optimizer: 8 * 124_439_808,
    })
    // 6·(12·12·768² + 50257·768) + 12·12·768·1024
    expect(plan.flopsPerToken).toBe(6 * (84_934_656 + 38_597_376) + 12 * 12 * 768 * 1024)
    expect(plan.time.seconds).toBeCloseTo((plan.flopsPerToken * 600_000 * 491_520) / (312e12 * 8 * 0.5), 3)
    expect(plan.survival! / 2.53e-9).toBeCloseTo(1, 2) // weight-decay.md §1.4 gives the limit 2.5e-9
    expect(plan.tokensPerParameter).toBeCloseTo(2370, 0)
  })

  test('every role is counted once, and decay is the ledger’s', () => {
    for (const { name } of recipes) {
      const { config } = resolveRecipe(name, { config: { schedule: { steps: 1, warmup: 0, decaySteps: 0 } } })
      const { parameters } = planRun(name, config, 65, A100)
      const roles = Object.values(parameters.byRole)
      expect(
        roles.reduce((sum, role) => sum + role.parameters, 0),
        name,
      ).toBe(parameters.total)
      expect(
        roles.reduce((sum, role) => sum + role.decayed, 0),
        name,
      ).toBe(parameters.decayed)
      expect(parameters.decayed + parameters.undecayed, name).toBe(parameters.total)
    }
  })

  test('a model of half a trillion parameters is planned without its weights', () => {
    const before = process.memoryUsage().rss
    const { config } = resolveRecipe('llama@nano', {
      set: ['layers=118', 'width=18432', 'heads=144', 'kvHeads=8', 'feedForward=73728', 'vocab=256000'].map(
        (text) => `model.${text}`,
      ),
    })
    const { parameters, memory } = planRun('huge', config, 256_000, { ...A100, precision: 'bf16' })
    expect(parameters.total).toBeGreaterThan(5e11)
    expect(memory.weights).toBeGreaterThan(2.9e12)
    expect(process.memoryUsage().rss - before).toBeLessThan(3e8)
  })

  test.each([
    [{ deviceFlops: 0 }, /The rate of a device is 0/],
    [{ ...A100, devices: 1.5 }, /The number of devices is 1.5/],
    [{ ...A100, utilisation: 1.2 }, /The utilisation is 1.2/],
  ])('refuses %j', (request, message) => {
    expect(() => planRun('gpt2-nanogpt@124m', gpt2, 50257, request)).toThrow(message)
  })
})

describe('the work per token', () => {
  const wide = ['model.width=192', 'model.layers=3', 'train.batchSize=1', 'train.sequenceLength=64', 'model.vocab=128']
  const known = new Set(recipes.map(({ fields }) => fields['model.architecture'].value))

  test.each(architectureNames.filter((name) => known.has(name)))(
    '%s: the convention is near what the engine counts',
    (name) => {
      const recipe = recipes.find(({ fields }) => fields['model.architecture'].value === name)!
      const { config } = resolveRecipe(recipe.name, { set: wide })
      const { step } = stepSetup(config, 128)
      const backend = createInterpreterBackend({ precision: 'f32' })
      try {
        const counted = backend.compile(traceTrain(step)).report.flops / (step.batchSize * step.sequenceLength)
        // The engine counts the optimizer and elementwise work too, and of attention only what causality leaves.
        const ratio = counted / flopsPerToken(step)
        expect(ratio).toBeGreaterThan(0.9)
        expect(ratio).toBeLessThan(1.6)
      } finally {
        backend.dispose()
      }
    },
  )
})

describe('memory', () => {
  test('grows with the batch only where activations are, and bf16 halves those', () => {
    const [one, two] = [memoryOf(sized(1), 'fp32'), memoryOf(sized(2), 'fp32')]
    expect(two.activations).toBe(2 * one.activations)
    expect(two.total - one.total).toBe(one.activations)
    const half = memoryOf(sized(1), 'bf16')
    const logits = 2 * 50257 * 1024 * 4
    expect(half.activations - logits).toBe((one.activations - logits) / 2)
    expect(half.weights).toBe(one.weights + 2 * (84_934_656 + 38_597_376))
  })

  test('follows the optimizer’s state', () => {
    const { config } = resolveRecipe('gpt2-nanogpt@124m', { set: ['optimizer.name=sgd', 'schedule.kind=constant'] })
    expect(memoryOf(stepSetup(config, 50257).step, 'fp32').optimizer).toBe(0)
  })
})
