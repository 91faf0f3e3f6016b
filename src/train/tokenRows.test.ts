import { expect, test } from 'vitest'
import { groupRows } from './tokenRows.ts'

test('rows are grouped by powers of ten of how often their token was seen', () => {
  const seen = [0, 1, 9, 10, 99, 100, 1000, 0]
  const squares = [0.25, 1, 4, 1, 1, 1, 9, 0.25]
  const initial = [1, 1, 1, 1, 2, 1, 1, 1]
  expect(groupRows(seen, squares, initial)).toEqual([
    { from: 0, to: 0, rows: 2, ratio: 0.5, least: 0.5 },
    { from: 1, to: 9, rows: 2, ratio: Math.sqrt(5 / 2), least: 1 },
    { from: 10, to: 99, rows: 2, ratio: Math.sqrt(2 / 5), least: 0.5 },
    { from: 100, to: 999, rows: 1, ratio: 1, least: 1 },
    { from: 1000, to: 9999, rows: 1, ratio: 3, least: 3 },
  ])
})

test('rows that began as 0 have no ratio', () => {
  expect(groupRows([3], [1], [0])).toEqual([{ from: 1, to: 9, rows: 1, ratio: null, least: null }])
})
