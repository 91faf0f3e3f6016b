import { describe, expect, test } from 'vitest'
import {
  constant,
  createSchedule,
  heldInverseSquareRoot,
  inverseSquareRoot,
  valuesOver,
  warmupCosine,
  warmupLinear,
  warmupStableDecay,
} from './schedule.ts'

describe('warmupCosine', () => {
  const rate = warmupCosine({ peak: 1e-3, warmup: 100, steps: 2000, floor: 1e-4 })

  test('is nanoGPT’s get_lr: (step + 1) / (warmup + 1) in the warm-up, cosine after it, the floor at the end', () => {
    expect(rate(0)).toBeCloseTo(1e-3 / 101, 15)
    expect(rate(99)).toBeCloseTo((1e-3 * 100) / 101, 15)
    expect(rate(100)).toBeCloseTo(1e-3, 15)
    expect(rate(575)).toBeCloseTo(1e-4 + 0.5 * (1 + Math.SQRT1_2) * 9e-4, 15)
    expect(rate(1050)).toBeCloseTo(5.5e-4, 15)
    expect(rate(1999)).toBeGreaterThan(1e-4)
    expect(rate(2000)).toBe(1e-4)
    expect(rate(50_000)).toBe(1e-4)
  })

  test('a run shorter than its warm-up stays in the warm-up', () => {
    const short = warmupCosine({ peak: 1, warmup: 100, steps: 10 })
    expect(valuesOver(short, 10).at(-1)).toBeCloseTo(10 / 101, 15)
    expect(short(100)).toBe(0)
  })

  test('steps equal to the warm-up divides by nothing', () => {
    const rates = valuesOver(warmupCosine({ peak: 1, warmup: 3, steps: 3, floor: 0.5 }), 5)
    expect([...rates]).toEqual([0.25, 0.5, 0.75, 0.5, 0.5])
  })
})

test('linear, constant, warm-up-stable-decay and inverse square root', () => {
  expect([...valuesOver(warmupLinear({ peak: 1, warmup: 1, steps: 5, floor: 0.2 }), 6)]).toEqual([
    0.5,
    1,
    expect.closeTo(0.8, 12),
    expect.closeTo(0.6, 12),
    expect.closeTo(0.4, 12),
    0.2,
  ])
  expect([...valuesOver(constant({ peak: 3, warmup: 2 }), 4)]).toEqual([1, 2, 3, 3])
  const wsd = warmupStableDecay({ peak: 1, warmup: 1, steps: 7, decaySteps: 4 })
  expect([...valuesOver(wsd, 8)]).toEqual([0.5, 1, 1, 1, 0.75, 0.5, 0.25, 0])
  const root = inverseSquareRoot({ peak: 2, warmup: 4, floor: 0.5 })
  expect([root(3), root(4), root(16), root(10_000)]).toEqual([1.6, 2, 1, 0.5])
})

test('createSchedule makes the same functions from data', () => {
  const at = [0, 1, 5, 9, 10, 20]
  const same = (a: (step: number) => number, b: (step: number) => number) =>
    expect(at.map((step) => a(step))).toEqual(at.map((step) => b(step)))
  const ramp = { peak: 1, warmup: 2, steps: 10, floor: 0.1 }
  same(createSchedule({ kind: 'cosine', ...ramp }), warmupCosine(ramp))
  same(createSchedule({ kind: 'linear', ...ramp }), warmupLinear(ramp))
  same(createSchedule({ kind: 'constant', peak: 1, warmup: 2 }), constant({ peak: 1, warmup: 2 }))
  const long = { ...ramp, decaySteps: 3 }
  same(createSchedule({ kind: 'warmup-stable-decay', ...long }), warmupStableDecay(long))
  same(createSchedule({ kind: 'inverse-square-root', ...ramp }), inverseSquareRoot(ramp))
})

test.each([
  [() => warmupCosine({ peak: -1, steps: 10 }), /peak is -1/],
  [() => warmupCosine({ peak: Number.NaN, steps: 10 }), /peak is NaN/],
  [() => warmupLinear({ peak: 1, steps: 10, floor: -0.1 }), /floor is -0.1/],
  [() => warmupLinear({ peak: 1, steps: 10, floor: 2 }), /floor \(2\) is above peak \(1\)/],
  [() => warmupCosine({ peak: 1, steps: 1.5 }), /steps is 1.5/],
  [() => constant({ peak: 1, warmup: -3 }), /warmup is -3/],
  [() => warmupStableDecay({ peak: 1, warmup: 5, steps: 8, decaySteps: 4 }), /longer than steps \(8\)/],
  [() => inverseSquareRoot({ peak: 1, warmup: Number.NaN }), /warmup is NaN/],
  [() => valuesOver(() => 1, -1), /steps is -1/],
])('a wrong value is refused by the name of its key (%#)', (make, message) => {
  expect(make).toThrow(RangeError)
  expect(make).toThrow(message)
})

test('held inverse square root: the peak for the warm-up, then 1/√k in step k, counted from 1', () => {
  const rate = heldInverseSquareRoot({ peak: 0.01, warmup: 10_000 })
  expect([0, 9_999].map(rate)).toEqual([0.01, 0.01])
  expect(rate(39_999)).toBeCloseTo(1 / Math.sqrt(40_000), 12)
  expect(heldInverseSquareRoot({ peak: 1, warmup: 1, floor: 0.5 })(99)).toBe(0.5)
  expect(createSchedule({ kind: 'inverse-square-root-held', peak: 0.01, warmup: 4 })(15)).toBeCloseTo(0.005, 12)
  expect(() => heldInverseSquareRoot({ peak: -1, warmup: 0 })).toThrow(/peak is -1/)
})
