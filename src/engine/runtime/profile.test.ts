import { expect, test } from 'vitest'
import { LaunchSums, renderProfile } from './profile.ts'

const launch = (label: string, milliseconds: number, flops: number, bytes: number) => {
  return { label, milliseconds, flops, bytes }
}

test('launches of all blocks are one row, per step, longest first', () => {
  const sums = new LaunchSums()
  for (let step = 0; step < 2; step++) {
    sums.add([
      launch('h.0.mlp gelu', 1, 10, 100),
      launch('h.1.mlp gelu', 2, 10, 100),
      launch('lm_head matmul', 9, 5, 1),
    ])
  }
  expect(sums.rows(2)).toEqual([
    {
      label: 'lm_head matmul',
      launches: 1,
      milliseconds: 9,
      flops: 5,
      bytes: 1,
      shareOfTime: 0.75,
      shareOfCeiling: null,
      ceiling: null,
    },
    {
      label: 'h.*.mlp gelu',
      launches: 2,
      milliseconds: 3,
      flops: 20,
      bytes: 200,
      shareOfTime: 0.25,
      shareOfCeiling: null,
      ceiling: null,
    },
  ])
})

test('the ceiling is the one that a row comes nearer to', () => {
  const sums = new LaunchSums()
  sums.add([launch('matmul', 2, 8e6, 1e6), launch('add', 1, 1e6, 4e6)])
  const rows = sums.rows(1, { peak: 8e9, bandwidth: 8e9 })
  expect(rows.map(({ ceiling, shareOfCeiling }) => [ceiling, shareOfCeiling])).toEqual([
    ['peak', 0.5],
    ['bandwidth', 0.5],
  ])
  const [all, first] = renderProfile(rows).split('\n')
  expect(all).toBe('    3.000 ms in all')
  expect(first).toBe('    2.000 ms  66.7 %    1 x     4.0 Gflop/s    0.5 GB/s   50 % of peak        matmul')
})

test('launches without a time have no share', () => {
  const sums = new LaunchSums()
  sums.add([launch('div', 0, 1, 1)])
  expect(sums.rows(1, { peak: 1, bandwidth: 1 })[0]).toMatchObject({ shareOfTime: 0, shareOfCeiling: null })
})
