import { expect, test } from 'vitest'
import type { StepEvent } from '../train/index.ts'
import { bar, linePicker, statusText, stepLine } from './progress.ts'
import { bytes, duration, scaled, whole } from './quantity.ts'

const EVENT: StepEvent = {
  kind: 'step',
  step: 812,
  steps: 2000,
  auxiliaryLosses: {},
  loss: 1.8234,
  penalty: null,
  weightDecay: { matrix: 0.1 },
  learningRate: 9.1e-4,
  gradientNorm: 0.512,
  weightNorms: null,
  stepMs: 31,
  tokensPerSecond: 24_771.3,
  secondsLeft: 36.8,
}
const plain = (_: unknown, text: string): string => text

test('a penalty on the weights stands apart from the loss', () => {
  expect(statusText({ ...EVENT, penalty: 0.0312 }, 80, plain)).toContain('loss 1.8234 + 0.0312 penalty')
  expect(stepLine({ ...EVENT, penalty: 0.0312 })).toContain('loss 1.8234 + 0.0312 penalty')
})

test('the status has step, loss, speed and time left; the bar gives way where it is narrow', () => {
  const facts = 'step 812/2,000 · loss 1.8234 · 24,771 tokens/s · 37 s left'
  expect(statusText(EVENT, 120, plain)).toBe(`▕████████▏           ▏ 40 %  ${facts}`)
  expect(statusText(EVENT, 60, plain)).toBe(facts)
})

test('a log line has them too', () => {
  expect(stepLine(EVENT)).toBe(
    'step  812/2000  loss 1.8234  lr 9.10e-4  gradient norm 0.5120  24,771 tokens/s  37 s left',
  )
})

test('the bar is whole at both ends', () => {
  expect(bar(0, 4)).toBe('▕    ▏')
  expect(bar(0.5, 4)).toBe('▕██  ▏')
  expect(bar(1 / 32, 4)).toBe('▕▏   ▏')
  expect(bar(7, 4)).toBe('▕████▏')
})

test('about twenty lines a run, the first, the last, and one after a silence', () => {
  let now = 0
  const wants = linePicker(() => now)
  const lined = Array.from({ length: 100 }, (_, i) => i + 1).filter((step) => {
    now += step === 43 ? 30_000 : 10
    return wants({ ...EVENT, step, steps: 100 })
  })
  expect(lined).toEqual([1, 5, 10, 15, 20, 25, 30, 35, 40, 43, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100])
})

test('numbers as people read them', () => {
  expect([whole(1234567), scaled(1.24e8), scaled(12), scaled(3.21e9)]).toEqual(['1,234,567', '124 M', '12', '3.21 G'])
  expect([bytes(0), bytes(1536), bytes(12.34 * 2 ** 20)]).toEqual(['0 B', '1.5 KiB', '12.3 MiB'])
  expect([8.4, 185, 59.6, 7800, 3599.7, 97_200, NaN].map(duration)).toEqual([
    '8 s',
    '3 min 05 s',
    '1 min 00 s',
    '2 h 10 min',
    '1 h 00 min',
    '1 d 3 h',
    '?',
  ])
})
