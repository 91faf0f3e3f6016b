import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decayFormNames, type DecayFormName } from './decayForms.ts'
import {
  createForecaster,
  equilibriumRms,
  equilibriumRmsExact,
  survivalOf,
  weightDecayFor,
  type Forecast,
} from './forecast.ts'
import { constant, warmupCosine } from './schedule.ts'

const RATES = [0.1, 0.2, 0.4]
const LAMBDA = 0.5

/** ∏ and Σ over the steps, and the largest share, written out for lr = 0.1, 0.2, 0.4 and λ = 0.5. */
test.each<[DecayFormName, readonly [number, number, number]]>([
  ['decoupled', [0.05, 0.1, 0.2]],
  ['independent', [0.125, 0.25, 0.5]],
  ['fixed', [0.5, 0.5, 0.5]],
  ['lr-squared', [0.005, 0.02, 0.08]],
  ['corrected', [0.0125, 0.05, 0.2]],
])('%s takes of a weight what its equation says', (form, [a, b, c]) => {
  const forecast = createForecaster({ learningRates: RATES, steps: 3, form })({ weightDecay: LAMBDA })
  expect(forecast.survival).toBeCloseTo((1 - a) * (1 - b) * (1 - c), 12)
  expect(forecast.sumDecay).toBeCloseTo(a + b + c, 12)
  expect(forecast.timescaleSteps).toBeCloseTo(1 / c, 9)
  expect(forecast.halfLifeSteps).toBeCloseTo(Math.LN2 / c, 9)
  expect(forecast.timescaleShare).toBeCloseTo(1 / c / 3, 9)
})

test('toward-init forgets what was learnt, not the initial weights', () => {
  const run = { learningRates: RATES, steps: 3, form: 'toward-init', beta1: 0.9 } as const
  const forecast = createForecaster(run)({ weightDecay: LAMBDA })
  expect(forecast).toMatchObject({ survival: 1, equilibriumRms: null, timescaleSteps: 5 })
  expect(forecast.sumDecay).toBeCloseTo(0.35, 12)
})

test.each<DecayFormName>(['loss-l2', 'gradient-l2', 'cautious', 'selective', 'target-norm'])(
  '%s is not foretold',
  (form) => {
    const forecastOf = createForecaster({ learningRates: RATES, steps: 3, form, beta1: 0.9, tokensPerStep: 5 })
    expect(new Set(Object.values(forecastOf({ weightDecay: LAMBDA })))).toEqual(new Set([null]))
    expect(forecastOf({ weightDecay: 0 })).toMatchObject({ survival: 1, sumDecay: 0 })
    expect(weightDecayFor(form, 0.1, 1e-3)).toBeNull()
  },
)

test('every form is either foretold or said not to be', () => {
  for (const form of decayFormNames) {
    const { survival, sumDecay } = createForecaster({ learningRates: RATES, steps: 3, form })({ weightDecay: LAMBDA })
    expect(survival === null, form).toBe(sumDecay === null)
  }
})

test('corrected decay of what is not normalised is decoupled decay', () => {
  const forecastOf = createForecaster({ learningRates: RATES, steps: 3, form: 'corrected' })
  expect(forecastOf({ weightDecay: LAMBDA, normalised: false }).survival).toBeCloseTo(survivalOf(RATES, LAMBDA), 12)
})

test('a multiplier scales lr and its peak alike', () => {
  expect(halved('decoupled').sumDecay).toBeCloseTo(0.175, 12)
  expect(halved('independent').sumDecay).toBeCloseTo(0.875, 12)
  expect(halved('lr-squared').sumDecay).toBeCloseTo(0.105 / 4, 12)
  expect(halved('corrected').sumDecay).toBeCloseTo(0.2625 / 2, 12)
})

test('λ may follow a schedule of its own; the timescale is that of the strongest step', () => {
  const run = { learningRates: RATES, steps: 3, decaySchedule: (step: number) => 1 - step / 2, beta1: 0.9 }
  const forecast = createForecaster(run)({ weightDecay: LAMBDA })
  expect(forecast.survival).toBeCloseTo(0.95 * 0.95, 12)
  // Steps 0 and 1 take 0.05 each; the equilibrium is that of the one with the higher learning rate.
  expect(forecast.timescaleSteps).toBeCloseTo(20, 9)
  expect(forecast.equilibriumRms).toBeCloseTo(0.2 / Math.sqrt(0.1), 12)
})

test('where the learning rate is always 0, only fixed decay acts', () => {
  for (const form of ['decoupled', 'independent', 'lr-squared', 'corrected'] as const) {
    const forecast = createForecaster({ learningRates: constant({ peak: 0 }), steps: 3, form })({ weightDecay: 1 })
    expect(forecast, form).toMatchObject({ survival: 1, halfLifeSteps: null, timescaleShare: null })
  }
  const fixed = createForecaster({ learningRates: constant({ peak: 0 }), steps: 3, form: 'fixed' })
  expect(fixed({ weightDecay: 0.5 }).survival).toBe(0.125)
})

describe('properties of decoupled decay', () => {
  const rate = fc.double({ min: 1e-5, max: 1e-2, noNaN: true })
  const lambda = fc.double({ min: 1e-3, max: 10, noNaN: true })

  test('survival is at most exp(−Σ), nears it for small steps, and splits over parts of the run', () => {
    fc.assert(
      fc.property(fc.array(rate, { minLength: 1, maxLength: 60 }), lambda, fc.nat(), (rates, weightDecay, cut) => {
        const over = (part: readonly number[]) =>
          createForecaster({ learningRates: part, steps: part.length })({ weightDecay })
        const { survival, sumDecay } = over(rates)
        expect(survival).toBeLessThanOrEqual(Math.exp(-(sumDecay ?? 0)) * (1 + 1e-12))
        const middle = cut % (rates.length + 1)
        const parts = [rates.slice(0, middle), rates.slice(middle)].map((part) => over(part).survival ?? 0)
        expect((parts[0] ?? 0) * (parts[1] ?? 0)).toBeCloseTo(survival ?? 0, 12)
        const fine = createForecaster({ learningRates: rates.map((value) => value / 1e4), steps: rates.length })
        const small = fine({ weightDecay })
        expect(small.survival ?? 0).toBeCloseTo(Math.exp(-(small.sumDecay ?? 0)), 9)
      }),
    )
  })

  test('at a constant learning rate a half-life leaves half, and weightDecayFor inverts the timescale', () => {
    fc.assert(
      fc.property(rate, fc.integer({ min: 50, max: 3000 }), (learningRate, timescale) => {
        const weightDecay = weightDecayFor('decoupled', 1 / timescale, learningRate) ?? 0
        const steps = Math.round(Math.LN2 * timescale)
        const forecast = createForecaster({ learningRates: constant({ peak: learningRate }), steps })({ weightDecay })
        expect(forecast.timescaleSteps).toBeCloseTo(timescale, 6)
        expect(Math.abs((forecast.survival ?? 0) - 0.5)).toBeLessThan(0.015)
      }),
    )
  })
})

describe('the equilibrium', () => {
  // Research document on weight decay, §3.2: the exact form, and simulations of 20,000 weights with v forced to 1.
  test.each([
    [1e-2, 0.1, 0.9, '0.22261', 0.22235],
    [1e-2, 0.5, 0.9, '0.09783', 0.09794],
    [1e-2, 0.1, 0.95, '0.22151', 0.2213],
    [1e-2, 1, 0.9, '0.06774', 0.06778],
  ])('lr %f, λ %f, β1 %f', (learningRate, lambda, beta1, printed, simulated) => {
    const exact = equilibriumRmsExact(learningRate, learningRate * lambda, beta1) ?? 0
    expect(exact.toFixed(5)).toBe(printed)
    expect(Math.abs(simulated / exact - 1)).toBeLessThan(0.002)
    expect(equilibriumRms(learningRate, learningRate * lambda)).toBeCloseTo(Math.sqrt(learningRate / (2 * lambda)), 12)
  })

  test('without momentum it is the variance of w ← (1 − s)·w − lr·g, and a long timescale nears √(lr/2λ)', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1.9, noNaN: true }), (shrink) => {
        expect(equilibriumRmsExact(1, shrink, 0)).toBeCloseTo(1 / Math.sqrt(shrink * (2 - shrink)), 6)
      }),
    )
    const ratio = (equilibriumRmsExact(1e-3, 1e-7, 0.9) ?? 0) / (equilibriumRms(1e-3, 1e-7) ?? 1)
    expect(ratio).toBeCloseTo(1, 5)
  })

  test('nothing balances where nothing decays or where the decay diverges', () => {
    for (const shrink of [0, 2, 3]) {
      expect(equilibriumRms(1, shrink)).toBeNull()
      expect(equilibriumRmsExact(1, shrink, 0.9)).toBeNull()
    }
  })
})

test.each([
  [{ learningRates: [0.1], steps: 2 }, /1 learning rates were given for 2 steps/],
  [{ learningRates: [0.1, Number.NaN], steps: 2 }, /learning rate at step 1 is NaN/],
  [{ learningRates: RATES, steps: 3, decaySchedule: [1, 1] }, /2 λ factors were given for 3 steps/],
  [{ learningRates: RATES, steps: 3, decaySchedule: () => -1 }, /λ factor at step 0 is -1/],
])('a wrong list is refused (%#)', (run, message) => {
  expect(() => createForecaster(run)).toThrow(message)
})

test('a wrong λ or multiplier is refused', () => {
  const forecastOf = createForecaster({
    learningRates: warmupCosine({ peak: 1, steps: 3, warmup: 1 }),
    steps: 3,
  })
  expect(() => forecastOf({ weightDecay: -1 })).toThrow('weightDecay is -1')
  expect(() => forecastOf({ weightDecay: 1, learningRateMultiplier: Number.NaN })).toThrow('multiplier is NaN')
})

/** The forecast where the parameter learns at half the rate. */
function halved(form: DecayFormName): Forecast {
  const forecastOf = createForecaster({ learningRates: RATES, steps: 3, form })
  return forecastOf({ weightDecay: LAMBDA, learningRateMultiplier: 0.5 })
}
