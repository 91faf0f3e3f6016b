import { describe, expect, test } from 'vitest'
import { recipeForetold, resolveRecipe } from '../recipes/index.ts'
import { stepSetup } from '../train/setup.ts'
import { createExpectations, type Expectation } from './expectation.ts'
import { adamRotation, lionRotation, sgdRotation } from './rotation.ts'

/** What is expected of a tensor in a step of the quickstart, changed by the settings. */
function expectation(set: readonly string[], { step = 1000, name = 'h.0.mlp.c_fc.weight' } = {}): Expectation {
  const { config } = resolveRecipe('quickstart', { set: ['optimizer.weightDecay=0.5', ...set] })
  const { step: setup, ledger } = stepSetup(config, 65)
  const expected = createExpectations({ optimizer: setup.optimizer, ledger, foretold: recipeForetold(config) })
  return expected({ step, learningRate: 5e-4 })(name)
}

describe('what is expected of a step', () => {
  test('AdamW: the share lr·λ, its equilibrium and its turn', () => {
    const { shrink, survival, rms, rotation } = expectation([])
    expect(shrink).toBeCloseTo(2.5e-4, 12)
    expect(survival).toBeCloseTo(1 - 2.5e-4, 12)
    expect(rms! / Math.sqrt(5e-4 / (2 * 0.5))).toBeCloseTo(1, 2)
    expect(rotation).toBeCloseTo(adamRotation(2.5e-4, 0.9), 12)
  })

  test('a multiplier of the learning rate scales share and equilibrium', () => {
    const { shrink, rms } = expectation(['optimizer.learningRateScale=matrix=2'])
    expect(shrink).toBeCloseTo(5e-4, 12)
    expect(rms! / Math.sqrt(1e-3 / (2 * 0.5))).toBeCloseTo(1, 2)
  })

  test('a tensor that does not decay has no equilibrium', () => {
    const nothing = { lambda: 0, shrink: 0, survival: 1, rms: null, rotation: null }
    expect(expectation([], { name: 'ln_f.weight' })).toEqual(nothing)
    expect(expectation(['optimizer.weightDecay=0'])).toEqual(nothing)
  })

  test.each([
    ['independent', 0.25],
    ['fixed', 0.5],
    ['lr-squared', 0.5 * 5e-4 ** 2],
    ['corrected', 0.5 * 5e-4 * 0.5],
  ])('form %s takes %f', (form, share) => {
    expect(expectation([`optimizer.form=${form}`]).shrink! / share).toBeCloseTo(1, 9)
  })

  test('toward-init keeps the weights whole and balances elsewhere', () => {
    expect(expectation(['optimizer.form=toward-init'])).toMatchObject({ survival: 1, rms: null, rotation: null })
  })

  test.each(['cautious', 'selective', 'target-norm', 'gradient-l2', 'loss-l2'])(
    '%s does not tell under Adam',
    (form) => {
      const { lambda, ...rest } = expectation([`optimizer.form=${form}`])
      expect(lambda).toBe(0.5)
      expect(rest).toEqual({ shrink: null, survival: null, rms: null, rotation: null })
    },
  )

  test('Lion and SGD turn by their own formulas, and have no RMS of their own', () => {
    const lion = expectation(['optimizer.name=lion', 'optimizer.betas=0.9,0.99'])
    expect(lion).toMatchObject({ rms: null, rotation: lionRotation(2.5e-4, 0.9, 0.99) })
    const momentum = ['optimizer.name=sgd', 'optimizer.options={momentum: 0.9}']
    const l2 = expectation([...momentum, 'optimizer.form=gradient-l2'])
    expect(l2).toMatchObject({ shrink: null, rms: null, rotation: sgdRotation(2.5e-4, 0.9) })
    expect(expectation([...momentum, 'optimizer.form=decoupled']).rotation).toBeCloseTo(adamRotation(2.5e-4, 0.9), 12)
  })

  test('Schedule-Free foretells nothing, since what is kept is an average', () => {
    const { rms, survival } = expectation(['optimizer.name=schedule-free'])
    expect([rms, survival]).toEqual([null, null])
  })

  test('GPT-1’s Adam decays by its corrected rate', () => {
    const shrink = expectation(['optimizer.name=gpt-1-adam'], { step: 0 }).shrink!
    expect(shrink / (2.5e-4 * (Math.sqrt(1 - 0.999) / (1 - 0.9)))).toBeCloseTo(1, 9)
  })
})
