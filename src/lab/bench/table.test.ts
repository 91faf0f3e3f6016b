import { expect, test } from 'vitest'
import type { BenchRecord, BenchResult } from '../../records/index.ts'
import { benchRecord } from '../../records/index.ts'
import { ceilingsRecord } from './machine.ts'
import { renderBench } from './table.ts'

const step: BenchResult = {
  name: 'tiny',
  description: 'a step',
  precision: 'fp32',
  backend: 'native',
  threads: 2,
  medianMs: 20,
  quartilesMs: [19.52, 1234.4],
  steps: 10,
  speedup: null,
  flops: 2e9,
  flopsPerSecond: 1e11,
  peak: 2e11,
  shareOfPeak: 0.5,
  bytes: null,
  bytesPerSecond: null,
  bandwidthOf: null,
  bandwidth: null,
  shareOfBandwidth: null,
  limit: 'peak',
  shareQuartiles: [0.45, 0.55],
  tokensPerSecond: 50,
  compileMs: 5,
  arenaBytes: 0,
  pytorchMs: 30,
  pytorchMode: 'compiled',
  ratio: 1.5,
  ratioQuartiles: [1.4, 1.625],
  pytorch: [{ mode: 'compiled', medianMs: 30, quartilesMs: [29, 31], steps: 10, readyMs: 100 }],
  profile: null,
}
const adamw: BenchResult = {
  ...step,
  name: 'adamw',
  limit: 'bandwidth',
  bytes: 6e8,
  bytesPerSecond: 3e10,
  bandwidthOf: 'update',
  bandwidth: 4e10,
  shareOfBandwidth: 0.75,
  pytorchMs: null,
  pytorchMode: null,
  ratio: null,
  ratioQuartiles: null,
  pytorch: [],
}
const rates = [1, 3, 2].map((k) => {
  return {
    peakFp32: k * 1e11,
    peakBf16: null,
    bandwidth: { read: k * 1e10, copy: k * 2e10, triad: k * 1.5e10, update: k * 1.8e10 },
  }
})
const ceilings = ceilingsRecord(rates, {
  backend: 'native',
  description: 'native AVX2',
  threads: 2,
  withoutBf16: 'old',
})
const record: BenchRecord = {
  machine: {
    ...ceilings,
    halflife: '1.2.3',
    node: 'v20',
    cpu: 'CPU',
    cores: 2,
    memoryBytes: 1e9,
    pytorch: '9.9',
    others: [],
  },
  results: [step, adamw],
}

test('the record has the shape that is printed', () => {
  expect(benchRecord.parse(JSON.parse(JSON.stringify(record)))).toEqual(record)
})

test('ceilings are medians; the bandwidth is that of the fastest pass', () => {
  expect(ceilings).toMatchObject({ peakFp32: 2e11, peakFp32Quartiles: [1.5e11, 2.5e11], peakBf16: null })
  expect(ceilings).toMatchObject({
    bandwidth: 4e10,
    bandwidthOf: 'copy',
    bandwidths: { read: 2e10, triad: 3e10, update: 3.6e10 },
  })
  const pairs = ceilingsRecord([{ ...rates[0]!, peakBf16: 4e11 }], { ...ceilings, withoutBf16: null })
  expect(pairs.peakBf16).toBe(4e11)
})

test('each line stands beside the ceiling that limits it, and beside PyTorch', () => {
  expect(renderBench(record)).toBe(
    [
      'CPU, Node v20, halflife 1.2.3',
      'native AVX2: fp32 200.0 Gflop/s, no bf16 (old), memory read 20.0, copy 40.0, triad 30.0, update 36.0 GB/s',
      '',
      'case                             step, ms  (quartiles)      Gflop/s  of peak  GB/s        of band  PyTorch, ms  mode       ratio  (quartiles)',
      'tiny (fp32, native, 2 threads)         20  (19.52 – 1,234)    100.0     50 %     –              –           30  compiled  1.50 ×  (1.40 – 1.63)',
      'adamw (fp32, native, 2 threads)        20  (19.52 – 1,234)    100.0        –  30.0  75 % (update)            –  –              –  –',
      '',
      'Medians with quartiles. Of peak, of band: share of the ceiling measured in turn with the steps; of memory, that of the',
      'pass that reads and writes in the same proportion. Shares and ratios are taken within each round; their median counts.',
      "PyTorch 9.9; the ratio is its time over halflife's, with the quartiles of the rounds.",
    ].join('\n'),
  )
})

test('where a case ran on several counts of threads, a column tells what they bring', () => {
  const one = { ...step, threads: 1, medianMs: 38 }
  const text = renderBench({ ...record, results: [one, { ...step, speedup: { over: 1, ratio: 1.9 } }] })
  expect(text).toMatch(/ratio +\(quartiles\) +threads$/m)
  expect(text).toMatch(/^tiny \(fp32, native, 1 thread\) .* –$/m)
  expect(text).toMatch(/^tiny \(fp32, native, 2 threads\) .* 1\.90 × 1$/m)
  expect(text).toContain('Threads: how many times as fast as on the fewest threads of this run.')
})
