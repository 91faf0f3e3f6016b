import { describe, expect, test } from 'vitest'
import type { Backend } from '../engine/index.ts'
import { parameterList, zeros, type ParameterSpec } from '../nn/parameter.ts'
import { adamw, momentNames } from './adamw.ts'
import { buildLedger } from './ledger.ts'
import { policyNames } from './policy.ts'
import { chosenGradients as choose, declare } from './stepper.test.data.ts'

function fill(backend: Backend, { name, shape }: ParameterSpec, values: readonly number[]): void {
  backend.buffer(name, 'f32', shape).set(values)
}

/** With gradients set by specification. */
function chosenGradients(...given: Parameters<typeof choose>) {
  const run = choose(...given)
  const setGradient = ({ name }: ParameterSpec, values: readonly number[]): void => run.gradient(name, values)
  return { ...run, setGradient }
}

describe('decay', () => {
  const specs = declare([
    ['wte.weight', [3, 2], 'embedding'],
    ['wpe.weight', [2, 2], 'position'],
    ['h.0.ln_1.weight', [2], 'gain'],
    ['h.0.mlp.c_fc.weight', [2, 4], 'matrix'],
    ['h.0.mlp.c_fc.bias', [4], 'bias'],
  ])

  test.each(policyNames)('%s: with no gradient, exactly what the ledger names shrinks, by 1 − lr·λ', (policy) => {
    const ledger = buildLedger(specs, policy, { weightDecay: 0.5, learningRates: [0.1, 0.05], steps: 2 })
    const lambdas = [...new Set(ledger.entries.map(({ weightDecay }) => weightDecay))]
    const groups = lambdas.map((weightDecay) => ({
      params: specs.filter((_, k) => ledger.entries[k]!.weightDecay === weightDecay),
      weightDecay,
    }))
    const { backend, step, read } = chosenGradients(specs, adamw(groups, { learningRate: 0.1 }))
    for (const spec of specs) backend.buffer(spec.name, 'f32', spec.shape).fill(2)
    step(1)
    step(2, 0.05)
    for (const { name, weightDecay, survival } of ledger.entries) {
      for (const value of read(name)) expect(value).toBeCloseTo(2 * (survival ?? Number.NaN), 12)
      if (weightDecay === 0) expect(new Set(read(name))).toEqual(new Set([2]))
      else expect(read(name)[0]).toBeLessThan(2)
    }
  })

  test('λ never passes through the moments', () => {
    const { backend, step, setGradient } = chosenGradients(specs, adamw(specs, { weightDecay: 10 }))
    for (const spec of specs) backend.buffer(spec.name, 'f32', spec.shape).fill(2)
    setGradient(specs[2]!, [0.5, -0.5])
    step(1)
    const { first, second } = momentNames('h.0.ln_1.weight')
    expect([...backend.buffer(first, 'f32', [2])].map((m) => Number(m.toFixed(12)))).toEqual([0.05, -0.05])
    expect([...backend.buffer(second, 'f32', [2])].map((v) => Number(v.toFixed(12)))).toEqual([0.00025, 0.00025])
    expect([...backend.buffer(momentNames('wte.weight').first, 'f32', [3, 2])]).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('a frozen parameter keeps its bits, has no moments, and leaves its group’s λ alone', () => {
    const list = parameterList()
    list.declare('w', [2], 'matrix', zeros)
    list.declare('fixed', [2], 'matrix', zeros, { frozen: true })
    const optimizer = adamw([{ params: list.list(), weightDecay: 0.5 }], { learningRate: 0.1 })
    const { backend, step, read } = chosenGradients(list.list(), optimizer)
    for (const spec of list.list()) fill(backend, spec, [1.5, -1.5])
    step(1)
    expect(read('fixed')).toEqual([1.5, -1.5])
    expect(read('w')[0]).toBeCloseTo(1.5 * 0.95, 12)
    expect(optimizer.init(list.list()).map(({ name }) => name)).toEqual(['w.exp_avg', 'w.exp_avg_sq'])
  })

  test('a group’s own learning rate follows the schedule in proportion', () => {
    const [fast, slow] = declare([
      ['fast', [1], 'matrix'],
      ['slow', [1], 'matrix'],
    ]) as [ParameterSpec, ParameterSpec]
    const groups = [{ params: fast }, { params: slow, learningRate: 0.05 }]
    const optimizer = adamw(groups, { learningRate: 0.1, weightDecay: 0 })
    const { backend, step, read, setGradient } = chosenGradients([fast, slow], optimizer)
    for (const spec of [fast, slow]) {
      fill(backend, spec, [1])
      setGradient(spec, [1])
    }
    step(1, 0.02)
    expect(1 - read('fast')[0]!).toBeCloseTo(0.02, 8)
    expect(1 - read('slow')[0]!).toBeCloseTo(0.01, 8)
  })
})

describe('refuses', () => {
  const [w] = declare([['w', [2], 'matrix']]) as [ParameterSpec]
  test.each([
    [{ betas: [0.9, 1] as const }, /betas\[1\] is 1; it must be a number from 0 to less than 1/],
    [{ betas: [Number.NaN, 0.9] as const }, /betas\[0\] is NaN/],
    [{ eps: 0 }, /eps is 0; it must be a finite number above 0/],
    [{ learningRate: -1 }, /learningRate of the optimizer is -1/],
    [{ weightDecay: Number.NaN }, /weightDecay of the optimizer is NaN/],
  ])('%j', (options, message) => {
    expect(() => adamw([w], options)).toThrow(message)
  })

  test('a parameter that is in no group', () => {
    const [other] = declare([['other', [2], 'matrix']]) as [ParameterSpec]
    expect(() => chosenGradients([other], adamw([w]))).toThrow('"other" is in no group of this optimizer')
  })
})
