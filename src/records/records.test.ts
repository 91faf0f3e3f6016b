import { describe, expect, it } from 'vitest'
import { buildLedger } from '../optim/ledger.ts'
import { resolveRecipe } from '../recipes/resolve.ts'
import {
  CHECKPOINT_VERSION,
  checkpointRecord,
  explainMismatch,
  ledgerRecord,
  metricsLine,
  RUN_CONFIG_VERSION,
  runConfigRecord,
  summaryRecord,
  tokenizerRecord,
  type CheckpointRecord,
} from './index.ts'

const ledger = buildLedger(
  [
    { name: 'wte.weight', shape: [65, 128], role: 'embedding', aliases: ['lm_head.weight'] },
    { name: 'ln.weight', shape: [128], role: 'gain', aliases: [] },
  ],
  'nanogpt',
  { weightDecay: 0.1, learningRates: [1e-3, 1e-3], steps: 2 },
)
const { name, config } = resolveRecipe('quickstart')
const corpus = { name: 'moby-dick', hash: 'ab'.repeat(32), trainTokens: 9, validationTokens: 1 }
const checkpoint: CheckpointRecord = {
  version: CHECKPOINT_VERSION,
  step: 2,
  tokens: 1536,
  valLoss: null,
  best: null,
  seed: 1337,
  optimizerStart: 0,
  learningRate: 1e-3,
  backend: 'interpreter',
  corpus,
  tokenizer: { name: 'char', characters: '\n aé' },
  recipe: { name, config },
  ledger,
}
const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('records', () => {
  it('keep a ledger whole', () => {
    expect(ledgerRecord.parse(throughJson(ledger))).toEqual(ledger)
  })

  it('keep a checkpoint whole', () => {
    expect(checkpointRecord.parse(throughJson(checkpoint))).toEqual(checkpoint)
  })

  it('keep a run configuration whole', () => {
    const run = {
      version: RUN_CONFIG_VERSION,
      halflife: '0.1.0',
      startedAt: new Date(0).toISOString(),
      recipe: { name, config },
      seed: 2 ** 32 - 1,
      backend: 'native',
      threads: 2,
      corpus,
      tokenizer: { name: 'gpt2' },
    }
    expect(runConfigRecord.parse(throughJson(run))).toEqual(run)
  })

  it('take a loss that is not a number as null', () => {
    const line = { kind: 'evaluation', step: 5, valLoss: Number.NaN, tokens: 10, seconds: 0.5 }
    expect(metricsLine.parse(throughJson(line))).toEqual({ ...line, valLoss: null })
  })

  it.each([
    ['an unknown kind', { kind: 'sample', step: 1 }],
    ['a missing loss', { kind: 'evaluation', step: 1, tokens: 1, seconds: 1 }],
    ['a fractional step', { kind: 'evaluation', step: 1.5, valLoss: 1, tokens: 1, seconds: 1 }],
  ])('refuse a metrics line with %s', (_, line) => {
    expect(metricsLine.safeParse(line).success).toBe(false)
  })

  it('refuse a summary without its numbers', () => {
    expect(summaryRecord.safeParse({ run: 'runs/a' }).success).toBe(false)
  })

  it('refuse an unknown tokenizer', () => {
    expect(tokenizerRecord.safeParse({ name: 'sentencepiece' }).success).toBe(false)
  })
})

describe('explainMismatch', () => {
  it('names the place', () => {
    const wrong = { ...checkpoint, ledger: { ...ledger, entries: [{ ...ledger.entries[0], name: 7 }] } }
    const { error } = checkpointRecord.safeParse(wrong)
    expect(error && explainMismatch(error)).toMatch(/^ledger\.entries\[0\]\.name: .*expected string/)
  })

  it('says what is wrong with the whole when there is no place', () => {
    const { error } = checkpointRecord.safeParse('text')
    expect(error && explainMismatch(error)).toMatch(/expected object/)
  })
})
