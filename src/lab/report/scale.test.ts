import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linearScale, logScale } from './scale.ts'

test('linear ticks are round and cover the range', () => {
  expect(linearScale(0.3, 9.2).ticks).toEqual([0, 5, 10])
  expect(linearScale(0, 1500).ticks).toEqual([0, 500, 1000, 1500])
  expect(linearScale(2, 2).ticks.length).toBeGreaterThan(1)
  expect(linearScale(0, 441, { tight: true }).ticks).toEqual([0, 200, 400])
  expect(linearScale(0, 441, { tight: true }).at(441)).toBe(1)
})

test('log ticks have 2 and 5 between powers where the range is short', () => {
  expect(logScale(0.02, 0.3).ticks).toEqual([0.02, 0.05, 0.1, 0.2, 0.5])
  expect(logScale(1e-9, 1e3).ticks.length).toBeLessThan(8)
})

test('every value of the range lies between the ends, in order', () => {
  const positive = fc.double({ min: 1e-12, max: 1e12, noNaN: true })
  fc.assert(
    fc.property(positive, positive, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, share) => {
      const [least, most] = [Math.min(a, b), Math.max(a, b)]
      const value = least + share * (most - least)
      for (const scale of [
        linearScale(least, most),
        linearScale(least, most, { tight: true }),
        logScale(least, most),
      ]) {
        expect(scale.at(value)).toBeGreaterThanOrEqual(-1e-6)
        expect(scale.at(value)).toBeLessThanOrEqual(1 + 1e-6)
        expect(scale.at(least)).toBeLessThanOrEqual(scale.at(most))
        expect(scale.ticks.every((tick) => Number.isFinite(tick))).toBe(true)
      }
    }),
  )
})
