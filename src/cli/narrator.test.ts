import { expect, test } from 'vitest'
import type { EvaluationEvent, StepEvent } from '../train/index.ts'
import { createNarrator } from './narrator.ts'
import { channel } from './terminal.ts'

const STEP: StepEvent = {
  kind: 'step',
  step: 1,
  steps: 100,
  auxiliaryLosses: {},
  loss: 2,
  penalty: null,
  weightDecay: { matrix: 0.1 },
  learningRate: 1e-3,
  gradientNorm: 1,
  weightNorms: null,
  stepMs: 1,
  tokensPerSecond: 1000,
  secondsLeft: 9,
}
const EVALUATION: EvaluationEvent = {
  kind: 'evaluation',
  step: 50,
  valLoss: 1.9,
  tokens: 1200,
  milliseconds: 10,
  best: true,
}

function told(isTTY: boolean): string {
  let text = ''
  const sink = { isTTY, columns: 120, write: (part: string) => (text += part) }
  const narrator = createNarrator(channel(sink, { NO_COLOR: '1' }), sink)
  for (let step = 1; step <= 50; step++) narrator.tell({ ...STEP, step })
  narrator.tell(EVALUATION)
  narrator.tell({ kind: 'checkpoint', which: 'last', step: 50, path: 'runs/a/checkpoints/last' })
  narrator.close()
  return text
}

test('without a terminal some steps get a line, and so does every evaluation and checkpoint', () => {
  const lines = told(false).trimEnd().split('\n')
  expect(lines.filter((line) => line.startsWith('step'))).toHaveLength(11) // 1, 5, 10, … 50
  expect(lines.at(-2)).toBe('validation loss 1.9000 after step 50 (the best so far; all 1,200 tokens in 0 s)')
  expect(lines.at(-1)).toBe('saved runs/a/checkpoints/last (last)')
})

test('on a terminal one line is redrawn, not faster than anyone reads, and is gone at the end', () => {
  const text = told(true)
  expect(text).toMatch(/^▕.*1 % {2}step 1\/100 · loss 2\.0000 · 1,000 tokens\/s · 9 s left/)
  expect(text.match(/step \d+\/100/g)!.length).toBeLessThan(10)
  expect(text.split('\n')).toHaveLength(2) // the evaluation alone stays
  expect(text.endsWith('\r\u001B[2K')).toBe(true)
})
