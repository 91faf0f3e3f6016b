import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addSums, forceOf, penaltyOf, type ForceSums } from './force.ts'
import { adamRotation, lionRotation, sgdRotation } from './rotation.ts'

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, k) => sum + value * b[k]!, 0)
const norm = (a: readonly number[]): number => Math.sqrt(dot(a, a))

const near = (found: number | null, wanted: number): void => expect(found).toBeCloseTo(wanted, 5)

interface Step {
  readonly w: readonly number[]
  readonly g: readonly number[]
  readonly u: readonly number[]
  readonly d: readonly number[] | null
}

function sumsOf({ w, g, u, d }: Step): ForceSums {
  return {
    count: w.length,
    weight: dot(w, w),
    gradient: dot(g, g),
    gradientAlong: dot(g, w),
    gradientPart: dot(u, u),
    gradientPartAlong: dot(u, w),
    decay: d && { part: dot(d, d), along: dot(d, w), product: dot(u, d) },
  }
}

const vector = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 })
const step = fc.record({ w: vector, g: vector, u: vector, d: fc.option(vector) })

describe('the measures of a step follow from its sums', () => {
  test('sizes, shares and angles of any vectors', () => {
    fc.assert(
      fc.property(step, ({ w, g, u, d }) => {
        const force = forceOf(sumsOf({ w, g, u, d }))
        const whole = u.map((value, k) => value + (d?.[k] ?? 0))
        const after = w.map((value, k) => value - whole[k]!)
        near(force.norm, norm(after))
        near(force.rms, norm(after) / Math.sqrt(3))
        near(force.gradientNorm, norm(g))
        near(force.update, norm(whole))
        near(force.gradientPart, norm(u))
        if (d) near(force.decayPart, norm(d))
        else expect([force.decayPart, force.decayShare, force.angle, force.shrink]).toEqual([null, null, null, null])
        if (norm(w) > 1e-3) {
          near(force.updateRatio, norm(whole) / norm(w))
          if (norm(after) > 1e-2) near(Math.cos(force.rotation!), dot(w, after) / (norm(w) * norm(after)))
        }
        if (d && norm(u) > 1e-3 && norm(d) > 1e-3) {
          near(force.decayShare, norm(d) / (norm(u) + norm(d)))
          near(Math.cos(force.angle!), dot(u, d) / (norm(u) * norm(d)))
        }
      }),
    )
  })

  test('a turn of a millionth of a radian is seen, though its cosine is 1 in float32', () => {
    const w = [1, 0, 0]
    const u = [0, 1e-6, 0]
    const sums = sumsOf({ w, g: u, u, d: null })
    const single = { ...sums, weight: Math.fround(sums.weight), gradientPart: Math.fround(sums.gradientPart) }
    expect(forceOf(single).rotation! / 1e-6).toBeCloseTo(1, 6)
  })

  test('pure decay turns nothing and takes its share', () => {
    const w = [3, -4, 12]
    const force = forceOf(sumsOf({ w, g: [0, 0, 0], u: [0, 0, 0], d: w.map((value) => 0.01 * value) }))
    expect(force.rotation).toBeCloseTo(0, 12)
    expect(force.shrink).toBeCloseTo(0.01, 12)
    expect(force.norm).toBeCloseTo(13 * 0.99, 12)
    expect(force).toMatchObject({ decayShare: 1, angle: null })
  })

  test('weights that are all 0 have no ratio, shrink or turn', () => {
    const force = forceOf(sumsOf({ w: [0, 0], g: [1, 1], u: [0.1, 0.1], d: null }))
    expect(force).toMatchObject({ updateRatio: null, shrink: null, rotation: null })
  })

  test('tensors taken together are one vector', () => {
    const [a, b]: [Step, Step] = [
      { w: [1, 2], g: [3, 1], u: [0.1, -0.2], d: [0.01, 0.02] },
      { w: [-2, 5], g: [0, 2], u: [0.3, 0.1], d: null },
    ]
    const both: Step = { w: [...a.w, ...b.w], g: [...a.g, ...b.g], u: [...a.u, ...b.u], d: [...a.d!, 0, 0] }
    const [joined, added] = [forceOf(sumsOf(both)), forceOf(addSums([sumsOf(a), sumsOf(b)]))]
    for (const key of Object.keys(joined) as (keyof typeof joined)[]) {
      expect(added[key]).toBeCloseTo(joined[key]!, 12)
    }
    expect(forceOf(addSums([sumsOf(b)])).decayPart).toBeNull()
  })
})

describe('a penalty acts on the gradient', () => {
  const [w, data, lambda] = [[1, -2, 0.5], [0.3, 0.2, -0.1], 0.1] as const
  const pull = w.map((value) => lambda * value)
  const wanted = { norm: norm(pull), angle: Math.acos(dot(pull, data) / (norm(pull) * norm(data))) }

  test('under loss-l2 the data’s gradient is what is left of g', () => {
    const g = data.map((value, k) => value + pull[k]!)
    const found = penaltyOf(sumsOf({ w, g, u: g, d: null }), { lambda, actsOn: 'loss', coefficient: 0.5 })
    expect(found.norm).toBeCloseTo(wanted.norm, 12)
    expect(found.gradientNorm).toBeCloseTo(norm(data), 12)
    expect(found.angle).toBeCloseTo(wanted.angle, 10)
  })

  test('under gradient-l2 it joins g as clipping left it', () => {
    const found = penaltyOf(sumsOf({ w, g: data, u: data, d: null }), { lambda, actsOn: 'gradient', coefficient: 0.5 })
    expect(found.norm).toBeCloseTo(wanted.norm, 12)
    expect(found.gradientNorm).toBeCloseTo(0.5 * norm(data), 12)
    expect(found.angle).toBeCloseTo(wanted.angle, 10)
  })
})

test('rotations in equilibrium are those of the published wrapper (rotational_wrapper.py)', () => {
  expect(adamRotation(1e-3, 0.9)).toBeCloseTo(Math.sqrt((2e-3 * 0.1) / 1.9), 12)
  expect(adamRotation(1e-2 * 0.1, 0.9)).toBeCloseTo(0.01026, 5)
  expect(sgdRotation(1e-2 * 0.1, 0.9)).toBeCloseTo(0.032444, 6)
  expect(lionRotation(1e-3, 0.9, 0.99)).toBeCloseTo(0.006649, 6)
})
