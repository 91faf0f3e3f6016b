/** Every optimizer, form and schedule of decay through the whole trainer: recipe, ledger, step, checkpoint, resume. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readMetrics } from '../checkpoint/index.ts'
import { openPretrained } from '../exchange/index.ts'
import { parameterCount } from '../nn/parameter.ts'
import { decayFormNames, optimizerNames } from '../optim/index.ts'
import { compiledBackends, float32, float64 } from './backends.test.data.ts'
import { createSampler, openSampler } from './sample.ts'
import { compilePrograms } from './programs.ts'
import { publishedWeights } from './publish.ts'
import { atStep, runTraining, tinyRecipe } from './running.test.data.ts'
import { stepSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'
import { initialiseParameters } from './initialise.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-optimizers-'))
afterAll(() => rmSync(root, { recursive: true }))
let folders = 0
const newFolder = (): string => join(root, `run-${folders++}`)

/** Fast enough for each optimizer that twelve steps show a falling loss. */
const RATES: Readonly<Record<string, number>> = { sgd: 0.5, adagrad: 0.05, lion: 3e-3, rmsprop: 1e-3, adafactor: 0.3 }
const settingsOf = (name: string): string[] => [
  `optimizer.name=${name}`,
  `optimizer.learningRate=${RATES[name] ?? 1e-2}`,
  'schedule.kind=constant',
]

const penalised = (...set: string[]) => tinyRecipe('optimizer.form=loss-l2', 'optimizer.weightDecay=0.02', ...set)
const halfSquares = (tensors: ReadonlyMap<string, readonly number[]>, names: readonly string[]): number => {
  return names.reduce((sum, name) => sum + tensors.get(name)!.reduce((own, value) => own + value * value, 0), 0) / 2
}
const late = (to: number) =>
  tinyRecipe(
    'optimizer.weightDecay=5',
    `optimizer.decaySchedule={kind: linear, from: ${to}, to: ${to}}`,
    'schedule.steps=3',
  )
const half = async (): Promise<string> => {
  const out = newFolder()
  await runTraining({ out, recipe: tinyRecipe(), abortAt: atStep(6) })
  return out
}

describe.each(optimizerNames)('%s', (name) => {
  test('trains by its recipe path, and a resumed run ends bit for bit as an uninterrupted one', async () => {
    const recipe = tinyRecipe(...settingsOf(name), 'optimizer.weightDecay=0.1')
    const on = compiledBackends[0] ?? float32
    const whole = await runTraining({ recipe, on })
    expect(whole.end.summary.valLoss).toBeLessThan(whole.evaluations[0]!.valLoss)
    const out = newFolder()
    await runTraining({ recipe, on, out, abortAt: atStep(6) })
    const resumed = await runTraining({ recipe, on, out, resume: out })
    expect(resumed.steps[0]!.step).toBe(7)
    for (const [label, values] of whole.tensors) expect(resumed.tensors.get(label), label).toEqual(values)
  })
})

test.each(decayFormNames)(
  'the form %s trains, is in the ledger, and changes decayed weights only at once',
  async (form) => {
    const one = (lambda: number) =>
      tinyRecipe(`optimizer.form=${form}`, `optimizer.weightDecay=${lambda}`, 'schedule.steps=1', 'train.clip=0')
    const [without, withDecay] = [
      await runTraining({ recipe: one(0), on: float64 }),
      await runTraining({ recipe: one(0.5), on: float64 }),
    ]
    expect(withDecay.start.ledger.form).toContain(
      form === 'cautious' || form === 'selective' ? `${form} decoupled` : form,
    )
    const moved = (label: string): boolean => {
      return JSON.stringify(without.tensors.get(label)) !== JSON.stringify(withDecay.tensors.get(label))
    }
    expect(moved('ln_f.weight')).toBe(false)
    // In the first step the weights are still where these two pull them.
    expect(moved('h.0.mlp.c_fc.weight')).toBe(form !== 'toward-init' && form !== 'target-norm')
  },
)

describe('loss-l2', () => {
  test('reports (λ/2)·‖w‖² over the decaying tensors apart from the loss, in events, metrics and summary', async () => {
    const out = newFolder()
    const run = await runTraining({ recipe: penalised(), on: float64, out })
    const first = await runTraining({ recipe: penalised('schedule.steps=1'), on: float64 })
    const decaying = run.start.ledger.entries.filter((entry) => entry.weightDecay > 0).map(({ name }) => name)
    expect(run.steps[1]!.penalty).toBeCloseTo(0.02 * halfSquares(first.tensors, decaying), 10)
    expect(run.steps[0]!.loss).toBe(
      (await runTraining({ recipe: penalised('optimizer.weightDecay=0'), on: float64 })).steps[0]!.loss,
    )
    expect(run.end.summary.penalty).toBe(run.steps.at(-1)!.penalty)
    const lines = readMetrics(join(out, 'metrics.jsonl')).filter(({ kind }) => kind === 'step')
    expect(lines.map((line) => (line.kind === 'step' ? line.penalty : null))).toEqual(
      run.steps.map(({ penalty }) => penalty),
    )
  })

  test('is added once however many batches a step has', async () => {
    const same = ['train.batchSize=1', 'train.accumulation=3', 'schedule.steps=4']
    const [summed, plain] = [
      await runTraining({ recipe: penalised(...same), on: float64 }),
      await runTraining({
        recipe: tinyRecipe('optimizer.form=gradient-l2', 'optimizer.weightDecay=0.02', 'train.clip=0', ...same),
        on: float64,
      }),
    ]
    expect(summed.steps.every(({ penalty }) => penalty! > 0)).toBe(true)
    const unclipped = await runTraining({ recipe: penalised(...same, 'train.clip=0'), on: float64 })
    // Without clipping, λ·w in the gradient of the loss is λ·w in the gradient.
    for (const [label, values] of plain.tensors) {
      values.forEach((value, i) => expect(unclipped.tensors.get(label)![i]!).toBeCloseTo(value, 9))
    }
  })

  test('other forms have no penalty', async () => {
    const { steps, end } = await runTraining({ recipe: tinyRecipe('schedule.steps=2') })
    expect(steps.map(({ penalty }) => penalty)).toEqual([null, null])
    expect(end.summary.penalty).toBeNull()
  })
})

describe('schedules of λ', () => {
  const recipe = tinyRecipe(
    'optimizer.weightDecay=2',
    'optimizer.decaySchedule={kind: linear, from: 1, to: 0}',
    'optimizer.decaySchedules={position: tied, embedding: constant}',
  )

  test('are followed step by step, by role, and are told with every step', async () => {
    const { steps, start } = await runTraining({ recipe })
    steps.forEach(({ weightDecay, learningRate }, step) => {
      expect(weightDecay['matrix']).toBeCloseTo(2 * (1 - step / 12), 12)
      expect(weightDecay['position']).toBeCloseTo((2 * learningRate) / 1e-2, 12)
      expect(weightDecay['embedding']).toBe(2)
      expect(weightDecay['gain']).toBeUndefined()
    })
    const schedules = new Map(start.ledger.entries.map(({ role, decaySchedule }) => [role, decaySchedule]))
    expect(Object.fromEntries(schedules)).toMatchObject({
      matrix: 'linear 1 → 0',
      position: 'tied to the learning rate',
      embedding: 'constant',
      gain: null,
    })
  })

  test('survive resume, to the bit, and one program serves every step', async () => {
    const whole = await runTraining({ recipe })
    const out = newFolder()
    await runTraining({ recipe, out, abortAt: atStep(5) })
    const resumed = await runTraining({ recipe, out, resume: out })
    for (const [label, values] of whole.tensors) expect(resumed.tensors.get(label), label).toEqual(values)
    expect(whole.events.filter(({ kind }) => kind === 'compiled')).toHaveLength(1)
  })

  test('a λ of 0 at the end leaves the weights to the gradients', async () => {
    const [none, zero] = [
      await runTraining({ recipe: tinyRecipe('optimizer.weightDecay=0', 'schedule.steps=3') }),
      await runTraining({ recipe: late(0) }),
    ]
    for (const [label, values] of none.tensors) expect(zero.tensors.get(label), label).toEqual(values)
    expect((await runTraining({ recipe: late(1) })).tensors.get('wte.weight')).not.toEqual(
      none.tensors.get('wte.weight'),
    )
  })
})

describe('schedule-free', () => {
  const recipe = tinyRecipe('optimizer.name=schedule-free', 'schedule.kind=constant', 'optimizer.learningRate=0.02')

  test('evaluates, leaves and samples from the average, and resumes from what it trains', async () => {
    const out = newFolder()
    const corpus = tinyCorpus()
    const trained = await runTraining({ recipe, out, on: float32 })
    const backend = float32.create()
    try {
      const opened = await openSampler(backend, out)
      const { step } = stepSetup(recipe.config, corpus.tokenizer.vocab)
      for (const { name, shape } of step.parameters) {
        expect([...backend.buffer(name, 'f32', shape)], name).toEqual(trained.tensors.get(name))
      }
      // the buffers hold x now; evaluating x as it stands gives the run's last validation loss
      const plain = stepSetup(tinyRecipe().config, corpus.tokenizer.vocab).step
      let [sum, count] = [0, 0]
      for (const part of compilePrograms(backend, plain).evaluate(corpus.validation)) {
        sum += part.lossSum
        count += part.count
      }
      expect(sum / count).toBeCloseTo(trained.end.summary.valLoss!, 5)
      expect(await opened.text({ tokens: 5 })).toBe(
        await createSampler(backend, recipe.config, corpus.tokenizer).text({ tokens: 5 }),
      )
    } finally {
      backend.dispose()
    }
  })

  test('gives the average away too, for export and fine-tuning', async () => {
    const out = newFolder()
    const trained = await runTraining({ recipe, out, on: float32 })
    const source = publishedWeights(await openPretrained(out))
    for (const spec of source.parameters) {
      const values = new Float32Array(parameterCount(spec.shape))
      source.read(spec, values)
      expect([...values], spec.name).toEqual(trained.tensors.get(spec.name))
    }
    source.close()
  })

  test('what it leaves is not what it trained', async () => {
    const { config } = tinyRecipe('optimizer.name=schedule-free', 'schedule.kind=constant')
    const { step } = stepSetup(config, 13)
    const backend = float32.create()
    try {
      const programs = compilePrograms(backend, step)
      initialiseParameters(backend, step.parameters, 1)
      for (const { name, shape } of step.optimizer.init(step.parameters)) backend.buffer(name, 'f32', shape).fill(0)
      for (let n = 0; n < 3; n++) programs.step(tinyCorpus().train, { step: n, seed: 1, learningRate: 0.01 })
      const read = () => [...backend.buffer('wte.weight', 'f32', [13, 16])]
      const before = read()
      programs.publish()
      expect(read()).not.toEqual(before)
    } finally {
      backend.dispose()
    }
  })
})

describe('another optimizer on resume', () => {
  const lion = tinyRecipe('optimizer.name=lion', 'optimizer.learningRate=1e-3', 'schedule.kind=constant')

  test('whose state is missing is an error that says what to do', async () => {
    const out = await half()
    const failing = runTraining({
      out,
      resume: out,
      recipe: tinyRecipe('optimizer.name=muon', 'optimizer.options={adamwLearningRate: 1e-3}'),
    })
    const failure = await failing.then(
      () => null,
      (error: unknown) => error as Error & { hint: string },
    )
    expect(failure?.message).toMatch(
      /optimizer state .* do not fit this model:\n {2}missing: h\.0\.attn\.c_attn\.weight\.momentum_buffer/,
    )
    expect(failure?.hint).toMatch(/--fresh-optimizer/)
  })

  test('starts anew where that is asked for, is announced, and counts its bias corrections from there', async () => {
    const out = await half()
    const adam = tinyRecipe(
      'optimizer.name=adam',
      'optimizer.weightDecay=0',
      'schedule.kind=constant',
      'schedule.steps=7',
    )
    const { start, tensors } = await runTraining({ out, resume: out, freshOptimizer: true, recipe: adam, on: float32 })
    expect(start.changes.map(({ path }) => path)).toContain('optimizer.name')
    expect(start.notices.join(' ')).toMatch(/optimizer starts anew.*count from step 6/)
    // One step of Adam from zero moments moves every element with a gradient by the learning rate, whatever its size.
    const before = await runTraining({ recipe: tinyRecipe(), abortAt: atStep(6) })
    const [from, to] = [before.tensors.get('h.0.mlp.c_fc.weight')!, tensors.get('h.0.mlp.c_fc.weight')!]
    const moves = from.map((value, i) => Math.abs(value - to[i]!)).toSorted((a, b) => a - b)
    expect(moves[moves.length >> 1]).toBeCloseTo(0.01, 4)
    const saved = JSON.parse(readFileSync(join(out, 'checkpoints', 'last', 'checkpoint.json'), 'utf8')) as {
      optimizerStart: number
    }
    expect(saved.optimizerStart).toBe(6)
  })

  test('and a run that goes on after that keeps counting from there, to the bit', async () => {
    const [whole, parts] = [await half(), await half()]
    const straight = await runTraining({ out: whole, resume: whole, freshOptimizer: true, recipe: lion })
    await runTraining({ out: parts, resume: parts, freshOptimizer: true, recipe: lion, abortAt: atStep(9) })
    const resumed = await runTraining({ out: parts, resume: parts, recipe: lion })
    for (const [label, values] of straight.tensors) expect(resumed.tensors.get(label), label).toEqual(values)
  })

  test('a fresh optimizer without a run to resume is an error', async () => {
    await expect(runTraining({ freshOptimizer: true })).rejects.toThrow(/nothing is resumed/)
  })

  test('a checkpoint from before optimizers had names is adamw’s, by decoupled decay at one λ', async () => {
    const out = await half()
    const file = join(out, 'checkpoints', 'last', 'checkpoint.json')
    const record = JSON.parse(readFileSync(file, 'utf8')) as {
      recipe: { config: { optimizer: Record<string, unknown> } }
      optimizerStart?: number
    }
    delete record.optimizerStart
    for (const key of ['name', 'form', 'options', 'decaySchedule', 'decaySchedules'])
      delete record.recipe.config.optimizer[key]
    writeFileSync(file, JSON.stringify(record))
    const { start, tensors } = await runTraining({ out, resume: out })
    expect(start.changes).toEqual([])
    const whole = await runTraining()
    for (const [label, values] of whole.tensors) expect(tensors.get(label), label).toEqual(values)
  })
})
