import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadCorpus } from '../data/index.ts'
import { buildLedger } from '../optim/index.ts'
import { metricsLine, summaryRecord, type MetricsLine } from '../records/index.ts'
import { compiledBackends, float32 } from './backends.test.data.ts'
import { atStep, runTraining, tinyRecipe } from './running.test.data.ts'
import { modelSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-train-'))
afterAll(() => rmSync(folder, { recursive: true }))
let runs = 0
const newFolder = (): string => join(folder, `run ${runs++}`)

const corpus = tinyCorpus()

function readMetrics(out: string): MetricsLine[] {
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => metricsLine.parse(JSON.parse(line)))
}

describe('events', () => {
  test('tell a run in order, with its ledger, evaluations and checkpoints', async () => {
    const out = newFolder()
    const { events, start, steps, evaluations, end } = await runTraining({ out })
    expect(start).toMatchObject({
      run: out,
      recipe: 'quickstart',
      seed: 7,
      backend: { name: 'interpreter', threads: 1 },
      startStep: 0,
      steps: 12,
      tokensPerStep: 16,
      resumedFrom: null,
      changes: [],
      notices: [],
      corpus: { trainTokens: 600, validationTokens: 61 },
    })
    expect(events[1]).toMatchObject({ kind: 'compiled' })
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(steps[0]!.learningRate).toBeCloseTo(1e-2 / 4, 12)
    expect(steps.at(-1)!.secondsLeft).toBe(0)
    expect(evaluations.map(({ step, tokens }) => [step, tokens])).toEqual([
      [0, 60],
      [5, 60],
      [10, 60],
      [12, 60],
    ])
    const saved = events.flatMap((event) => (event.kind === 'checkpoint' ? [`${event.which} ${event.step}`] : []))
    const best = evaluations.filter(({ best }) => best).map(({ step }) => `best ${step}`)
    expect(saved.filter((name) => name.startsWith('last'))).toEqual(['last 5', 'last 10', 'last 12'])
    expect(saved.filter((name) => name.startsWith('best'))).toEqual(best)
    expect(best).toContain('best 5')
    for (const event of events) if (event.kind === 'checkpoint') expect(existsSync(event.path)).toBe(true)
    expect(end).toMatchObject({ reason: 'complete', resumeCommand: null })
  })

  test('the summary is the documented record, and its totals are the ledger’s', async () => {
    const recipe = tinyRecipe()
    const { end, start, steps, evaluations } = await runTraining({ recipe, out: newFolder() })
    const { summary } = end
    expect(summaryRecord.parse(summary)).toEqual(summary)
    const { parameters } = modelSetup(recipe.config, corpus.tokenizer.vocab)
    const { totals } = buildLedger(parameters, 'nanogpt', { weightDecay: 0.1, learningRates: [1e-2], steps: 1 })
    expect(start.ledger.totals).toEqual(totals)
    expect(summary.parameters).toEqual({
      total: totals.decayed.parameters + totals.undecayed.parameters,
      decayed: totals.decayed.parameters,
      undecayed: totals.undecayed.parameters,
    })
    expect(summary.parameters.total).toBe(parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0))
    expect(summary.tensors).toEqual({ decayed: totals.decayed.tensors, undecayed: totals.undecayed.tensors })
    expect(summary).toMatchObject({ steps: 12, tokens: 12 * 16, seed: 7, backend: 'interpreter', threads: 1 })
    expect(summary.trainLoss).toBe(steps.at(-1)!.loss)
    expect(summary.valLoss).toBe(evaluations.at(-1)!.valLoss)
    expect(summary.medianStepMs).toBeGreaterThan(0)
    expect(summary.flopsPerSecond).toBeGreaterThan(0)
  })

  test('metrics are one line per step and evaluation, as the events told them', async () => {
    const out = newFolder()
    const { steps, evaluations } = await runTraining({ out })
    const lines = readMetrics(out)
    const told = lines.flatMap((line) => (line.kind === 'step' ? [line] : []))
    expect(told.map(({ step, loss, gradientNorm, learningRate }) => [step, loss, gradientNorm, learningRate])).toEqual(
      steps.map(({ step, loss, gradientNorm, learningRate }) => [step, loss, gradientNorm, learningRate]),
    )
    expect(Object.keys(told[0]!.weightNorm)).toEqual(['embedding', 'position', 'gain', 'matrix'])
    expect(lines.flatMap((line) => (line.kind === 'evaluation' ? [[line.step, line.valLoss]] : []))).toEqual(
      evaluations.map(({ step, valLoss }) => [step, valLoss]),
    )
    const sparse = newFolder()
    await runTraining({ out: sparse, logEvery: 5 })
    expect(readMetrics(sparse).flatMap(({ kind, step }) => (kind === 'step' ? [step] : []))).toEqual([5, 10, 12])
  })
})

describe.each([float32, ...compiledBackends])('resuming, $label', (on) => {
  test.each([
    ['', []],
    [' with accumulation and dropout', ['train.accumulation=2', 'model.dropout=0.2']],
  ])('after an interruption ends bit for bit as an uninterrupted run%s', async (_, set) => {
    const recipe = tinyRecipe(...set)
    const whole = await runTraining({ on, recipe, out: newFolder() })
    const out = newFolder()
    const first = await runTraining({ on, recipe, out, abortAt: atStep(7) })
    expect(first.end).toMatchObject({ reason: 'interrupted', resumeCommand: `halflife train --resume '${out}'` })
    expect(first.end.summary).toMatchObject({ steps: 7 })
    const second = await runTraining({ on, recipe, out, resume: out })
    expect(second.start).toMatchObject({ startStep: 7, changes: [], notices: first.start.notices })
    expect(second.start.resumedFrom).toBe(first.end.summary.checkpoint)
    expect([...first.steps, ...second.steps].map(({ loss }) => loss)).toEqual(whole.steps.map(({ loss }) => loss))
    expect([...second.tensors]).toEqual([...whole.tensors])
    expect(second.end).toMatchObject({ reason: 'complete', summary: { steps: 12, tokens: whole.end.summary.tokens } })
    expect(second.evaluations.at(-1)!.valLoss).toBe(whole.evaluations.at(-1)!.valLoss)
    expect(readMetrics(out).map(({ kind, step }) => `${kind} ${step}`)).toEqual(
      whole.events.flatMap((event) => {
        return event.kind === 'step' || event.kind === 'evaluation' ? [`${event.kind} ${event.step}`] : []
      }),
    )
  })
})

describe.each([float32, ...compiledBackends])('learning, $label', (on) => {
  test('the loss on the bytes of Moby-Dick falls', async () => {
    const book = await loadCorpus({ data: 'moby-dick', tokenizer: 'byte' })
    const recipe = tinyRecipe('schedule.steps=60', 'train.evalEvery=60', 'train.batchSize=4', 'model.layers=1')
    const shorter = { ...book, validation: book.validation.slice(0, 500) }
    const { evaluations, steps } = await runTraining({ on, recipe, corpus: shorter })
    const [before, after] = evaluations.map(({ valLoss }) => valLoss)
    expect(before).toBeCloseTo(Math.log(256), 1) // knows nothing: every byte alike
    expect(after).toBeLessThan(4)
    expect(steps.at(-1)!.loss).toBeLessThan(4)
  })
})

const cores = availableParallelism()

describe.skipIf(cores < 2).each(compiledBackends)(`threads, $label (this machine has ${cores})`, (on) => {
  test('two threads give the bits of one', async () => {
    const recipe = tinyRecipe('schedule.steps=6', 'model.dropout=0.1')
    const [one, two] = [await runTraining({ on, recipe, threads: 1 }), await runTraining({ on, recipe, threads: 2 })]
    expect(two.start.backend.threads).toBe(2)
    expect([...two.tensors]).toEqual([...one.tensors])
  })
})

test('the same run gives the same bits twice, and others under another seed', async () => {
  const [first, second, other] = [
    await runTraining(),
    await runTraining(),
    await runTraining({ recipe: tinyRecipe('train.seed=8') }),
  ]
  expect([...second.tensors]).toEqual([...first.tensors])
  expect(other.steps[0]!.loss).not.toBe(first.steps[0]!.loss)
})
