/** Parameters of every published size against sizes.json: all, active, decayed and not, each by its recipe's own policy. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { planRun } from '../../src/planning/index.ts'
import { families, resolveRecipe } from '../../src/recipes/index.ts'

interface Counts {
  readonly total: number
  readonly active: number
  readonly decayed: number
  readonly undecayed: number
}
const golden = JSON.parse(readFileSync(new URL('sizes.json', import.meta.url), 'utf8')) as Record<string, Counts>
/** The chart walks the schedule; the counts do not depend on it. */
const SHORT = { schedule: { steps: 1, warmup: 0, decaySteps: 0 } }

test('every published size is there, and no other', () => {
  const trainable = new Set(['nano', 'micro', 'mini'])
  const sizes = families.flatMap(({ recipes }) => recipes.map(({ name }) => name))
  const published = sizes.filter((name) => !trainable.has(name.split('@')[1]!))
  expect(published.toSorted()).toEqual(Object.keys(golden).toSorted())
  expect(published.length).toBeGreaterThan(50)
})

test.each(Object.entries(golden))('%s', (name, { total, active, decayed, undecayed }) => {
  const { config } = resolveRecipe(name, { config: SHORT })
  const vocab = config.model.vocab
  if (vocab === 'auto') throw new Error(`${name} leaves its vocabulary open.`)
  const { parameters } = planRun(name, config, vocab, { deviceFlops: 1 })
  expect(parameters).toMatchObject({ total, active, decayed, undecayed })
})

test('Grok-1 is 314B, as announced, without its token table', () => {
  const { parameters } = planRun('grok-1@314b', resolveRecipe('grok-1@314b', { config: SHORT }).config, 131_072, {
    deviceFlops: 1,
  })
  expect(parameters.total - parameters.byRole.embedding!.parameters).toBe(314_879_514_624)
})
