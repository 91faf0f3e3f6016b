import { describe, expect, test } from 'vitest'
import { convertToAll, convertWeightDecay, decayConventionNames } from './convert.ts'
import { constant, warmupCosine } from './schedule.ts'

const STEPS = 10_000
const cosine = warmupCosine({ peak: 3e-4, warmup: 100, steps: STEPS, floor: 3e-5 })
const flat = constant({ peak: 3e-4 })
const ofPytorch = { weightDecay: 0.1, from: 'pytorch', steps: STEPS } as const

describe('λ = 0.1 in PyTorch', () => {
  test.each([
    ['composer', 3e-5],
    ['nanodo', 3e-5],
    ['lion-decoupled', 3e-5],
    ['optax-adamw', 0.1],
    ['keras', 0.1],
    ['megatron', 0.1],
    ['pytorch-sgd', 0.1],
    ['t5x-adafactor', 3e-5],
    ['optax-adafactor', 3e-5],
    ['tensorflow-addons', 3e-5],
    ['palm', 0.1 / 3e-4],
    ['modded-nanogpt', 0.1 / 3e-4],
    ['adamc', 0.1],
  ] as const)('at a constant 3e-4 is, in %s, %f, step for step', (to, expected) => {
    const { weightDecay, exact, shareAtPeak } = convertWeightDecay({ ...ofPytorch, to, learningRate: flat })
    expect(weightDecay! / expected).toBeCloseTo(1, 9)
    expect(exact).toBe(true)
    expect(shareAtPeak.to! / 3e-5).toBeCloseTo(1, 9)
  })

  test.each(['composer', 'nanodo', 'lion-decoupled'] as const)('under a cosine is 3e-5 in %s still, exactly', (to) => {
    const { weightDecay, exact, survival } = convertWeightDecay({ ...ofPytorch, to, learningRate: cosine })
    expect(weightDecay! / 3e-5).toBeCloseTo(1, 6)
    expect(exact).toBe(true)
    expect(survival.to).toBeCloseTo(survival.from!, 9)
  })

  test('under a cosine is the mean rate times 0.1 in t5x: the same in all, not step by step', () => {
    const conversion = convertWeightDecay({ ...ofPytorch, to: 't5x-adafactor', learningRate: cosine })
    const mean = Array.from({ length: STEPS }, (_, t) => cosine(t)).reduce((sum, rate) => sum + rate, 0) / STEPS
    expect(conversion.weightDecay! / (0.1 * mean)).toBeCloseTo(1, 9)
    expect(conversion.exact).toBe(false)
    expect(conversion.shareAtPeak.to!).toBeLessThan(0.7 * conversion.shareAtPeak.from!)
    expect(conversion.survival.to! / conversion.survival.from!).toBeCloseTo(1, 4)
    expect(conversion.caveats.join(' ')).toMatch(/whole run only/)
  })

  test('is 0.5 for Lion at a fifth of the learning rate: lr·λ stays', () => {
    const lion = convertWeightDecay({ ...ofPytorch, to: 'lion', learningRate: cosine, targetPeak: 6e-5 })
    expect(lion.weightDecay).toBeCloseTo(0.5, 9)
    expect(lion.exact).toBe(true)
  })

  test('is nothing in torch.optim.Adam, and says why', () => {
    const adam = convertWeightDecay({ ...ofPytorch, to: 'pytorch-adam', learningRate: flat })
    expect(adam.weightDecay).toBeNull()
    expect(adam.caveats.join(' ')).toMatch(/L2, not decay/)
  })
})

test('Composer’s default 1e-5 is PyTorch’s 0.0333 at 3e-4', () => {
  const { weightDecay } = convertWeightDecay({
    weightDecay: 1e-5,
    from: 'composer',
    to: 'pytorch',
    learningRate: cosine,
    steps: STEPS,
  })
  expect(weightDecay).toBeCloseTo(1 / 30, 6)
})

// 1e-2 for 10,000 steps, then 1/√k (arXiv 2204.02311 §5): Σ lr² = 4.2386
const palm = (step: number): number => (step < 10_000 ? 1e-2 : 1 / Math.sqrt(step + 1))

test('PaLM’s lr² leaves 1.44 % of the initial weights after its 255,000 steps; no constant λ of AdamW does the same', () => {
  const request = { weightDecay: 1, from: 'palm', learningRate: palm, steps: 255_000 } as const
  const { survival, exact, weightDecay } = convertWeightDecay({ ...request, to: 'pytorch' })
  expect(survival.from).toBeCloseTo(0.0144, 4)
  expect(exact).toBe(false)
  expect(weightDecay).toBeGreaterThan(0)
})

test('there and back is where it began, for every pair that translates', () => {
  for (const { to, conversion } of convertToAll({ ...ofPytorch, learningRate: cosine })) {
    if (to === 'pytorch-adam') continue
    const back = convertWeightDecay({
      weightDecay: conversion.weightDecay!,
      from: to,
      to: 'pytorch',
      learningRate: cosine,
      steps: STEPS,
    })
    expect(back.weightDecay, to).toBeCloseTo(0.1, 12)
  }
})

test('every framework is in the table, once, with its source', () => {
  const rows = convertToAll({ ...ofPytorch, learningRate: flat })
  expect(rows.map(({ to }) => to)).toEqual(decayConventionNames)
})

describe('refuses', () => {
  test.each([
    [{ to: 'composr' }, /Unknown framework "composr". Did you mean "composer"\?/],
    [{ weightDecay: -1 }, /weightDecay is -1; it must be a finite number, zero or more/],
    [{ weightDecay: Number.NaN }, /weightDecay is NaN/],
    [{ steps: 0 }, /steps is 0; it must be a whole number above 0/],
    [{ learningRate: 0 }, /The learning rate is 0 over all 10000 steps/],
    [{ learningRate: Number.NaN }, /The learning rate of step 0 is NaN/],
  ])('%j', (change, message) => {
    const request = { ...ofPytorch, to: 'composer', learningRate: flat, ...change }
    expect(() => convertWeightDecay(request as Parameters<typeof convertWeightDecay>[0])).toThrow(message)
  })
})
