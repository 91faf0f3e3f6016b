import { expect, test } from 'vitest'
import { adamw, ledgerGroups } from '../optim/index.ts'
import { resolveRecipe } from '../recipes/index.ts'
import { modelSetup, recipeLedger } from './setup.ts'

test('a recipe’s exceptions to its policy reach the ledger and the optimizer alike', () => {
  const { config } = resolveRecipe('shakespeare-char-cpu', {
    set: ['optimizer.decay=embedding=0, gain=0.5', 'optimizer.learningRateScale=position=0.1'],
  })
  const { parameters } = modelSetup(config, 65)
  const ledger = recipeLedger(config, parameters)
  const { learningRate } = config.optimizer
  const { settings } = adamw(ledgerGroups(ledger, parameters), { learningRate })
  const settingOf = (name: string) => settings.get(name)
  expect(settingOf('wte.weight')).toMatchObject({ weightDecay: 0, learningRateMultiplier: 1 })
  expect(settingOf('ln_f.weight')).toMatchObject({ weightDecay: 0.5, learningRateMultiplier: 1 })
  expect(settingOf('wpe.weight')?.weightDecay).toBe(0.1)
  expect(settingOf('wpe.weight')?.learningRateMultiplier).toBeCloseTo(0.1, 12)
  expect(settingOf('h.0.mlp.c_fc.weight')).toMatchObject({ weightDecay: 0.1, learningRateMultiplier: 1 })
  for (const entry of ledger.entries) {
    const setting = settings.get(entry.name)
    expect(setting?.weightDecay, entry.name).toBe(entry.weightDecay)
    expect(setting?.learningRateMultiplier, entry.name).toBeCloseTo(entry.learningRateMultiplier, 12)
  }
  expect(ledger).toMatchObject({ form: 'decoupled', tokensPerStep: 768 })
  expect(ledger.entries[1]?.equilibriumRms).toBeCloseTo(Math.sqrt(1e-4 / 0.2), 12)
})
