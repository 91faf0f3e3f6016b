import { expect, test } from 'vitest'
import type { EvaluationEvent, TrainSummary } from '../train/index.ts'
import { closingReport, quoted, type Closing } from './closingReport.ts'
import { channel } from './terminal.ts'

const SUMMARY: TrainSummary = {
  run: 'runs/my run',
  recipe: 'quickstart',
  backend: 'native',
  threads: 2,
  seed: 1337,
  parameters: { total: 3, decayed: 2, undecayed: 1 },
  tensors: { decayed: 1, undecayed: 1 },
  steps: 1500,
  tokens: 1_536_000,
  seconds: 58.4,
  medianStepMs: 35.12,
  tokensPerSecond: 26_300.4,
  flopsPerSecond: 1.49e11,
  trainLoss: 1.8,
  penalty: null,
  valLoss: 1.83,
  checkpoint: 'runs/my run/checkpoints/last',
}
const evaluation = (step: number, valLoss: number): EvaluationEvent => {
  return { kind: 'evaluation', step, valLoss, tokens: 121_977, milliseconds: 900, best: true }
}
const CLOSING: Closing = {
  summary: SUMMARY,
  before: evaluation(0, 4.5266),
  after: evaluation(1500, 1.8337),
  unigramEntropy: 3.0747,
  sample: `Call me\n${'whale '.repeat(30)}`,
  from: null,
  command: 'npx halflife',
}

function lines(closing: Closing, columns = 60): string[] {
  const out = channel({ write: () => {}, columns }, {})
  return closingReport(closing, out).split('\n')
}

test('how good, how fast, where, and what to try', () => {
  const text = lines(CLOSING).join('\n')
  expect(text).toMatch(/Validation loss +4\.5266 → 1\.8337 nats per token, on all 121,977/)
  expect(text).toMatch(/For comparison +3\.0747/)
  expect(text).toMatch(/Speed +35\.1 ms per step \(median\), 26,300 tokens\/s, 149 GFLOP\/s/)
  expect(text).toMatch(/npx halflife sample 'runs\/my run' --tokens 500/)
  expect(text).toMatch(/npx halflife train quickstart --set optimizer.weightDecay=2/)
})

test('what began with other weights begins with them again', () => {
  const text = lines({ ...CLOSING, from: 'my gpt2/' }).join('\n')
  expect(text).toMatch(/npx halflife train quickstart --from 'my gpt2\/' --set optimizer.weightDecay=2/)
})

test('the sample is wrapped at spaces and loses no word', () => {
  const all = lines(CLOSING)
  const start = all.indexOf('  Call me')
  const sample = all.slice(start + 1, all.indexOf('', start))
  expect(Math.max(...sample.map(({ length }) => length))).toBeLessThanOrEqual(60)
  expect(sample.join(' ').split(/\s+/).filter(Boolean)).toEqual(Array.from({ length: 30 }, () => 'whale'))
})

test('a word longer than the line is cut', () => {
  const sample = 'x'.repeat(150)
  const kept = lines({ ...CLOSING, sample }).filter((line) => /^ {2}x+$/.test(line))
  expect(kept.map((line) => line.trim()).join('')).toBe(sample)
})

test('what was not measured is not shown as a number', () => {
  const summary = { ...SUMMARY, medianStepMs: null, tokensPerSecond: null, flopsPerSecond: null }
  const text = lines({ ...CLOSING, summary, before: null, after: null, sample: null }).join('\n')
  expect(text).toMatch(/Validation loss +not measured/)
  expect(text).not.toMatch(/Speed|What it writes|null|NaN/)
})

test('words for a shell', () => {
  expect([quoted('runs/a-1'), quoted('my run'), quoted("it's")]).toEqual(['runs/a-1', "'my run'", `'it'\\''s'`])
})
