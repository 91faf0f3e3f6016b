import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashName, philox4x32 } from '../random/index.ts'
import { evaluationBatchCount, evaluationBatches, fillBatch, IGNORED_TARGET, type BatchPosition } from './batches.ts'
import { DataError } from './dataError.ts'
import { unigramEntropy } from './entropy.ts'

const counting = (length: number): Uint16Array => Uint16Array.from({ length }, (_, i) => i)

function batch(tokens: Uint16Array, position: BatchPosition): { ids: Int32Array; targets: Int32Array } {
  const size = position.batchSize * position.context
  const ids = new Int32Array(size).fill(-9)
  const targets = new Int32Array(size).fill(-9)
  fillBatch(tokens, position, ids, targets)
  return { ids, targets }
}

const position: BatchPosition = { batchSize: 12, context: 64, seed: 1337, step: 5, microStep: 0 }
const rowStarts = ({ ids }: { ids: Int32Array }, context: number): number[] =>
  [...ids].filter((_, i) => i % context === 0)

describe('fillBatch', () => {
  it('gives windows of the text, and targets one place later', () => {
    const shape = { batchSize: fc.integer({ min: 1, max: 5 }), context: fc.integer({ min: 1, max: 9 }) }
    const where = { seed: fc.nat({ max: 0xffffffff }), step: fc.nat(), microStep: fc.nat(7) }
    fc.assert(
      fc.property(fc.record({ ...shape, ...where }), fc.nat(50), (at, more) => {
        const tokens = counting(at.context + 1 + more)
        const { ids, targets } = batch(tokens, at)
        for (const [i, id] of ids.entries()) {
          expect(targets[i]).toBe(id + 1)
          if (i % at.context > 0) expect(id).toBe(ids[i - 1]! + 1)
          expect(id >= 0 && targets[i]! < tokens.length).toBe(true)
        }
      }),
    )
  })

  it('depends on seed, step and micro-step, and on nothing else', () => {
    const tokens = counting(5000)
    const first = batch(tokens, position)
    expect(batch(tokens, position)).toEqual(first)
    for (const change of [{ seed: 1338 }, { step: 6 }, { microStep: 1 }]) {
      expect(batch(tokens, { ...position, ...change })).not.toEqual(first)
    }
    // A larger batch begins with the smaller one.
    expect(rowStarts(batch(tokens, { ...position, batchSize: 3 }), 64)).toEqual(rowStarts(first, 64).slice(0, 3))
  })

  it('starts where the words of its Philox blocks say', () => {
    const words = [0, 1, 2].flatMap((block) => philox4x32([5, 3, block, 0], [1337, hashName('batches')]))
    const starts = Array.from({ length: 5 }, (_, row) => {
      const bits = (BigInt(words[2 * row]!) << 21n) | (BigInt(words[2 * row + 1]!) >> 11n) // 53 of them
      return Number((bits * (5000n - 64n)) >> 53n)
    })
    expect(rowStarts(batch(counting(5000), { ...position, batchSize: 5, microStep: 3 }), 64)).toEqual(starts)
  })

  it('starts everywhere that a window and its target fit, equally often', () => {
    const starts = Array.from({ length: 500 }, (_, step) =>
      rowStarts(batch(counting(14), { batchSize: 20, context: 4, seed: 1, step, microStep: 0 }), 4),
    ).flat()
    const counts = Array.from({ length: 10 }, (_, start) => starts.filter((drawn) => drawn === start).length)
    expect(counts.reduce((sum, count) => sum + count)).toBe(10_000)
    // Chi-squared with 9 degrees of freedom passes 27.9 once in a thousand; the draws are fixed.
    expect(counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(27.9)
  })

  it('takes the shortest text that has a window and its target, and refuses a shorter one', () => {
    expect([...batch(counting(65), { ...position, batchSize: 1 }).targets].at(-1)).toBe(64)
    expect(() => batch(counting(64), position)).toThrow(DataError)
    expect(() => batch(counting(64), position)).toThrow(/has 64 tokens.*at least 65/)
  })

  it('refuses arrays of another size', () => {
    expect(() => fillBatch(counting(99), position, new Int32Array(768), new Int32Array(767))).toThrow(/arrays of 768/)
    expect(() => batch(counting(99), { ...position, context: 0 })).toThrow(/context is 0/)
  })
})

describe('evaluationBatches', () => {
  it('counts every target exactly once, after the token before it', () => {
    const lengths = fc.integer({ min: 2, max: 200 })
    const size = fc.integer({ min: 1, max: 9 })
    fc.assert(
      fc.property(lengths, size, size, (length, batchSize, context) => {
        const tokens = counting(length)
        const seen: number[] = []
        let batches = 0
        for (const { ids, targets, count } of evaluationBatches(tokens, { batchSize, context })) {
          batches += 1
          expect(ids.length).toBe(batchSize * context)
          expect(targets.filter((target) => target !== IGNORED_TARGET).length).toBe(count)
          targets.forEach((target, i) => {
            if (target === IGNORED_TARGET) return
            expect(ids[i]).toBe(target - 1)
            // Within a window the context is the text before; a new window begins at its own first token.
            if (i % context > 0) expect(ids[i - 1]).toBe(target - 2)
            seen.push(target)
          })
        }
        expect(seen).toEqual([...tokens].slice(1))
        expect(batches).toBe(evaluationBatchCount(tokens, { batchSize, context }))
      }),
    )
  })

  it('pads with ids that exist', () => {
    const [only] = evaluationBatches(counting(4), { batchSize: 2, context: 3 })
    expect(only).toEqual({
      ids: Int32Array.of(0, 1, 2, 0, 0, 0),
      targets: Int32Array.of(1, 2, 3, -1, -1, -1),
      count: 3,
    })
  })

  it('refuses a split without a target', () => {
    expect(() => [...evaluationBatches(counting(1), { batchSize: 2, context: 3 })]).toThrow(DataError)
  })
})

describe('unigramEntropy', () => {
  it('is ln n for n equally frequent tokens, and 0 for one', () => {
    expect(unigramEntropy(counting(65), 65)).toBeCloseTo(Math.log(65), 12)
    expect(unigramEntropy(new Uint16Array(10), 65)).toBeCloseTo(0, 12)
  })

  it('weighs by frequency', () => {
    const expected = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25))
    expect(unigramEntropy(Uint16Array.of(7, 7, 2, 7), 8)).toBeCloseTo(expected, 12)
  })

  it('refuses an id outside the vocabulary', () => {
    expect(() => unigramEntropy(Uint16Array.of(1, 8), 8)).toThrow(/token id 8 at position 1/)
  })
})
