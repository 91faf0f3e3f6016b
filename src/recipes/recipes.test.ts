import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findModel, ownPaths } from '../models/index.ts'
import { gpt2Parameters } from '../optim/gpt2Parameters.test.data.ts'
import { buildLedger } from '../optim/ledger.ts'
import { parseConfig } from './configFile.ts'
import { RecipeError } from './recipeError.ts'
import { recipeNames, recipes } from './recipes.ts'
import { recipeSchedule } from './learningRate.ts'
import { checkConfig, recipePaths, resolveRecipe, type RecipeChanges } from './resolve.ts'
import { modelPathsOf } from './schema.ts'

const SMALL = 'shakespeare-char-cpu'

describe('the recipes', () => {
  test('shakespeare-char-cpu is nanoGPT’s CPU command to the letter', () => {
    expect(resolveRecipe(SMALL).config).toEqual({
      model: {
        architecture: 'gpt2',
        layers: 4,
        heads: 4,
        width: 128,
        context: 64,
        vocab: 'auto',
        dropout: 0,
        stochasticDepth: 0,
        bias: false,
        kvHeads: null,
        headDim: null,
        feedForward: null,
        experts: null,
        expertsPerToken: null,
        balanceLoss: null,
        softCap: null,
        normEps: null,
        ropeTheta: null,
        ropeScaling: null,
        rotaryShare: null,
        window: null,
        tied: null,
        zLoss: null,
      },
      optimizer: {
        name: 'adamw',
        form: 'decoupled',
        decaySchedule: { kind: 'constant' },
        decaySchedules: {},
        options: {},
        learningRate: 1e-3,
        weightDecay: 0.1,
        betas: [0.9, 0.99],
        eps: 1e-8,
        policy: 'nanogpt',
        decay: {},
        learningRateScale: {},
      },
      schedule: { kind: 'cosine', warmup: 100, steps: 2000, floor: 1e-4, decaySteps: 0 },
      train: {
        batchSize: 12,
        sequenceLength: null,
        accumulation: 1,
        clip: 1,
        precision: 'fp32',
        recompute: false,
        evalEvery: 250,
        seed: 1337,
      },
      data: { path: null, tokenizer: 'char' },
    })
  })

  test('gpt2-nanogpt@124m is GPT-2 small with biases and nanoGPT’s optimizer', () => {
    expect(resolveRecipe('gpt2-nanogpt@124m').config).toMatchObject({
      model: { layers: 12, heads: 12, width: 768, context: 1024, vocab: 50257, bias: true, dropout: 0 },
      optimizer: { learningRate: 6e-4, weightDecay: 0.1, betas: [0.9, 0.95], eps: 1e-8, policy: 'nanogpt' },
      schedule: { kind: 'cosine', warmup: 2000, steps: 600_000, floor: 6e-5 },
      train: { batchSize: 12, accumulation: 40, clip: 1 },
      data: { tokenizer: 'gpt2' },
    })
  })

  test.each([
    [SMALL, 65, 0.896],
    ['gpt2-nanogpt@124m', 50257, 2.53e-9],
  ])('%s: its schedule leaves of the initial weights what the research document computed', (name, vocab, survival) => {
    const { config } = resolveRecipe(name)
    const ledger = buildLedger(
      gpt2Parameters({ ...config.model, bias: config.model.bias!, vocab }),
      config.optimizer.policy,
      {
        weightDecay: config.optimizer.weightDecay,
        learningRates: recipeSchedule(config),
        steps: config.schedule.steps,
      },
    )
    expect((ledger.entries[0]?.survival ?? 0) / survival).toBeCloseTo(1, 2)
  })

  test.each(recipeNames)('%s: every field says where its value comes from', (name) => {
    const { fields } = resolveRecipe(name)
    for (const [path, { evidence, source }] of Object.entries(fields)) {
      expect(['published', 'code', 'note', 'assumed'], path).toContain(evidence)
      expect(source.length, path).toBeGreaterThan(10)
    }
    const { reads } = findModel(String(fields['model.architecture'].value))
    const read: readonly string[] = modelPathsOf({ reads, optional: [] })
    const paths = recipePaths().map(({ path }) => path)
    const held = paths.filter((path) => !path.startsWith('model.') || read.includes(path))
    expect(Object.keys(fields).toSorted()).toEqual(held.toSorted())
  })

  test('nobody’s GPT-2 weight decay is called published', () => {
    const field = resolveRecipe('gpt2-nanogpt@124m').fields['optimizer.weightDecay']
    expect(field).toMatchObject({ value: 0.1, evidence: 'code' })
    expect(field.source).toMatch(/never published/)
  })

  test('a saved configuration reads back the same', () => {
    for (const { name } of recipes) {
      const { config } = resolveRecipe(name)
      expect(checkConfig(JSON.parse(JSON.stringify(config)), 'config.json')).toEqual(config)
    }
    expect(() => checkConfig({ model: { layers: 2 } }, 'config.json')).toThrow(/model.heads.*missing \(config.json\)/)
  })
})

describe('architectures', () => {
  test('what an architecture does not read is null, and so are its fields', () => {
    const { config, fields } = resolveRecipe('llama@nano')
    expect(config.model).toMatchObject({ architecture: 'llama', kvHeads: 4, tied: false, bias: null, window: null })
    expect(fields['model.bias']).toBeUndefined()
    expect(fields['model.kvHeads']).toMatchObject({ value: 4 })
  })

  test('a configuration may say null of what is not read', () => {
    const { config } = resolveRecipe('llama@nano')
    expect(resolveRecipe('llama@nano', { config }).config).toEqual(config)
  })

  test('a run from before there were several architectures reads back', () => {
    const { config } = resolveRecipe(SMALL)
    const { layers, heads, width, context, vocab, bias, dropout } = config.model
    const old = { ...config, model: { layers, heads, width, context, vocab, bias, dropout } }
    expect(checkConfig(old, 'config.json')).toEqual(config)
    const lacking = { ...old, model: { ...old.model, bias: undefined } }
    expect(() => checkConfig(JSON.parse(JSON.stringify(lacking)), 'config.json')).toThrow('model.bias missing')
  })

  test('another architecture takes what it reads and needs the rest', () => {
    const set = ['model.architecture=gpt2', 'model.bias=true']
    expect(resolveRecipe('llama@nano', { set }).config.model).toMatchObject({ bias: true, kvHeads: null, tied: null })
    const error = failure(SMALL, { set: ['model.architecture=llama', 'model.kvHeads=2'] })
    expect(error.message).toMatch(
      /^The architecture llama needs model.feedForward, model.normEps, model.ropeTheta, model.tied, which nothing gives/,
    )
    expect(error.hint).toMatch(/--set.*recipe of llama/)
  })

  test.each([
    [
      SMALL,
      'model.kvHeads=2',
      'model.kvHeads is given (--set), but the architecture gpt2 does not read it.',
      /model.bias/,
    ],
    ['llama@nano', 'model.bias=true', 'the architecture llama does not read it', /llama reads model.architecture, /],
    ['llama@nano', 'model.kvHeads=null', 'The architecture llama needs model.kvHeads', /Give it/],
    ['llama@nano', 'model.kvHeads=3', 'model.heads is 4, which model.kvHeads (3) does not divide', /multiple/],
    ['llama@nano', 'model.width=12', '3 numbers of each head would be rotated (head width 3), but', /even/],
    [SMALL, 'num_key_value_heads=2', 'Unknown key "num_key_value_heads"', /^Did you mean model.kvHeads\?/],
    [SMALL, 'model.architecture=lama', 'model.architecture is "lama" (--set); expected one of gpt2', /"llama"/],
  ])('%s --set %s', (name, set, message, hint) => {
    const error = failure(name, { set: [set] })
    expect(error.message).toContain(message)
    expect(error.hint).toMatch(hint)
  })
})

describe('changes', () => {
  test('--set changes one path, keeps the rest, and is named as the source', () => {
    const { config, fields } = resolveRecipe(SMALL, { set: ['optimizer.weightDecay=2', 'model.vocab=100'] })
    expect(config.optimizer).toMatchObject({ weightDecay: 2, learningRate: 1e-3 })
    expect(config.model.vocab).toBe(100)
    expect(fields['optimizer.weightDecay']).toEqual({ value: 2, evidence: 'given', source: '--set' })
    expect(fields['optimizer.learningRate'].evidence).toBe('code')
  })

  test('a map in a file is the same as text', () => {
    const configFile = parseConfig('optimizer:\n  decay:\n    embedding: 0\n    "*.ln_?.weight": 0.05\n', 'run.yaml')
    const { config, fields } = resolveRecipe(SMALL, { configFile })
    expect(config.optimizer.decay).toEqual({ embedding: 0, '*.ln_?.weight': 0.05 })
    expect(fields['optimizer.decay']).toMatchObject({ evidence: 'given', source: 'run.yaml:2' })
    const text = parseConfig('optimizer:\n  decay: embedding=0, *.ln_?.weight=0.05\n', 'run.yaml')
    expect(resolveRecipe(SMALL, { configFile: text }).config).toEqual(config)
  })

  test('setting the recipe’s own value keeps its evidence', () => {
    const { fields } = resolveRecipe(SMALL, { set: ['optimizer.betas=0.9,0.99'] })
    expect(fields['optimizer.betas'].evidence).toBe('code')
  })

  test.each([
    ['optimizer.betas=0.9,0.95', 'betas', [0.9, 0.95]],
    ['optimizer.betas=[0.9, 0.95]', 'betas', [0.9, 0.95]],
    ['optimizer.betas=0.9 , 0.95', 'betas', [0.9, 0.95]],
    [' optimizer.learningRate = 3e-3 ', 'learningRate', 3e-3],
    ['optimizer.learningRate=.5', 'learningRate', 0.5],
    ['optimizer.weightDecay=0', 'weightDecay', 0],
    ['optimizer.policy=none', 'policy', 'none'],
    ['optimizer.policy=llm.c-cpu', 'policy', 'llm.c-cpu'],
    ['optimizer.decay=embedding=0, *.ln_?.weight=0.05', 'decay', { embedding: 0, '*.ln_?.weight': 0.05 }],
    ['optimizer.decay=*.ln_?.weight=0.05', 'decay', { '*.ln_?.weight': 0.05 }],
    ['optimizer.decay={ embedding: 0, wpe.weight: 1e-1 }', 'decay', { embedding: 0, 'wpe.weight': 0.1 }],
    ['optimizer.decay={}', 'decay', {}],
    ['optimizer.learningRateScale=embedding=0.1', 'learningRateScale', { embedding: 0.1 }],
  ])('--set %s', (set, key, value) => {
    expect(resolveRecipe(SMALL, { set: [set] }).config.optimizer[key as 'eps']).toEqual(value)
  })

  test('text is taken as it is: a path may hold = or look like a number', () => {
    expect(resolveRecipe(SMALL, { set: ['data.path=a=b'] }).config.data.path).toBe('a=b')
    expect(resolveRecipe(SMALL, { set: ['data.path=007'] }).config.data.path).toBe('007')
  })

  test('configuration < file < --set < flags, and the last --set wins', () => {
    const changes: RecipeChanges = {
      config: { train: { seed: 1, batchSize: 2, clip: 3 }, schedule: { steps: 4 } },
      configFile: parseConfig('train:\n  seed: 10\n  batchSize: 20\n', 'run.yaml'),
      set: ['train.seed=100', 'train.seed=101'],
      overrides: [{ path: 'schedule.steps', value: 5, origin: '--steps' }],
    }
    const { config, fields } = resolveRecipe(SMALL, changes)
    expect(config.train).toMatchObject({ seed: 101, batchSize: 20, clip: 3 })
    expect(config.schedule.steps).toBe(5)
    expect(fields['train.batchSize'].source).toBe('run.yaml:3')
    expect(fields['schedule.steps'].source).toBe('--steps')
  })

  test('a short run is allowed inside the warm-up', () => {
    const { config } = resolveRecipe(SMALL, { set: ['schedule.steps=10'] })
    expect(recipeSchedule(config)(9)).toBeCloseTo(1e-3 * (10 / 101), 12)
  })

  test('other schedules are a --set away', () => {
    const { config } = resolveRecipe(SMALL, { set: ['schedule.kind=warmup-stable-decay', 'schedule.decaySteps=400'] })
    expect(recipeSchedule(config)(1600)).toBe(1e-3)
    expect(recipeSchedule(config)(1800)).toBeCloseTo(5.5e-4, 12)
  })

  test('any valid rates come back as they went in', () => {
    const rate = fc.double({ min: 1e-4, max: 10, noNaN: true })
    fc.assert(
      fc.property(rate, rate, (learningRate, weightDecay) => {
        const set = [`optimizer.learningRate=${learningRate}`, `optimizer.weightDecay=${weightDecay}`]
        expect(resolveRecipe(SMALL, { set }).config.optimizer).toMatchObject({ learningRate, weightDecay })
      }),
      { numRuns: 50 },
    )
  })
})

describe('errors name the thing, the place and the way out', () => {
  test('an unknown recipe', () => {
    expect(failure('shakespear-char-cpu', {})).toMatchObject({
      message: 'Unknown recipe "shakespear-char-cpu".',
      hint: expect.stringMatching(
        /^Did you mean "shakespeare-char-cpu"\? The recipes are: quickstart, .*halflife recipes/,
      ),
    })
  })

  test.each([
    [
      'model.head=2',
      'Unknown key "model.head" (--set).',
      /^Did you mean model.heads\? The keys are: model.architecture, model.layers, /,
    ],
    ['optimizer.lr=1', 'Unknown key "optimizer.lr" (--set).', /^Did you mean optimizer.learningRate\?/],
    ['block_size=1', 'Unknown key "block_size" (--set).', /^Did you mean model.context\?/],
    ['__proto__.x=1', 'Unknown key "__proto__.x" (--set).', /^The keys are/],
    ['model=4', 'model is a section, not a value (--set).', /^Its values are model.architecture, model.layers, /],
    ['model.layers', '--set model.layers gives no value.', /path=value/],
    ['model.layers=', '--set model.layers= gives no value.', /path=value/],
    ['model.layers=two', 'model.layers is "two" (--set); expected a whole number, 1 or more.', /Transformer blocks/],
    ['model.layers=2.5', 'model.layers is 2.5 (--set); expected a whole number, 1 or more.', /./],
    ['model.bias=yes', 'model.bias is "yes" (--set); expected true or false.', /./],
    ['optimizer.weightDecay=-0.1', 'optimizer.weightDecay is -0.1 (--set); expected a finite number, 0 or more.', /λ/],
    ['optimizer.weightDecay=.nan', 'optimizer.weightDecay is NaN (--set); expected a finite number, 0 or more.', /λ/],
    [
      'optimizer.learningRate=NaN',
      'optimizer.learningRate is "NaN" (--set); expected a finite number, 0 or more.',
      /./,
    ],
    ['optimizer.learningRate=.inf', 'optimizer.learningRate is Infinity (--set); expected', /./],
    ['optimizer.learningRate=[1', 'optimizer.learningRate is "[1" (--set); expected', /./],
    ['optimizer.betas=0.9', 'optimizer.betas is 0.9 (--set); expected two numbers', /β1/],
    ['optimizer.betas=0.9,', 'optimizer.betas is "0.9," (--set); expected two numbers', /β1/],
    ['optimizer.betas=0.9,1', 'optimizer.betas is "0.9,1" (--set); expected two numbers', /β1/],
    [
      'optimizer.policy=nanoGTP',
      'optimizer.policy is "nanoGTP" (--set); expected one of note',
      /^Did you mean "nanogpt"\?/,
    ],
    ['optimizer.decay=embedding', 'optimizer.decay is "embedding" (--set); expected roles or globs', /λ of single/],
    ['optimizer.decay=embedding=-1', 'optimizer.decay is "embedding=-1" (--set); expected roles', /./],
    ['optimizer.decay={ embedding: none }', 'optimizer.decay is {"embedding":"none"} (--set); expected', /./],
    ['optimizer.decay=0.1', 'optimizer.decay is 0.1 (--set); expected roles', /./],
    ['model.heads=3', 'model.width is 128, which model.heads (3) does not divide.', /model.width=129/],
    [
      'optimizer.learningRate=1e-5',
      'schedule.floor (0.0001) is above optimizer.learningRate (0.00001)',
      /floor=0.000001/,
    ],
  ])('--set %s', (set, message, hint) => {
    const error = failure(SMALL, { set: [set] })
    expect(error.message).toContain(message)
    expect(error.hint).toMatch(hint)
  })

  test('a wrong value in a file is given with its line', () => {
    const configFile = parseConfig('model:\n  layers: 2\n\noptimizer:\n  weightDecay: -1\n', 'run.yaml')
    expect(failure(SMALL, { configFile }).message).toBe(
      'optimizer.weightDecay is -1 (run.yaml:5); expected a finite number, 0 or more.',
    )
    const unknown = parseConfig('modle:\n  layers: 2\n', 'run.yaml')
    expect(failure(SMALL, { configFile: unknown }).message).toBe('Unknown key "modle" (run.yaml:1).')
    const twice = parseConfig('model: { layers: 2 }\nmodel.layers: 3\n', 'run.yaml')
    expect(failure(SMALL, { configFile: twice }).message).toBe('model.layers is given twice (run.yaml:2).')
    expect(failure(SMALL, { configFile: parseConfig('model: 3', 'run.yaml') }).message).toBe('model is 3 (run.yaml:1).')
  })

  test('a schedule whose parts do not fit', () => {
    const set = ['schedule.kind=warmup-stable-decay', 'schedule.decaySteps=1950']
    expect(failure(SMALL, { set }).message).toMatch(/warmup \(100\) and schedule.decaySteps \(1950\) are longer/)
  })
})

test('recipePaths lists every path with its type, meaning and default', () => {
  const paths = recipePaths(SMALL)
  expect(paths.map(({ path }) => path).join(' ')).toBe(
    'model.architecture model.layers model.heads model.width model.context model.vocab model.dropout model.stochasticDepth ' +
      `${ownPaths.map((path) => `model.${path}`).join(' ')} ` +
      'optimizer.name optimizer.learningRate optimizer.weightDecay optimizer.form optimizer.decaySchedule ' +
      'optimizer.decaySchedules optimizer.betas optimizer.eps optimizer.options optimizer.policy ' +
      'optimizer.decay optimizer.learningRateScale ' +
      'schedule.kind schedule.warmup schedule.steps schedule.floor schedule.decaySteps ' +
      'train.batchSize train.sequenceLength train.accumulation train.clip train.precision train.recompute train.evalEvery train.seed ' +
      'data.path data.tokenizer',
  )
  expect(paths.find(({ path }) => path === 'model.vocab')).toEqual({
    path: 'model.vocab',
    description: 'Rows of the token table; auto takes the tokenizer’s.',
    type: 'a whole number, 1 or more, or auto',
    default: 'auto',
  })
})

function failure(name: string, changes: RecipeChanges): RecipeError {
  try {
    resolveRecipe(name, changes)
  } catch (error) {
    if (error instanceof RecipeError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
