import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomSequence } from '../random/index.ts'
import { chooseToken, type Choice } from './chooseToken.ts'

type Options = Omit<Choice, 'random'>

const logits = [0, Math.log(2), Math.log(5), Math.log(2), 99]
const choose = (options: Options, u = 0): number => {
  return chooseToken(logits, 4, { ...options, random: { uniform: () => u } })
}

describe('temperature', () => {
  test('0 takes the likeliest, and never a row beyond the vocabulary', () => {
    expect(choose({ temperature: 0 })).toBe(2)
  })

  test('1 draws each token with its share: 1, 2, 5 and 2 of 10', () => {
    const drawn = [0.05, 0.15, 0.25, 0.35, 0.75, 0.85, 0.999].map((u) => choose({ temperature: 1 }, u))
    expect(drawn).toEqual([0, 1, 1, 2, 2, 3, 3])
  })

  test('a low one sharpens, a high one flattens', () => {
    const random = randomSequence([1, 2])
    const share = (temperature: number): number => {
      const drawn = Array.from({ length: 1000 }, () => chooseToken(logits, 4, { temperature, random }))
      return drawn.filter((token) => token === 2).length / 1000
    }
    // softmax of (0, ln 2, ln 5, ln 2)/T at ln 5: 25/34 at T = 1/2, and 5^.1/(1 + 2·2^.1 + 5^.1) = 0.272 at T = 10
    expect(share(0.5)).toBeCloseTo(25 / 34, 1)
    expect(share(10)).toBeCloseTo(0.272, 1)
  })
})

test('the k likeliest only; of equals the lower id', () => {
  const drawn = [0, 0.7, 0.72, 0.999].map((u) => choose({ temperature: 1, topK: 2 }, u)) // 5/7 and 2/7
  expect(drawn).toEqual([2, 2, 1, 1])
  expect(choose({ temperature: 5, topK: 1 }, 0.999)).toBe(2)
})

/** The ids that are drawn, in the order of their ranks. */
function drawnWith(options: Omit<Options, 'temperature'>): number[] {
  const draws = Array.from({ length: 200 }, (_, i) => choose({ temperature: 1, ...options }, i / 200))
  return [...new Set(draws)]
}

test('top-p keeps the likeliest until they reach p, the one that passes it included', () => {
  expect(drawnWith({ topP: 0.4 })).toEqual([2])
  expect(drawnWith({ topP: 0.6 })).toEqual([2, 1])
  expect(drawnWith({ topP: 0.8 })).toEqual([2, 1, 3])
})

test('min-p keeps what is at least p times as likely as the likeliest', () => {
  expect(drawnWith({ minP: 0.5 })).toEqual([2])
  expect(drawnWith({ minP: 0.3 })).toEqual([2, 1, 3])
  expect(drawnWith({ minP: 0.1 })).toEqual([2, 1, 3, 0])
})

test('the penalty divides positive logits of tokens that came before and multiplies negative ones', () => {
  const twice = { temperature: 0, repetitionPenalty: 2 }
  expect(choose({ ...twice, seen: [2] })).toBe(2) // ln 5 / 2 > ln 2
  expect(choose({ ...twice, repetitionPenalty: 3, seen: [2, 2, 4] })).toBe(1)
  const negative = (seen: number[]) => chooseToken([-1, -1.5], 2, { ...twice, seen, random: { uniform: () => 0 } })
  expect([negative([]), negative([0])]).toEqual([0, 1])
})

interface Row {
  readonly id: number
  readonly p: number
}

function normalized(rows: readonly Row[]): Row[] {
  const total = rows.reduce((sum, { p }) => sum + p, 0)
  return rows.map(({ id, p }) => ({ id, p: p / total }))
}

/** The same by whole sorted lists of probabilities; undefined where u lies so near the edge of a share that rounding decides. */
function reference(scores: readonly number[], options: Options, u: number): number | undefined {
  const { temperature, topK = Infinity, topP = 1, minP = 0, repetitionPenalty = 1, seen = [] } = options
  const before = new Set(seen)
  const penalised = scores.map((s, id) => {
    return before.has(id) ? (s > 0 ? s / repetitionPenalty : s * repetitionPenalty) : s
  })
  const top = Math.max(...penalised)
  const powers = penalised.map((s, id) => ({ id, p: Math.exp((s - top) / temperature) }))
  let rows = normalized(powers.toSorted((a, b) => b.p - a.p || a.id - b.id).slice(0, topK))
  let reached = 0
  rows = normalized(rows.filter(({ p }) => (reached += p) - p < topP))
  rows = normalized(rows.filter(({ p }) => p >= minP * rows[0]!.p))
  let left = u
  for (const { id, p } of rows) {
    left -= p
    if (Math.abs(left) < 1e-12) return undefined
    if (left < 0) return id
  }
  return rows[0]!.id
}

/** Scores as a model's, from very likely to hopeless. */
function manyScores(count: number): number[] {
  const random = randomSequence([5, 8])
  return Array.from({ length: count }, () => 3 * Math.log(random.uniform() + 1e-9))
}

describe.each([
  ['where few are kept', {}],
  ['where many are kept', { temperature: 20 }],
])('in a large vocabulary, %s', (_, flat) => {
  const scores = manyScores(3000)
  test.each<Omit<Options, 'temperature'>>([
    { topK: 300 },
    { topP: 0.9 },
    { minP: 0.02 },
    { topK: 500, topP: 0.7, minP: 0.01 },
    { topP: 0.99, repetitionPenalty: 1.2, seen: [1, 2, 3] },
  ])('%j draws what plain lists draw', (options) => {
    const choice = { temperature: 0.9, ...flat, ...options }
    for (const u of [0.003, 0.21, 0.5, 0.77, 0.993]) {
      const found = chooseToken(scores, scores.length, { ...choice, random: { uniform: () => u } })
      expect(found).toBe(reference(scores, choice, u))
    }
  })
})

test('top-p takes its share of what all of the k likeliest have, also of those that it leaves out', () => {
  // Of three at 1 and four at e^-3 a share of 0.33 is 1.06: two. Of the three alone it would be one.
  const scores = [6, 6, 6, 0, 0, 0, 0, 0, 0]
  const found = chooseToken(scores, 9, { temperature: 2, topK: 7, topP: 0.33, random: { uniform: () => 0.9 } })
  expect(found).toBe(1)
})

test('all together are what plain lists give', () => {
  const options = fc.record({
    temperature: fc.constantFrom(0.5, 1, 2),
    topK: fc.constantFrom(1, 3, 7, 100),
    topP: fc.constantFrom(0.33, 0.71, 0.97),
    minP: fc.constantFrom(0, 0.013, 0.37),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    seen: fc.array(fc.nat(11)),
  })
  const scores = fc.array(fc.double({ min: -6, max: 6, noNaN: true }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(scores, options, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (scores, options, u) => {
      const wanted = reference(scores, options, u)
      fc.pre(wanted !== undefined)
      expect(chooseToken(scores, scores.length, { ...options, random: { uniform: () => u } })).toBe(wanted)
    }),
  )
})
