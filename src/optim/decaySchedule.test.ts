import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { adamw } from './adamw.ts'
import {
  createDecaySchedule,
  decayCosine,
  decayLinear,
  decayThreePhase,
  inverseToLearningRate,
  tiedToLearningRate,
  type DecayScheduleSpec,
} from './decaySchedule.ts'
import { warmupCosine } from './schedule.ts'
import { chosenGradients, declare } from './stepper.test.data.ts'

describe('shapes', () => {
  test.each([
    [{ kind: 'constant', value: 0.1 }, [0.1, 0.1, 0.1]],
    [{ kind: 'linear', from: 0, to: 1, steps: 100 }, [0, 0.5, 1]],
    [{ kind: 'linear', from: 0.02, to: 0, steps: 100 }, [0.02, 0.01, 0]],
    [{ kind: 'cosine', from: 0.28, to: 0, steps: 100 }, [0.28, 0.14, 0]],
    [{ kind: 'cosine', from: 0, to: 0.4, steps: 100 }, [0, 0.2, 0.4]],
    [{ kind: 'warmup-stable-decay', peak: 0.1, steps: 100, decaySteps: 20 }, [0.1, 0.1, 0]],
    [{ kind: 'inverse-square-root', peak: 0.1, warmup: 25 }, [0.1 / 26, 0.1 * Math.sqrt(0.5), 0.05]],
    // qlabs-eng/slowrun tiny: 0.8, down to 0.1, up to 0.93
    [{ kind: 'three-phase', from: 0.8, middle: 0.1, to: 0.93, hold: 20, turn: 50, steps: 100 }, [0.8, 0.1, 0.93]],
  ] as const)('%j at the start, the middle and the end', (spec, expected) => {
    const schedule = createDecaySchedule(spec)
    ;[0, 50, 100].forEach((step, k) => expect(schedule(step)).toBeCloseTo(expected[k]!, 12))
    expect(schedule(1000)).toBeLessThanOrEqual(schedule(100) + 1e-12)
  })

  test('three phases hold, fall and rise in straight lines', () => {
    const schedule = decayThreePhase({ from: 0.8, middle: 0.1, to: 0.93, hold: 20, turn: 50, steps: 100 })
    expect([19, 20, 35, 75].map((step) => Number(schedule(step).toFixed(12)))).toEqual([0.8, 0.8, 0.45, 0.515])
  })

  test('stay between their ends', () => {
    const value = fc.double({ min: 0, max: 2, noNaN: true })
    fc.assert(
      fc.property(
        value,
        value,
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 0, max: 1000 }),
        (from, to, steps, step) => {
          for (const schedule of [decayLinear({ from, to, steps }), decayCosine({ from, to, steps })]) {
            const lambda = schedule(step)
            expect(lambda).toBeGreaterThanOrEqual(Math.min(from, to) - 1e-12)
            expect(lambda).toBeLessThanOrEqual(Math.max(from, to) + 1e-12)
          }
        },
      ),
    )
  })
})

describe('tied to the learning rate', () => {
  const rate = warmupCosine({ peak: 0.1, warmup: 3, steps: 50, floor: 0.01 })

  test('decoupled with λ tied is AdamC’s correction for all parameters', () => {
    const specs = declare([['w', [2], 'matrix']])
    const tied = adamw(specs, {
      learningRate: 0.1,
      weightDecay: 1,
      decaySchedule: tiedToLearningRate(0.3, rate, 0.1),
    })
    const corrected = adamw(specs, { learningRate: 0.1, weightDecay: 0.3, form: 'corrected' })
    const [a, b] = [tied, corrected].map((optimizer) => {
      const run = chosenGradients(specs, optimizer)
      run.fill('w', [1, -2])
      run.gradient('w', [0.1, 0.3])
      for (let t = 1; t <= 50; t++) run.step(t, rate(t - 1))
      return run.read('w')
    })
    a!.forEach((value, k) => expect(value).toBeCloseTo(b![k]!, 12))
  })

  test('inverse: every step takes the same share, up to the limit', () => {
    const schedule = inverseToLearningRate(0.3, rate, { peak: 0.1, limit: 2 })
    for (let step = 0; step < 50; step++) {
      const share = schedule(step) * rate(step)
      expect(share).toBeCloseTo(Math.min(0.03, 2 * rate(step)), 12)
    }
    expect(inverseToLearningRate(0.3, () => 0, { peak: 0.1, limit: 2 })(0)).toBe(0)
  })
})

describe('in an optimizer', () => {
  const specs = declare([
    ['rising', [1], 'matrix'],
    ['falling', [1], 'matrix'],
    ['none', [1], 'matrix'],
  ])

  test('each group follows its own, in one compiled step; λ = 0 stays 0', () => {
    const [rising, falling, none] = specs
    const groups = [
      { params: rising!, weightDecay: 1, decaySchedule: decayLinear({ from: 0, to: 0.4, steps: 4 }) },
      { params: falling!, weightDecay: 0.4 },
      { params: none!, weightDecay: 0 },
    ]
    const optimizer = adamw(groups, { learningRate: 0.5, decaySchedule: decayLinear({ from: 1, to: 0, steps: 4 }) })
    const run = chosenGradients(specs, optimizer)
    for (const { name } of specs) run.fill(name, 1)
    let [up, down] = [1, 1]
    for (let t = 1; t <= 6; t++) {
      run.step(t)
      const share = Math.min((t - 1) / 4, 1)
      up *= 1 - 0.5 * 0.4 * share
      down *= 1 - 0.5 * 0.4 * (1 - share)
      expect(run.read('rising')[0]).toBeCloseTo(up, 12)
      expect(run.read('falling')[0]).toBeCloseTo(down, 12)
      expect(run.read('none')).toEqual([1])
    }
    expect(run.compilations()).toBe(1)
  })

  test('the values follow from the step alone, so that a resumed run goes on where it was', () => {
    const schedule = decayCosine({ from: 1, to: 0.1, steps: 100 })
    const make = () => adamw(specs, { weightDecay: 0.2, decaySchedule: schedule })
    const uninterrupted = Array.from({ length: 60 }, (_, k) => make().scalars(k + 1))
    expect(make().scalars(43)).toEqual(uninterrupted[42])
    expect(make().scalars(43)['weightDecay.0']).toBeCloseTo(0.2 * schedule(42), 15)
  })

  test.each([
    [() => -1, /weight decay of group 0 in step 3 is -0.2/],
    [() => Number.NaN, /weight decay of group 0 in step 3 is NaN/],
  ])('a schedule that leaves the numbers is an error that names the step', (decaySchedule, message) => {
    expect(() => adamw(specs, { weightDecay: 0.2, decaySchedule }).scalars(3)).toThrow(message)
  })
})

test.each([
  [{ kind: 'constant', value: -1 }, /value is -1/],
  [{ kind: 'linear', from: 0, to: Number.NaN, steps: 3 }, /to is NaN/],
  [{ kind: 'cosine', from: 0, to: 1, steps: 0 }, /steps is 0; it must be a whole number of steps above 0/],
  [
    { kind: 'three-phase', from: 1, middle: 0, to: 1, hold: 5, turn: 4, steps: 9 },
    /hold \(5\), turn \(4\) and steps \(9\) must rise/,
  ],
] as const)('refuses %j', (spec, message) => {
  expect(() => createDecaySchedule(spec as DecayScheduleSpec)).toThrow(message)
})
