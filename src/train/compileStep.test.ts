import { describe, expect, test, vi } from 'vitest'
import { add, createInterpreterBackend, mul, square, sub, sum } from '../engine/index.ts'
import { parameterList } from '../nn/parameter.ts'
import { adamw, buildLedger, ledgerGroups, sgd } from '../optim/index.ts'
import { compileStep, type CompileStepOptions } from './compileStep.ts'

const list = parameterList()
list.declare('w', [2, 2], 'matrix', { kind: 'constant', value: 2 })
list.declare('b', [2], 'bias', { kind: 'constant', value: 1 })
list.declare('fixed', [2], 'bias', { kind: 'constant', value: 3 }, { frozen: true })
const parameters = list.list()

/** ½·Σ(w − x)² + Σ b·fixed: gradients w − x and 3. */
const loss: CompileStepOptions['loss'] = (weights, input) => {
  const distance = mul(sum(square(sub(weights.get('w'), input('x', [2, 2])))), 0.5)
  return add(distance, sum(mul(weights.get('b'), weights.get('fixed'))))
}

/** Σ w·x · Σ b: no gradient reaches w where x and b are 0. */
const still: CompileStepOptions['loss'] = (weights, input) => {
  return mul(sum(mul(weights.get('w'), input('x', [2, 2]))), sum(weights.get('b')))
}

const compile = (options: Partial<CompileStepOptions> & Pick<CompileStepOptions, 'optimizer'>) =>
  compileStep({ backend: createInterpreterBackend({ precision: 'f64' }), parameters, loss, ...options })

describe('compileStep', () => {
  test('starts from the parameters’ own values, steps, and tells what was before', () => {
    const groups = [
      { params: parameters.filter(({ name }) => name === 'w'), weightDecay: 0.5 },
      { params: parameters.filter(({ name }) => name !== 'w'), weightDecay: 0 },
    ]
    const step = compile({ optimizer: sgd(groups, { learningRate: 0.1, form: 'decoupled' }) })
    step.input('x').set([2, 2, 2, 1])
    expect(step.run()).toEqual({ loss: 0.5 + 6, gradientNorm: Math.sqrt(1 + 18), penalty: 0 })
    // w·(1 − 0.1·0.5) − 0.1·(w − x)
    const expected = [1.9, 1.9, 1.9, 1.8]
    step.values('w').forEach((value, k) => expect(value).toBeCloseTo(expected[k]!, 12))
    step.values('b').forEach((value) => expect(value).toBeCloseTo(0.7, 12))
    expect([...step.values('fixed')]).toEqual([3, 3])
  })

  test('counts its steps, from 1 or from where it is told, and takes a learning rate for each', () => {
    const step = compile({ optimizer: adamw(parameters, { learningRate: 0.1, weightDecay: 0 }) })
    const other = compile({ optimizer: adamw(parameters, { learningRate: 0.1, weightDecay: 0 }) })
    for (const each of [step, other]) each.input('x').fill(0)
    for (let t = 1; t <= 3; t++) {
      step.run({ learningRate: 0.1 / t })
      other.run({ step: t, learningRate: 0.1 / t })
    }
    expect([...step.values('w')]).toEqual([...other.values('w')])
    expect([...step.values('w.exp_avg')]).toEqual([...other.values('w.exp_avg')])
    expect(step.values('b')[0]).toBeCloseTo(1 - 0.1 * (1 + 1 / 2 + 1 / 3), 6) // a constant gradient: lr per step
  })

  test('compiles once, however learning rate and λ change', () => {
    const backend = createInterpreterBackend({ precision: 'f64' })
    const compiling = vi.spyOn(backend, 'compile')
    const optimizer = adamw(parameters, { learningRate: 0.1, weightDecay: 1, decaySchedule: (t) => [0.5, 0, 1][t]! })
    const step = compile({ backend, optimizer, loss: still })
    step.input('x').fill(0)
    step.values('b').fill(0) // so that nothing but the decay moves w
    const sizes = [0.1, 0.1, 0.05].map((learningRate) => {
      step.run({ learningRate })
      return step.values('w')[0]!
    })
    const expected = [2 * 0.95, 2 * 0.95, 2 * 0.95 * 0.95]
    sizes.forEach((size, k) => expect(size).toBeCloseTo(expected[k]!, 12))
    expect(compiling).toHaveBeenCalledTimes(1)
  })

  test('clips, and reports the norm before', () => {
    const step = compile({ optimizer: sgd(parameters, { learningRate: 1 }), clip: 1 })
    step.input('x').set([2, 2, 2, 2])
    const { gradientNorm } = step.run()
    expect(gradientNorm).toBeCloseTo(Math.sqrt(18), 12)
    expect(step.values('b')[0]).toBeCloseTo(1 - 3 / Math.sqrt(18), 5)
  })

  test('adds the penalty of loss-l2 and reports it apart', () => {
    const step = compile({ optimizer: sgd(parameters, { learningRate: 0.1, weightDecay: 0.5, form: 'loss-l2' }) })
    step.input('x').set([2, 2, 2, 2])
    const { loss: before, penalty } = step.run()
    expect(before).toBeCloseTo(6, 12)
    expect(penalty).toBeCloseTo(0.25 * (4 * 4 + 2), 12) // frozen parameters are no part of it
    step.values('w').forEach((value) => expect(value).toBeCloseTo(2 - 0.1 * 0.5 * 2, 12))
  })

  test('names what there is where it is asked for something else', () => {
    const step = compile({ optimizer: adamw(parameters) })
    expect(() => step.input('y')).toThrow(/The program "step" has no input "y"; it has x, learningRate/)
    expect(() => step.values('v')).toThrow(/has no state "v"; it has w, b, fixed, w.exp_avg/)
  })
})

describe('groups of a ledger', () => {
  test('decay what it names by its λ, and follow its multipliers', () => {
    const run = { weightDecay: 0.5, learningRates: () => 0.1, steps: 10 }
    const overrides = { learningRateScale: { bias: 0.5 }, decay: { bias: 0.25 } }
    const book = buildLedger(parameters, 'nanogpt', { ...run, overrides })
    const groups = ledgerGroups(book, parameters)
    expect(groups.map(({ params, ...rest }) => [params.map(({ name }) => name), rest])).toEqual([
      [['w'], { weightDecay: 0.5, learningRateMultiplier: 1 }],
      [['b'], { weightDecay: 0.25, learningRateMultiplier: 0.5 }],
      [['fixed'], { weightDecay: 0, learningRateMultiplier: 1 }],
    ])
    const { settings } = adamw(groups, { learningRate: 0.1 })
    for (const { name, weightDecay, learningRateMultiplier } of book.entries) {
      expect(settings.get(name)).toMatchObject({ weightDecay, learningRateMultiplier })
    }
  })

  test('must be of the same parameters', () => {
    const book = buildLedger(parameters, 'nanogpt', { weightDecay: 0.5, learningRates: () => 0.1, steps: 10 })
    expect(() => ledgerGroups(book, parameters.slice(1))).toThrow('The ledger names "w", which is none of the')
    const other = { ...parameters[0]!, name: 'v' }
    expect(() => ledgerGroups(book, [...parameters, other])).toThrow('The ledger does not name "v"')
  })
})
