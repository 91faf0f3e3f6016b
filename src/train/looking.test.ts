/** Whole runs that look at their forces: nothing else changes, the lines say what happened, and resuming keeps them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fillBatch } from '../data/index.ts'
import { lookLine, metricsLine, observedRecord, type LookLine } from '../records/index.ts'
import { compiledBackends, float32, float64 } from './backends.test.data.ts'
import { resolveRecipe } from '../recipes/index.ts'
import { initialiseParameters } from './initialise.ts'
import { atStep, runTraining, tinyRecipe, type Result } from './running.test.data.ts'
import { modelSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-looking-'))
afterAll(() => rmSync(folder, { recursive: true }))
let runs = 0
const newFolder = (): string => join(folder, `run${runs++}`)

const corpus = tinyCorpus()
const looksOf = ({ events }: Result): LookLine[] => events.filter((event) => event.kind === 'look')
const compiled = ({ events }: Result): string[] =>
  events.flatMap((event) => (event.kind === 'compiled' ? Object.keys(event.reports) : []))
const lookLines = (out: string): string[] =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"kind":"look"'))

describe.each([float32, ...compiledBackends])('$label', (on) => {
  test.each([[], ['train.accumulation=2']])('a run that looks trains as one that does not (%j)', async (...set) => {
    const recipe = tinyRecipe(...set)
    const [plain, looking] = [await runTraining({ on, recipe }), await runTraining({ on, recipe, lookEvery: 4 })]
    expect(looking.tensors).toEqual(plain.tensors)
    expect(looking.steps.map(({ loss }) => loss)).toEqual(plain.steps.map(({ loss }) => loss))
    expect(looksOf(plain)).toEqual([])
    expect(looksOf(looking).map(({ step }) => step)).toEqual([1, 4, 8, 12])
    expect(compiled(plain).filter((name) => name.includes('look'))).toEqual([])
    expect(compiled(looking).filter((name) => name.includes('look'))).toHaveLength(1)
  })
})

describe('the lines', () => {
  test('stand in metrics.jsonl after the line of their step, and are what the events say', async () => {
    const out = newFolder()
    const result = await runTraining({ out, lookEvery: 5 })
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
    const parsed = lines.map((line) => metricsLine.parse(JSON.parse(line)))
    expect(parsed.filter(({ kind }) => kind === 'look')).toEqual(looksOf(result))
    const at = parsed.findIndex(({ kind }) => kind === 'look')
    expect(parsed[at - 1]).toMatchObject({ kind: 'step', step: parsed[at]!.step })
    for (const look of looksOf(result)) expect(lookLine.parse(look)).toEqual(look)
  })

  test('say what decoupled decay takes, and where it would balance', async () => {
    const recipe = tinyRecipe('optimizer.weightDecay=2', 'optimizer.betas=0.9,0.95')
    const result = await runTraining({ on: float64, recipe, lookEvery: 3 })
    for (const { learningRate, roles, tensors } of looksOf(result)) {
      const { shrink, equilibriumRms, equilibriumRotation } = tensors['h.0.mlp.c_fc.weight']!
      const [s, a] = [learningRate * 2, 1 - learningRate * 2]
      expect(shrink! / s).toBeCloseTo(1, 4)
      const exact = learningRate * Math.sqrt(((0.1 / 1.9) * (1 + a * 0.9)) / ((1 - a * 0.9) * (1 - a * a)))
      expect(equilibriumRms! / exact).toBeCloseTo(1, 4)
      expect(equilibriumRotation! / Math.sqrt((2 * s * 0.1) / 1.9)).toBeCloseTo(1, 4)
      expect(tensors['ln_f.weight']).toMatchObject({ decayPart: null, shrink: null, angle: null, equilibriumRms: null })
      expect(roles['matrix']!.equilibriumRms).toBe(equilibriumRms)
      expect(roles['matrix']!.penalty).toBeNull()
      const squares = Object.entries(tensors)
        .filter(([name]) => /^h\.\d\.(attn|mlp)\.c_\w+\.weight$/.test(name))
        .reduce((sum, [, { norm }]) => sum + norm! ** 2, 0)
      expect(roles['matrix']!.norm! / Math.sqrt(squares)).toBeCloseTo(1, 3)
    }
  })

  test('count the clipped steps since the look before', async () => {
    const recipe = tinyRecipe('train.clip=1.6')
    const result = await runTraining({ on: float64, recipe, lookEvery: 5 })
    const clipped = result.steps.map(({ gradientNorm }) => gradientNorm > 1.6)
    expect(new Set(clipped)).toEqual(new Set([true, false]))
    const spans = [
      [0, 1],
      [1, 5],
      [5, 10],
      [10, 12],
    ] as const
    for (const [k, [from, to]] of spans.entries()) {
      const rate = clipped.slice(from, to).filter(Boolean).length / (to - from)
      expect(looksOf(result)[k]!.clip).toMatchObject({ limit: 1.6, rate, steps: to - from })
      const norm = result.steps[to - 1]!.gradientNorm
      expect(looksOf(result)[k]!.clip!.coefficient).toBeCloseTo(Math.min(1, 1.6 / norm), 4)
    }
    const never = await runTraining({ recipe: tinyRecipe('train.clip=0'), lookEvery: 12 })
    expect(looksOf(never).map(({ clip }) => clip)).toEqual([null, null])
  })

  test.each(['loss-l2', 'gradient-l2'])(
    'say of %s what it does to the gradient, and that nothing acts on weights',
    async (form) => {
      const recipe = tinyRecipe(`optimizer.form=${form}`, 'optimizer.weightDecay=0.5', 'train.clip=0.5')
      const plain = tinyRecipe(`optimizer.form=${form}`, 'optimizer.weightDecay=0', 'train.clip=0.5')
      const [first, bare] = await Promise.all(
        [recipe, plain].map(async (run) => looksOf(await runTraining({ on: float64, recipe: run, lookEvery: 12 }))[0]!),
      )
      const name = 'h.1.mlp.c_fc.weight'
      const { penalty, ...force } = first!.tensors[name]!
      expect(force).toMatchObject({
        decayPart: null,
        decayShare: null,
        angle: null,
        shrink: null,
        equilibriumRms: null,
      })
      const data = bare!.tensors[name]!
      const weight = 0.5 * Math.sqrt(startOf(recipe, name).reduce((sum, value) => sum + value * value, 0))
      expect(penalty!.norm! / weight).toBeCloseTo(1, 4)
      const clipped = form === 'loss-l2' ? 1 : first!.clip!.coefficient!
      expect(penalty!.gradientNorm! / (clipped * data.gradientNorm!)).toBeCloseTo(1, 4)
      expect(penalty!.angle).toBeGreaterThan(0)
      expect(first!.tensors['ln_f.weight']!.penalty).toBeNull()
      expect(first!.tokens.tables[0]!.survival).toBeNull()
      expect(first!.roles['matrix']!.penalty).not.toBeNull()
      expect(bare!.roles['matrix']!.penalty).toBeNull()
    },
  )

  test('tell rows by tokens seen, against their size at the start and what decay alone leaves', async () => {
    const recipe = tinyRecipe('optimizer.weightDecay=3', 'model.vocab=17') // four ids that no text has
    const result = await runTraining({ on: float64, recipe, lookEvery: 12 })
    const seen = countTokens(12)
    expect(seen.slice(13)).toEqual([0, 0, 0, 0])
    const start = startOf(recipe, 'wte.weight', 17)
    const now = result.tensors.get('wte.weight')!
    const [table] = looksOf(result).at(-1)!.tokens.tables
    expect(looksOf(result).at(-1)!.tokens.since).toBe(0)
    expect(table).toMatchObject({ name: 'wte.weight', tied: true })
    const survival = result.steps.reduce((left, { learningRate }) => left * (1 - 3 * learningRate), 1)
    expect(table!.survival).toBeCloseTo(survival, 4)
    expect(table!.groups.reduce((sum, { rows }) => sum + rows, 0)).toBe(17)
    for (const { from, to, rows, ratio } of table!.groups) {
      const members = seen.flatMap((count, id) => (count >= from && count <= to ? [id] : []))
      expect(members).toHaveLength(rows)
      const total = (values: readonly number[]): number => members.reduce((sum, id) => sum + square(values, id), 0)
      expect(ratio! / Math.sqrt(total(now) / total(start))).toBeCloseTo(1, 4)
    }
    expect(table!.groups[0]).toMatchObject({ from: 0, to: 0, rows: 4 })
  })
})

test('where the output layer has a table of its own, rows of tokens never seen shrink by decay alone', async () => {
  const recipe = resolveRecipe('llama@nano', {
    config: {
      model: { layers: 1, heads: 2, kvHeads: 2, width: 16, feedForward: 32, context: 8, vocab: 17, tied: false },
      optimizer: { learningRate: 1e-2, weightDecay: 3, policy: 'all' },
      schedule: { warmup: 3, steps: 12, floor: 1e-3 },
      train: { batchSize: 2, evalEvery: 12, seed: 7 },
    },
  })
  for (const on of [float64, ...compiledBackends.slice(0, 1)]) {
    const [table] = looksOf(await runTraining({ on, recipe, lookEvery: 12 })).at(-1)!.tokens.tables
    expect(table).toMatchObject({ name: 'embed_tokens.weight', tied: false })
    const [never, ...others] = table!.groups
    expect(never).toMatchObject({ from: 0, rows: 4 })
    expect(table!.survival).toBeLessThan(0.9)
    expect(never!.ratio! / table!.survival!).toBeCloseTo(1, 4)
    expect(never!.least! / table!.survival!).toBeCloseTo(1, 4)
    for (const { ratio } of others) expect(Math.abs(ratio! / table!.survival! - 1)).toBeGreaterThan(0.01)
  }
})

/** A tensor before training. */
function startOf(recipe: ReturnType<typeof tinyRecipe>, name: string, vocab = 13): number[] {
  const backend = float64.create()
  const spec = modelSetup(recipe.config, vocab).parameters.find((parameter) => parameter.name === name)!
  initialiseParameters(backend, [spec], 7)
  const values = [...backend.buffer(name, 'f32', spec.shape)]
  backend.dispose()
  return values
}

/** ‖row‖² of a table 16 wide. */
function square(values: readonly number[], row: number): number {
  return values.slice(16 * row, 16 * row + 16).reduce((sum, value) => sum + value * value, 0)
}

/** How often each id is an input in the first steps. */
function countTokens(steps: number): number[] {
  const seen = Array<number>(17).fill(0)
  const [ids, targets] = [new Int32Array(16), new Int32Array(16)]
  for (let step = 0; step < steps; step++) {
    fillBatch(corpus.train, { batchSize: 2, context: 8, seed: 7, step, microStep: 0 }, ids, targets)
    for (const id of ids) seen[id]!++
  }
  return seen
}

describe('a resumed run', () => {
  test('writes the lines that an uninterrupted one would have', async () => {
    const [whole, broken] = [newFolder(), newFolder()]
    const recipe = tinyRecipe('train.clip=1.6')
    await runTraining({ out: whole, recipe, lookEvery: 4 })
    await runTraining({ out: broken, recipe, lookEvery: 4, abortAt: atStep(6) })
    expect(lookLines(broken)).toHaveLength(2)
    await runTraining({ out: broken, resume: broken, recipe, lookEvery: 4 })
    expect(lookLines(broken)).toEqual(lookLines(whole))
    const saved = observedRecord.parse(
      JSON.parse(readFileSync(join(broken, 'checkpoints', 'last', 'observed.json'), 'utf8')),
    )
    expect(saved.seen).toEqual(countTokens(12).slice(0, 13))
  })

  test('that did not look before counts from where it begins to', async () => {
    const out = newFolder()
    await runTraining({ out, abortAt: atStep(6) })
    const result = await runTraining({ out, resume: out, lookEvery: 3 })
    const looks = looksOf(result)
    expect(looks.map(({ step, tokens }) => [step, tokens.since])).toEqual([
      [9, 6],
      [12, 6],
    ])
    const rates = result.steps.slice(0, 3).map(({ learningRate }) => learningRate)
    const survival = rates.reduce((left, rate) => left * (1 - 0.1 * rate), 1)
    expect(looks[0]!.tokens.tables[0]!.survival).toBeCloseTo(survival, 4)
    expect(looks[0]!.clip!.steps).toBe(3)
  })
})
