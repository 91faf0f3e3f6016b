/** The published sizes as recipes: their parameters to the digit, and what their decay does by table 1.4 of the research. */
import { describe, expect, test } from 'vitest'
import { findModel } from '../models/index.ts'
import { published, routed } from '../models/publishedCounts.test.data.ts'
import { activeParameters, totalParameters } from '../nn/parameter.ts'
import { buildLedger } from '../optim/index.ts'
import { recipeDecayRun } from './decayRun.ts'
import { publishedFamilies, recipeNames } from './recipes.ts'
import { resolveRecipe } from './resolve.ts'

const decay = (name: string) => resolveRecipe(name).fields['optimizer.weightDecay']

function declared(name: string) {
  const { config } = resolveRecipe(name)
  const { architecture, vocab } = config.model
  if (vocab === 'auto') throw new Error(`${name} leaves its vocabulary open.`)
  return { config, parameters: findModel(architecture).declareParameters({ ...config.model, vocab }) }
}

/** The families that an architecture's table of counts holds, by what its labels begin with. */
const FAMILIES: Readonly<Record<string, string>> = { 'llama-2': 'llama2', 'llama-3': 'llama3', pythia: 'pythia' }

const counts = [...Object.entries(published), ...Object.entries(routed)].flatMap(([architecture, [, ...rows]]) =>
  rows.flatMap(([label, , total, active]): [string, number, number][] => {
    const [first = '', second] = label.toLowerCase().split(/[ ,]+/)
    const named = FAMILIES[first]
    const name = named === undefined ? `${architecture}@${first}` : `${named}@${second}`
    const isOther = label.includes('v0.3') // the same size with another vocabulary
    return isOther ? [] : [[name, total, active ?? total]]
  }),
)

describe('parameters', () => {
  test.each(counts)('%s has %d, of which a token uses %d', (name, total, active) => {
    const { parameters } = declared(name)
    expect(totalParameters(parameters)).toBe(total)
    expect(activeParameters(parameters)).toBe(active)
  })

  test('LLaMA-2 7B and 13B are LLaMA’s', () => {
    for (const size of ['7b', '13b']) {
      expect(totalParameters(declared(`llama2@${size}`).parameters)).toBe(
        totalParameters(declared(`llama@${size}`).parameters),
      )
    }
  })

  test('every published size is among them', () => {
    const counted = new Set(counts.map(([name]) => name))
    const same = new Set(['gpt2-note', 'palm-note', 'llama2'])
    const sizes = publishedFamilies().flatMap(({ name, sizes: list }) =>
      same.has(name) ? [] : list.filter((size) => !['micro', 'mini'].includes(size)).map((size) => `${name}@${size}`),
    )
    expect(sizes.filter((name) => !counted.has(name))).toEqual([])
    expect(sizes.length).toBeGreaterThan(40)
  })
})

describe('the trainable sizes between', () => {
  const nanos = recipeNames.filter((name) => name.endsWith('@nano'))

  test.each(nanos)('%s has a micro of some millions and a mini of some ten, with the same heads sharing', (name) => {
    const [nano, micro, mini] = ['nano', 'micro', 'mini'].map((size) => {
      const { config } = resolveRecipe(name.replace('nano', size))
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
  expect(decay('gpt2-note@124m')).toMatchObject({ value: 0.01, evidence: 'note' })
  expect(decay('gpt2@124m')).toMatchObject({ value: 0.1, evidence: 'code' })
  expect(decay('palm-note@540b')).toMatchObject({ value: 0.1, evidence: 'note' })
  expect(resolveRecipe('palm@540b').config.optimizer).toMatchObject({
    name: 'adafactor',
    form: 'lr-squared',
    weightDecay: 1,
  })
  expect(() => resolveRecipe('llama2')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('Its sizes are llama2@7b, llama2@13b, llama2@70b') }),
  )
})
