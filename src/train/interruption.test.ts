import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { TrainingError, type TrainEvent } from './events.ts'
import { atStep, runTraining, tinyRecipe, type RunOptions } from './running.test.data.ts'
import { openSampler } from './sample.ts'
import { float32 } from './backends.test.data.ts'
import { tinyCorpus } from './tiny.test.data.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-interruption-'))
afterAll(() => rmSync(folder, { recursive: true }))
let runs = 0
const newFolder = (): string => join(folder, `run${runs++}`)

/** Every file below a folder with its content. */
function contents(path: string): Map<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    names.map((entry) => {
      const file = join(entry.parentPath, entry.name)
      return [file, readFileSync(file, 'latin1')]
    }),
  )
}

/** The folder of a run that was stopped after its sixth step. */
async function interrupted(): Promise<string> {
  const out = newFolder()
  await runTraining({ out, abortAt: atStep(6) })
  return out
}

async function failure(options: RunOptions): Promise<Error & { hint?: string }> {
  try {
    await runTraining(options)
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('the run did not fail')
}

describe('a run that diverges', () => {
  const wild = ['optimizer.learningRate=1e36', 'schedule.floor=0', 'schedule.warmup=0', 'optimizer.weightDecay=0']

  test('ends with an error that names the step, the rate and what to try', async () => {
    const steps: number[] = []
    const error = await failure({
      recipe: tinyRecipe(...wild),
      listen: (event) => void (event.kind === 'step' && steps.push(event.step)),
    })
    expect(error).toBeInstanceOf(TrainingError)
    expect(error.message).toMatch(/^The (loss|gradient norm|norm of the \w+ weights) is (NaN|Infinity) in step \d+, /)
    expect(error.message).toContain(`in step ${steps.length + 1}, at learning rate`)
    expect(error.hint).toMatch(/^Try a lower learning rate \(--set optimizer.learningRate=3e\+35\) or a longer warm-up/)
    expect(error.hint).toMatch(/No checkpoint had been saved yet/)
  })

  test('leaves earlier checkpoints as they were, and its metrics say null where there was no number', async () => {
    const out = newFolder()
    await runTraining({ out, abortAt: atStep(5) })
    const before = contents(join(out, 'checkpoints'))
    expect(before.size).toBeGreaterThan(0)
    const error = await failure({ out, resume: out, recipe: tinyRecipe(...wild, 'train.clip=0') })
    expect(error.hint).toContain(`The checkpoint ${join(out, 'checkpoints', 'last')} is from before and whole`)
    expect(error.hint).toContain('or clipping (--set train.clip=1)')
    expect(contents(join(out, 'checkpoints'))).toEqual(before)
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
    expect(lines.at(-1)).toMatch(/"(loss|gradientNorm|valLoss|embedding|position|gain|matrix)":null/)
  })
})

describe('Ctrl-C', () => {
  test('before the first step writes no checkpoint', async () => {
    const out = newFolder()
    const { end, steps } = await runTraining({ out, abortAt: ({ kind }) => kind === 'compiled' })
    expect(steps).toEqual([])
    expect(end).toMatchObject({ reason: 'interrupted', resumeCommand: null, summary: { checkpoint: null, steps: 0 } })
    expect(end.summary).toMatchObject({ medianStepMs: null, trainLoss: null, valLoss: null })
    expect(readdirSync(join(out, 'checkpoints'))).toEqual([])
  })

  test('during the last evaluation saves the steps; resuming makes up for the evaluation', async () => {
    const out = newFolder()
    const first = await runTraining({ out, abortAt: atStep(12) })
    expect(first.end).toMatchObject({ reason: 'interrupted', summary: { steps: 12 } })
    expect(first.evaluations.map(({ step }) => step)).toEqual([0, 5, 10])
    const second = await runTraining({ out, resume: out })
    expect(second.steps).toEqual([])
    expect(second.evaluations.map(({ step }) => step)).toEqual([12])
    expect(second.end).toMatchObject({ reason: 'complete', resumeCommand: null })
  })

  test('without a folder saves nothing and says nothing of resuming', async () => {
    const { end, events } = await runTraining({ abortAt: atStep(3) })
    expect(end).toMatchObject({ reason: 'interrupted', resumeCommand: null, summary: { checkpoint: null } })
    expect(events.some(({ kind }) => kind === 'checkpoint')).toBe(false)
  })
})

describe('resuming', () => {
  test('announces what was given anew, and applies it', async () => {
    const out = await interrupted()
    const given = tinyRecipe(
      'optimizer.learningRate=0.004',
      'optimizer.weightDecay=2',
      'optimizer.policy=all',
      'schedule.steps=8',
    )
    const { start, steps } = await runTraining({ out, resume: out, recipe: given })
    expect(start.changes).toEqual([
      { path: 'optimizer.learningRate', from: 0.01, to: 0.004 },
      { path: 'optimizer.weightDecay', from: 0.1, to: 2 },
      { path: 'optimizer.policy', from: 'nanogpt', to: 'all' },
      { path: 'schedule.steps', from: 12, to: 8 },
    ])
    expect(steps.map(({ step }) => step)).toEqual([7, 8])
    expect(steps[0]!.learningRate).toBeLessThanOrEqual(0.004)
    expect(start.ledger).toMatchObject({ policy: 'all', weightDecay: 2, totals: { undecayed: { tensors: 0 } } })
    expect(JSON.parse(readFileSync(join(out, 'ledger.json'), 'utf8'))).toEqual(start.ledger)
  })

  test('decays with the new λ, not the checkpoint’s', async () => {
    const out = await interrupted()
    const copy = newFolder()
    const one = ['schedule.steps=7', 'schedule.kind=constant']
    const weak = await runTraining({ out: copy, resume: out, recipe: tinyRecipe(...one, 'optimizer.weightDecay=0') })
    const strong = await runTraining({ out, resume: out, recipe: tinyRecipe(...one, 'optimizer.weightDecay=50') })
    const name = 'h.0.mlp.c_fc.weight'
    const { norm, shrunk } = { norm: weak.tensors.get(name)!, shrunk: strong.tensors.get(name)! }
    // w·(1 − lr·λ) − u against w − u, with the same u: the difference is w·lr·λ, and lr·λ = 0.5
    const ratio = Math.hypot(...norm.map((value, i) => value - shrunk[i]!)) / Math.hypot(...norm)
    expect(ratio).toBeGreaterThan(0.4)
    expect(strong.tensors.get('ln_f.weight')).toEqual(weak.tensors.get('ln_f.weight'))
  })

  test('another batch size and text are announced too', async () => {
    const out = await interrupted()
    const corpus = { ...tinyCorpus(), hash: '1'.repeat(64) }
    const { start } = await runTraining({ out, resume: out, corpus, recipe: tinyRecipe('train.batchSize=3') })
    expect(start.changes.map(({ path }) => path)).toEqual(['train.batchSize', 'data (hash of its tokens)'])
  })

  test.each([
    ['other sizes', { recipe: tinyRecipe('model.width=32') }, /made with model.width = 16, this run asks for 32/],
    [
      'another tokenizer',
      { corpus: tinyCorpus(12) },
      /another tokenizer \(ids\) than the data has now \(ids, 12 tokens\)/,
    ],
  ])('refuses %s, and writes nothing', async (_, options, message) => {
    const out = await interrupted()
    const before = contents(out)
    expect((await failure({ out, resume: out, ...options })).message).toMatch(message)
    expect(contents(out)).toEqual(before)
  })

  test('a checkpoint of other tensors under the same settings is refused by name', async () => {
    const out = await interrupted()
    const other = newFolder()
    await runTraining({ out: other, abortAt: atStep(6), recipe: tinyRecipe('model.bias=true') })
    const file = join('checkpoints', 'last', 'model.safetensors')
    copyFileSync(join(other, file), join(out, file))
    const error = await failure({ out, resume: out })
    expect(error.message).toMatch(/weights of .* do not fit this model:\n {2}unexpected: h.0.ln_1.bias \[16\]/)
  })

  test('another backend is named, since it rounds differently', async () => {
    const out = await interrupted()
    const file = join(out, 'checkpoints', 'last', 'checkpoint.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('interpreter, f32', 'abacus'))
    const { start } = await runTraining({ out, resume: out })
    expect(start.notices.join()).toMatch(/computed by abacus; this backend rounds differently/)
  })

  test('into another folder leaves the first as it was', async () => {
    const out = await interrupted()
    const before = contents(out)
    const copy = newFolder()
    await runTraining({ out: copy, resume: join(out, 'checkpoints', 'last') })
    expect(contents(out)).toEqual(before)
    expect(existsSync(join(copy, 'checkpoints', 'last', 'model.safetensors'))).toBe(true)
  })
})

test('a new run does not start in the folder of another', async () => {
  const out = newFolder()
  await runTraining({ out, abortAt: atStep(5) })
  const before = contents(out)
  expect((await failure({ out })).message).toMatch(/measurements of another run/)
  expect(contents(out)).toEqual(before)
})

test('a corpus that does not fit is refused before anything is written', async () => {
  const out = newFolder()
  expect((await failure({ out, recipe: tinyRecipe('model.vocab=5') })).message).toMatch(/outside the vocabulary of 5/)
  const short = { ...tinyCorpus(), train: new Uint16Array(8) }
  expect((await failure({ out, corpus: short })).message).toMatch(/has 8 tokens.* at least 9/)
  expect(existsSync(out)).toBe(false)
})

test('a sampler opens what a run saved', async () => {
  const out = newFolder()
  const events: TrainEvent[] = []
  await runTraining({ out, recipe: tinyRecipe('schedule.steps=5'), listen: (event) => void events.push(event) })
  const backend = float32.create()
  const sampler = await openSampler(backend, out)
  expect(sampler.record).toMatchObject({ step: 5, recipe: { name: 'quickstart' } })
  const text = await sampler.text({ tokens: 12, seed: 1 })
  expect(text.split(' ')).toHaveLength(12)
  expect(await (await openSampler(backend, out, 'best')).text({ tokens: 12, seed: 1 })).toBe(text)
  backend.dispose()
})
