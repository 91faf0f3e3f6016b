/** Each form of decay by itself: no gradients, so that whatever moves a weight is the decay. */
import { describe, expect, test } from 'vitest'
import { createBackend } from '../engine/index.ts'
import { adamw } from './adamw.ts'
import { decayFormNames, decayForms, resolveForm, type DecayFormSpec } from './decayForms.ts'
import { sgd } from './sgd.ts'
import { chosenGradients, declare } from './stepper.test.data.ts'

const SPECS = declare([
  ['w', [2, 2], 'matrix'],
  ['gain', [2], 'gain'],
])
const RATES = [0.1, 0.08, 0.05, 0.02]
const PEAK = 0.1
const LAMBDA = 0.3

/** The weights of `w` after running the rates without any gradient, from 2, -3, 0.5, 0. */
function decayed(form: DecayFormSpec, gradient = 0): { w: number[]; gain: number[] } {
  const run = chosenGradients(SPECS, adamw(SPECS, { learningRate: PEAK, weightDecay: LAMBDA, form }))
  run.fill('w', [2, -3, 0.5, 0])
  run.fill('gain', [1, 1])
  run.gradient('w', gradient)
  RATES.forEach((rate, k) => run.step(k + 1, rate))
  return { w: run.read('w'), gain: run.read('gain') }
}

const product = (share: (rate: number) => number): number => RATES.reduce((left, rate) => left * (1 - share(rate)), 1)

function expectScaled(actual: readonly number[], by: number): void {
  actual.forEach((value, k) => expect(value).toBeCloseTo([2, -3, 0.5, 0][k]! * by, 12))
}

describe('without gradients a step leaves', () => {
  test.each([
    ['decoupled', (rate: number) => rate * LAMBDA],
    ['independent', (rate: number) => (rate / PEAK) * LAMBDA],
    ['fixed', () => LAMBDA],
    ['lr-squared', (rate: number) => rate ** 2 * LAMBDA],
    ['corrected', (rate: number) => (rate ** 2 / PEAK) * LAMBDA],
    ['cautious', (rate: number) => rate * LAMBDA],
  ] as const)('%s: ∏(1 − share), as its rate() foretells', (name, share) => {
    expectScaled(decayed(name).w, product(share))
    const foretold = RATES.map((learningRate) =>
      decayForms[name].rate({ learningRate, peakLearningRate: PEAK, weightDecay: LAMBDA }),
    )
    if (name === 'cautious') expect(foretold).toEqual([null, null, null, null])
    else RATES.forEach((rate, k) => expect(foretold[k]).toBeCloseTo(share(rate), 15))
  })

  test('corrected: what is not normalised decays as in AdamW', () => {
    const { w, gain } = decayed('corrected')
    expectScaled(
      w,
      product((rate) => (rate ** 2 / PEAK) * LAMBDA),
    )
    gain.forEach((value) =>
      expect(value).toBeCloseTo(
        product((rate) => rate * LAMBDA),
        12,
      ),
    )
    const { rate } = decayForms.corrected
    const at = { learningRate: 0.05, peakLearningRate: PEAK, weightDecay: LAMBDA, normalised: false }
    expect(rate(at)).toBeCloseTo(0.05 * LAMBDA, 15)
  })

  test('toward-init and target-norm: everything, since the start is the target', () => {
    expectScaled(decayed('toward-init').w, 1)
    expectScaled(decayed('target-norm').w, 1)
  })

  test('target-norm with ratio 0 is AdamW, and with ratio r it settles at r·‖w₀‖', () => {
    expectScaled(
      decayed({ kind: 'target-norm', ratio: 0 }).w,
      product((rate) => rate * LAMBDA),
    )
    const optimizer = sgd(SPECS, { learningRate: 0.5, weightDecay: 1, form: { kind: 'target-norm', ratio: 0.25 } })
    const run = chosenGradients(SPECS, optimizer)
    run.fill('w', [2, -3, 0.5, 0])
    for (let t = 1; t <= 60; t++) run.step(t)
    expectScaled(run.read('w'), 0.25)
  })

  test('target-norm: a tensor of zeros stays zero, not NaN', () => {
    const run = chosenGradients(SPECS, adamw(SPECS, { learningRate: 0.1, weightDecay: 1, form: 'target-norm' }))
    run.step(1)
    run.step(2)
    expect(run.read('w')).toEqual([0, 0, 0, 0])
  })

  test('selective: rows without a gradient are left alone, whatever came before', () => {
    const run = chosenGradients(SPECS, sgd(SPECS, { learningRate: 0.1, weightDecay: 0.5, form: 'selective' }))
    run.fill('w', 1)
    run.gradient('w', [0, 0, 1e-30, 0])
    run.step(1)
    expect(run.read('w').slice(0, 2)).toEqual([1, 1])
    run
      .read('w')
      .slice(2)
      .forEach((value) => expect(value).toBeCloseTo(0.95, 12))
  })
})

/** `w` after one step of 0.1·g from 1, 1, −1, 1. */
const step = (form: DecayFormSpec, gradient: readonly number[]): number[] => {
  const run = chosenGradients(SPECS, sgd(SPECS, { learningRate: 0.1, weightDecay: 1, form }))
  run.fill('w', [1, 1, -1, 1])
  run.gradient('w', gradient)
  run.step(1)
  return run.read('w').map((value) => Number(value.toFixed(12)))
}

describe('cautious', () => {
  test('decays where the step shrinks the weight too, and not where it grows it', () => {
    // u = g, so w moves by −0.1·g: from 1 by g = 2 down, by −2 up; from −1 by g = −2 up
    expect(step('cautious', [2, -2, -2, 0])).toEqual(
      [1 - 0.2 - 0.1, 1.2, -1 + 0.2 + 0.1, 0.9].map((w) => Number(w.toFixed(12))),
    )
  })

  test('where u·w = 0, >= decays and > does not', () => {
    expect(step({ kind: 'cautious', mask: '>=' }, [0, 0, 0, 0])).toEqual([0.9, 0.9, -0.9, 0.9])
    expect(step({ kind: 'cautious', mask: '>' }, [0, 0, 0, 0])).toEqual([1, 1, -1, 1])
  })

  test('goes on top of any form on the weights', () => {
    expect(step({ kind: 'cautious', of: 'lr-squared' }, [2, -2, 0, 0])).toEqual([0.79, 1.2, -0.99, 0.99])
    expect(step({ kind: 'cautious', of: { kind: 'selective', of: 'fixed' } }, [2, -2, 0, 0])).toEqual([
      -0.2, 1.2, -1, 1,
    ])
  })
})

test('the product with the rate is subtracted: f32 decays at lr·λ = 1e-6 by what was asked for', () => {
  // 1 − 1e-6 rounds to 1 − 17·2⁻²⁴ in f32, so that multiplying with it decays 1.3 % too fast, step after step.
  const count = 512
  const specs = declare([['w', [count], 'matrix']])
  const run = chosenGradients(specs, adamw(specs, { learningRate: 1e-5, weightDecay: 0.1 }), {
    backend: createBackend({ threads: 1 }),
  })
  const before = Array.from({ length: count }, (_, k) => Math.fround(0.01 + (0.02 * k) / count))
  run.fill('w', before)
  const steps = 10_000
  for (let t = 1; t <= steps; t++) run.step(t)
  const logs = run.read('w').map((value, k) => Math.log(value / before[k]!))
  const mean = logs.reduce((sum, log) => sum + log, 0) / count
  const asked = steps * Math.log1p(-1e-6)
  expect(Math.abs(mean / asked - 1)).toBeLessThan(2e-3)
  expect(Math.abs(Math.log(Math.fround(1 - 1e-6)) / Math.log1p(-1e-6) - 1)).toBeGreaterThan(1e-2)
  run.backend.dispose()
})

describe('the table', () => {
  test('every form has its equation and source, and says where it acts', () => {
    for (const name of decayFormNames) {
      const form = decayForms[name]
      expect(form.equation).toMatch(/[wgL] ←/)
      expect(form.source).not.toBe('')
      expect(form.pull !== undefined, name).toBe(form.actsOn === 'weights')
      expect(form.regularise !== undefined, name).toBe(form.actsOn === 'gradient')
    }
  })

  test.each([
    ['decopled', /Unknown form of weight decay "decopled". Did you mean "decoupled"\?/],
    [{ kind: 'fixed', rate: 1 }, /The decay form "fixed" has no setting "rate"/],
    [{ kind: 'cautious', mask: '<' }, /The mask of cautious decay is "<"; it must be ">=" or ">"/],
    [{ kind: 'cautious', of: 'gradient-l2' }, /A cautious mask needs a form that acts on the weights/],
    [{ kind: 'selective', of: 'loss-l2' }, /Selective decay needs a form that acts on the weights/],
    [{ kind: 'target-norm', ratio: -1 }, /The ratio of target-norm is -1/],
    [null, /Unknown form of weight decay "null"/],
  ])('refuses %j', (spec, message) => {
    expect(() => resolveForm(spec as DecayFormSpec)).toThrow(message)
  })
})
