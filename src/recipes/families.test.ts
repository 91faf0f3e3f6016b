/**
 * The families' recipes: their shapes, their evidence, and what their decay does by table 1.4 of the research. Their
 * parameters are counted in test/golden/sizes.test.ts.
 */
import { describe, expect, test } from 'vitest'
import { findModel } from '../models/index.ts'
import { totalParameters } from '../nn/parameter.ts'
import { buildLedger } from '../optim/index.ts'
import { recipeDecayRun } from './decayRun.ts'
import { families, recipeNames } from './recipes.ts'
import { resolveRecipe } from './resolve.ts'

const decay = (name: string) => resolveRecipe(name).fields['optimizer.weightDecay']

function declared(name: string) {
  const { config } = resolveRecipe(name)
  const { architecture, vocab } = config.model
  if (vocab === 'auto') throw new Error(`${name} leaves its vocabulary open.`)
  return { config, parameters: findModel(architecture).declareParameters({ ...config.model, vocab }) }
}

describe('the trainable sizes between', () => {
  const nanos = recipeNames.filter((name) => name.endsWith('@nano'))

  test.each(nanos)('%s has a micro of some millions and a mini of some ten, with the same heads sharing', (name) => {
    const [nano, micro, mini] = ['nano', 'micro', 'mini'].map((size) => {
      const { config } = resolveRecipe(name.replace('@nano', `@${size}`))
      const model = findModel(config.model.architecture)
      return { config, size: totalParameters(model.declareParameters({ ...config.model, vocab: 65 })) }
    }) as [Scaled, Scaled, Scaled]
    expect(micro.size).toBeGreaterThan(2e6)
    expect(micro.size).toBeLessThan(1.2e7)
    expect(mini.size / micro.size).toBeGreaterThan(4)
    expect(mini.size / micro.size).toBeLessThan(7)
    for (const { config } of [micro, mini]) {
      const { heads, kvHeads } = config.model
      if (kvHeads !== null && nano.config.model.kvHeads !== 1) {
        expect(heads / kvHeads).toBe(nano.config.model.heads / nano.config.model.kvHeads!)
      }
    }
  })
})

interface Scaled {
  readonly config: ReturnType<typeof resolveRecipe>['config']
  readonly size: number
}

/** Σ lr·λ over the run, as computed for weight-decay.md §1.4 (batch ramps ignored). */
test.each([
  ['gpt3@125m', 17.638],
  ['gpt3@350m', 8.819],
  ['gpt3@760m', 7.349],
  ['gpt3@1.3b', 2.94],
  ['gpt3@2.7b', 2.352],
  ['gpt3@6.7b', 0.882],
  ['gpt3@13b', 0.735],
  ['gpt3@175b', 0.276],
  ['llama@7b', 4.122],
  ['llama@13b', 4.122],
  ['llama@33b', 2.886],
  ['llama@65b', 2.886],
  ['llama2@7b', 8.247],
  ['llama2@70b', 4.124],
  ['pythia@160m', 4.715],
  ['olmo2@7b', 18.743],
  ['palm@540b', 4.2386],
])('%s: its decay adds up to %d e-folds', (name, expected) => {
  const { config, parameters } = declared(name)
  const matrix = parameters.find(({ role }) => role === 'matrix')
  const { entries } = buildLedger([matrix!], config.optimizer.policy, recipeDecayRun(config))
  expect(entries[0]!.sumDecay! / expected).toBeCloseTo(1, 2)
})

test('every name is used once, and where the note differs from the source both are there', () => {
  expect(new Set(recipeNames).size).toBe(recipeNames.length)
  expect(decay('gpt2@124m')).toMatchObject({ value: 0.01, evidence: 'assumed' })
  expect(decay('gpt2@124m').source).toMatch(/note\.ja\.md; never published/)
  expect(decay('gpt2-nanogpt@124m')).toMatchObject({ value: 0.1, evidence: 'code' })
  expect(decay('palm-note@540b')).toMatchObject({ value: 0.1, evidence: 'note' })
  expect(decay('palm@540b')).toMatchObject({ value: 1, evidence: 'published' })
  expect(decay('grok-1@314b')).toMatchObject({ value: 0.1, evidence: 'note' })
})

test.each(families)('$name: nano, micro, mini and published sizes', ({ name, recipes }) => {
  const [nano, micro, mini, ...published] = recipes.map((recipe) => recipe.name)
  expect([nano, micro, mini]).toEqual(['nano', 'micro', 'mini'].map((size) => `${name}@${size}`))
  expect(published.length).toBeGreaterThan(0)
})

/** Of weight-decay.md §1.1: what a family's source says about its training, at every size. */
test.each([
  ['gpt2-nanogpt', 'code', { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, policy: 'nanogpt', name: 'adamw' }],
  ['gpt3', 'published', { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, name: 'adamw' }],
  ['llama', 'published', { betas: [0.9, 0.95], weightDecay: 0.1, name: 'adamw' }],
  ['llama2', 'published', { betas: [0.9, 0.95], eps: 1e-5, weightDecay: 0.1, name: 'adamw' }],
  ['llama3', 'published', { name: 'adamw' }],
  ['palm', 'published', { name: 'adafactor', form: 'lr-squared', weightDecay: 1 }],
  ['pythia', 'code', { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, policy: 'neox', name: 'adamw' }],
  ['olmo2', 'code', { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, policy: 'olmo-2', name: 'adamw' }],
])('%s: what its source says has the evidence %s at every size', (name, evidence, values) => {
  for (const recipe of families.find((family) => family.name === name)!.recipes) {
    const fields: Readonly<Record<string, { readonly value: unknown; readonly evidence: string }>> = recipe.fields
    for (const [key, value] of Object.entries(values)) {
      expect(fields[`optimizer.${key}`], `${recipe.name} ${key}`).toMatchObject({ value, evidence })
    }
    const clip = name === 'llama3' ? 'assumed' : evidence
    expect(fields['train.clip']).toMatchObject({ value: 1, evidence: clip })
  }
})

test.each(['grok-1', 'mistral', 'mixtral', 'qwen3'])('%s: nothing of its training is called published', (name) => {
  for (const { fields } of families.find((family) => family.name === name)!.recipes) {
    const training = Object.entries(fields).filter(([path]) => /^(optimizer|schedule|train)\./.test(path))
    for (const [path, { evidence }] of training) expect(['assumed', 'note'], path).toContain(evidence)
  }
})

test('an old name and a family without a size say what to write', () => {
  expect(hint('gpt2-note@355m')).toMatch(/^gpt2-note is called gpt2: gpt2@355m\. /)
  expect(hint('llama2')).toMatch(/Its sizes are llama2@nano, llama2@micro, llama2@mini, llama2@7b, llama2@13b, /)
})

function hint(name: string): string | undefined {
  try {
    resolveRecipe(name)
  } catch (error) {
    return (error as { hint?: string }).hint
  }
  return undefined
}
