/** The optimizer of a recipe: its defaults, its options, its schedules of λ, and what they make of the forecast. */
import { describe, expect, test } from 'vitest'
import { recipeDecayRun } from './decayRun.ts'
import { resolveRecipe } from './resolve.ts'

const SMALL = 'shakespeare-char-cpu'
const decayRun = (...set: string[]) => recipeDecayRun(resolveRecipe(SMALL, { set }).config)

describe('the optimizer of a recipe', () => {
  test('another optimizer brings its own defaults; what is given stays', () => {
    const { config, fields } = resolveRecipe(SMALL, { set: ['optimizer.betas=0.8,0.9', 'optimizer.name=adam'] })
    expect(config.optimizer).toMatchObject({ name: 'adam', form: 'gradient-l2', betas: [0.8, 0.9], eps: 1e-8 })
    expect(fields['optimizer.form']).toMatchObject({ evidence: 'assumed', source: 'default of adam' })
    expect(resolveRecipe(SMALL, { set: ['optimizer.name=lion'] }).config.optimizer).toMatchObject({
      form: 'decoupled',
      betas: [0.9, 0.99],
      eps: null,
    })
    const sgd = ['optimizer.name=sgd', 'optimizer.options={momentum: 0.9, nesterov: true}']
    expect(resolveRecipe(SMALL, { set: sgd }).config.optimizer).toMatchObject({ betas: null, eps: null })
    // a saved configuration is where a resumed run starts from, so its betas are not "given" to the new optimizer
    const saved = resolveRecipe(SMALL, { set: sgd }).config
    const back = resolveRecipe(SMALL, { config: saved, set: ['optimizer.name=adamw'] }).config.optimizer
    expect(back).toMatchObject({ name: 'adamw', betas: [0.9, 0.999], eps: 1e-8, options: {} })
    expect(resolveRecipe(SMALL, { config: saved }).config).toEqual(saved)
  })

  test.each([
    ['optimizer.name=adamW', /optimizer.name is "adamW".*expected one of adamw, adam/],
    ['optimizer.betas=null', null],
    ['optimizer.options={momentum: 0.9}', /adamw has no option "momentum"/],
    ['optimizer.options={betas: 0.9}', /optimizer.options holds betas/],
    ['optimizer.form=decouple', /optimizer.form is "decouple"/],
    ['optimizer.form={kind: cautious, mask: "<"}', /optimizer.form is/],
    ['optimizer.decaySchedule=cosin', /optimizer.decaySchedule is "cosin"/],
    ['optimizer.decaySchedule={kind: cosine, two: 1}', /optimizer.decaySchedule is/],
    [
      'optimizer.decaySchedule={kind: three-phase, from: 1, middle: 0, to: 1, hold: 9, turn: 3}',
      /hold \(9\), turn \(3\)/,
    ],
  ])('--set %s', (set, message) => {
    const resolve = () => resolveRecipe(SMALL, { set: [set] })
    if (message === null) expect(resolve).not.toThrow()
    else expect(resolve).toThrow(message)
  })

  test('the forecast follows the optimizer: its form, its factors, its corrections', () => {
    expect(decayRun()).toMatchObject({ form: 'decoupled', beta1: 0.9, scheduleName: null })
    expect(decayRun('optimizer.name=sgd').beta1).toBeUndefined()
    expect(decayRun('optimizer.name=schedule-free').nothingForetold).toMatch(/average/)
    const muon = decayRun(
      'optimizer.name=muon',
      'optimizer.learningRate=0.02',
      'optimizer.options={adamwLearningRate: 0.002}',
    )
    const factor = (role: 'matrix' | 'embedding') =>
      muon.learningRateFactor?.({ name: 'w', shape: [2, 2], role, aliases: [] })
    expect([factor('matrix'), factor('embedding')]).toEqual([1, 0.1])
    expect(decayRun('optimizer.name=gpt-1-adam').rateCorrection?.(0)).toBeCloseTo(0.316, 3)
    const falling = decayRun('optimizer.decaySchedule=cosine')
    expect(falling.scheduleName).toBe('cosine 1 → 0')
    expect(falling.schedules?.get('cosine 1 → 0')?.(1000)).toBeCloseTo(0.5, 9)
  })
})
