import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Corpus } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import { buildLedger, momentNames } from '../optim/index.ts'
import { resolveRecipe } from '../recipes/index.ts'
import { metricsLine, summaryRecord, type MetricsLine } from '../records/index.ts'
import { compiledBackends, float32, type TestedBackend } from './backends.test.data.ts'
import type { EndEvent, EvaluationEvent, StartEvent, StepEvent, TrainEvent } from './events.ts'
import type { TrainOptions } from './options.ts'
import { modelSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'
import { train } from './trainer.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-train-'))
afterAll(() => rmSync(folder, { recursive: true }))
let runs = 0
const newFolder = (): string => join(folder, `run ${runs++}`)

const corpus = tinyCorpus()

/** Two blocks of width 16, 12 steps with an evaluation after every fifth. */
function tinyRecipe(...set: readonly string[]): TrainOptions['recipe'] {
  return resolveRecipe('quickstart', {
    config: {
      model: { layers: 2, heads: 2, width: 16, context: 8 },
      optimizer: { learningRate: 1e-2 },
      schedule: { warmup: 3, steps: 12, floor: 1e-3 },
      train: { batchSize: 2, evalEvery: 5, seed: 7 },
    },
    set,
  })
}

interface Result {
  readonly events: readonly TrainEvent[]
  readonly start: StartEvent
  readonly steps: readonly StepEvent[]
  readonly evaluations: readonly EvaluationEvent[]
  readonly end: EndEvent
  /** Weights and moments when the run ended, by name. */
  readonly tensors: ReadonlyMap<string, readonly number[]>
}

interface RunOptions extends Partial<Pick<TrainOptions, 'out' | 'resume' | 'recipe' | 'corpus' | 'logEvery'>> {
  readonly on?: TestedBackend
  /** Abort when this step's event arrives. */
  readonly abortAt?: number
}

async function runTraining(options: RunOptions = {}): Promise<Result> {
  const { on = float32, abortAt, recipe = tinyRecipe(), out = null, ...rest } = options
  const backend = on.create()
  const controller = new AbortController()
  const events: TrainEvent[] = []
  try {
    for await (const event of train({ recipe, corpus, backend, out, signal: controller.signal, ...rest })) {
      events.push(event)
      if (event.kind === 'step' && event.step === abortAt) controller.abort()
    }
    return { ...sortEvents(events), tensors: readTensors(backend, recipe, rest.corpus ?? corpus) }
  } finally {
    backend.dispose()
  }
}

function sortEvents(events: readonly TrainEvent[]): Omit<Result, 'tensors'> {
  const [start, end] = [events[0], events.at(-1)]
  if (start?.kind !== 'start' || end?.kind !== 'end') throw new Error('a run begins with start and ends with end')
  return {
    events,
    start,
    end,
    steps: events.filter((event) => event.kind === 'step'),
    evaluations: events.filter((event) => event.kind === 'evaluation'),
  }
}

function readTensors(
  backend: Backend,
  { config }: TrainOptions['recipe'],
  { tokenizer }: Corpus,
): Map<string, number[]> {
  const { parameters } = modelSetup(config, tokenizer.vocab)
  return new Map(
    parameters.flatMap(({ name, shape }) => {
      const { first, second } = momentNames(name)
      return [name, first, second].map((label) => [label, [...backend.buffer(label, 'f32', shape)]] as const)
    }),
  )
}

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

  test('dropout says what it does not reach', async () => {
    const { start } = await runTraining({ recipe: tinyRecipe('model.dropout=0.1', 'schedule.steps=1') })
    expect(start.notices.join(' ')).toMatch(/attention weights, which GPT-2 drops too, are kept/)
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
    const first = await runTraining({ on, recipe, out, abortAt: 7 })
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
