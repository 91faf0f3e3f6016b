import { expect, test } from 'vitest'
import { quantile, spreadOf } from './statistics.ts'

test('quartiles are interpolated, in any order of the list', () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, lowerQuartile: 1.75, upperQuartile: 3.25, count: 4 })
  expect(spreadOf([5, 1, 3])).toEqual({ median: 3, lowerQuartile: 2, upperQuartile: 4, count: 3 })
  expect(spreadOf([7])).toEqual({ median: 7, lowerQuartile: 7, upperQuartile: 7, count: 1 })
})

test('the ends are the least and the most', () => {
  const values = [3, 9, -1, 4]
  expect([quantile(values, 0), quantile(values, 1)]).toEqual([-1, 9])
  expect(values).toEqual([3, 9, -1, 4])
})

test('an empty list has none', () => {
  expect(() => spreadOf([])).toThrow(RangeError)
})
