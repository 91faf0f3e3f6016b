import { expect, test } from 'vitest'
import type { Contender } from './contender.ts'
import { resultOf, type MeasuredCase, type Round } from './result.ts'

/** A round on a machine that is so many times as slow as it can be. */
function round(slower: number, times: readonly number[] = [10, 12, 11]): Round {
  const slowed = (list: readonly number[]): number[] => list.map((ms) => ms * slower)
  const rate = 4e10 / slower
  return {
    rates: {
      peakFp32: 2e11 / slower,
      peakBf16: 4e11 / slower,
      bandwidth: { read: rate, copy: rate, triad: rate, update: rate },
    },
    times: slowed(times),
    rivals: new Map([
      ['eager', slowed([30, 33, 40])],
      ['compiled', slowed([22, 21, 30])],
    ]),
  }
}
const report = { compileMilliseconds: 1, arenaBytes: 2 }
const contender = {
  backend: 'native',
  threads: 2,
  flops: 1.1e9,
  bytes: 2.2e8,
  tokens: null,
  executable: { report },
  rows: () => [],
} as unknown as Contender
const measured: MeasuredCase = {
  benchCase: { name: 'tiny', description: '', limit: 'peak' },
  precision: 'fp32',
  contender,
  rival: {
    ready: { torch: '9', python: '3', threads: 2, modes: { eager: { readyMs: 5 }, compiled: { readyMs: 9 } } },
    modes: ['eager', 'compiled'],
    notes: [],
  },
  rounds: [round(1), round(1), round(1)],
  beside: null,
  profile: false,
}

test('times are medians of all steps, ratios and shares those of the rounds', () => {
  const result = resultOf(measured)
  expect(result).toMatchObject({
    medianMs: 11,
    steps: 9,
    pytorchMode: 'compiled',
    pytorchMs: 22,
    ratio: 2,
    speedup: null,
  })
  expect(result.shareOfPeak).toBeCloseTo(0.5)
  expect(result.shareOfBandwidth).toBe(null)
})

test('a machine that slows down for some rounds changes the times, but no ratio and no share', () => {
  const { medianMs, pytorchMs, ratio, ratioQuartiles, shareOfPeak, shareQuartiles } = resultOf({
    ...measured,
    rounds: [round(1), round(2), round(2), round(1), round(2)],
  })
  expect([medianMs, pytorchMs]).toEqual([20, 42])
  expect([ratio, ratioQuartiles]).toEqual([2, [2, 2]])
  for (const share of [shareOfPeak, ...shareQuartiles]) expect(share).toBeCloseTo(0.5)
})

test('what is bound by memory has the share of its pass', () => {
  const result = resultOf({
    ...measured,
    benchCase: { name: 'adamw', description: '', limit: 'update' },
    rounds: [round(1), round(3)],
  })
  expect(result).toMatchObject({ limit: 'bandwidth', bandwidthOf: 'update' })
  expect(result.shareOfBandwidth).toBeCloseTo(0.5)
})

test('bf16 stands beside the peak of bf16', () => {
  expect(resultOf({ ...measured, precision: 'bf16' }).shareOfPeak).toBeCloseTo(0.25)
})

test('more threads stand beside the fewest in the same round', () => {
  const beside = { threads: 1, rounds: [round(1, [20]), round(2, [22]), round(4, [22])] }
  const { speedup } = resultOf({ ...measured, rounds: [round(1), round(2), round(4)], beside })
  expect(speedup).toEqual({ over: 1, ratio: 2 })
})

test('without PyTorch there is no ratio', () => {
  expect(resultOf({ ...measured, rival: null })).toMatchObject({
    pytorchMs: null,
    pytorchMode: null,
    ratio: null,
    ratioQuartiles: null,
    pytorch: [],
  })
})
