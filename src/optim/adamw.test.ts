import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  add,
  gradient,
  matmul,
  mul,
  sigmoid,
  sum,
  trace,
  transpose,
  type Backend,
  type Tensor,
} from '../engine/index.ts'
import { createInterpreterBackend } from '../engine/runtime/interpreter/interpreter.ts'
import { normal, parameterList, zeros, type ParameterSpec, type Role } from '../nn/parameter.ts'
import { traceParameters, type TracedParameters } from '../nn/traced.ts'
import { adamw, momentNames, type Optimizer } from './adamw.ts'
import { buildLedger } from './ledger.ts'
import { policyNames } from './policy.ts'

const GOLDENS = '/work/shared/data/goldens/pytorch-optimizers.json'

/** A compiled step of `optimizer` on the loss that `loss` traces, over the f64 interpreter. */
function stepper(
  specs: readonly ParameterSpec[],
  optimizer: Optimizer,
  loss: (parameters: TracedParameters, input: (name: string, shape: readonly number[]) => Tensor) => Tensor,
) {
  const backend = createInterpreterBackend({ precision: 'f64' })
  const trained = specs.filter(({ frozen }) => frozen !== true)
  const executable = backend.compile(
    trace('step', (context) => {
      const parameters = traceParameters(context, specs)
      const value = loss(parameters, (name, shape) => context.input(name, 'f32', shape))
      const tensors = trained.map(({ name }) => parameters.get(name))
      const gradients = gradient(value, tensors)
      const entries = trained.map(({ name }, k) => [name, { parameter: tensors[k]!, gradient: gradients[k]! }] as const)
      return { outputs: { loss: value }, updates: optimizer.update(context, new Map(entries)) }
    }),
  )
  const read = (name: string): number[] => {
    return [...backend.buffer(name, 'f32', specs.find((spec) => spec.name === name)!.shape)]
  }
  const step = (t: number, learningRate?: number): number => {
    for (const [name, value] of Object.entries(optimizer.scalars(t, learningRate))) {
      backend.buffer(`step/${name}`, 'f32', [])[0] = value
    }
    executable.run()
    return backend.buffer('step/loss', 'f32', [])[0]!
  }
  return { backend, step, read }
}

function declare(entries: readonly (readonly [name: string, shape: readonly number[], role: Role])[]) {
  const list = parameterList()
  for (const [name, shape, role] of entries) list.declare(name, shape, role, shape.length > 1 ? normal(1) : zeros)
  return list.list()
}

function fill(backend: Backend, { name, shape }: ParameterSpec, values: readonly number[]): void {
  backend.buffer(name, 'f32', shape).set(values)
}

describe.skipIf(!existsSync(GOLDENS))(`PyTorch's values (${GOLDENS})`, () => {
  interface Golden {
    readonly init: readonly (readonly number[])[]
    readonly optimizers: Record<string, { samples: number[][][]; loss_before_step: number[] }>
  }
  // Linear(2, 3), Sigmoid, Linear(3, 1), Sigmoid; loss = sum of outputs; PyTorch's weights are [out, in]
  const specs = declare([
    ['0.weight', [3, 2], 'matrix'],
    ['0.bias', [3], 'bias'],
    ['2.weight', [1, 3], 'matrix'],
    ['2.bias', [1], 'bias'],
  ])

  test.each([
    ['AdamW', 0.01],
    ['AdamW_without_weight_decay', 0],
    ['Adam', 0],
  ])('%s over 1,001 steps', (name, weightDecay) => {
    const { init, optimizers } = JSON.parse(readFileSync(GOLDENS, 'utf8')) as Golden
    const golden = optimizers[name]!
    const optimizer = adamw(specs, { learningRate: 1, weightDecay })
    const { backend, step, read } = stepper(specs, optimizer, (parameters, input) => {
      const hidden = sigmoid(
        add(matmul(input('x', [3, 2]), transpose(parameters.get('0.weight'))), parameters.get('0.bias')),
      )
      return sum(sigmoid(add(matmul(hidden, transpose(parameters.get('2.weight'))), parameters.get('2.bias'))))
    })
    specs.forEach((spec, k) => fill(backend, spec, init[k]!))
    backend.buffer('step/x', 'f32', [3, 2]).set([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    for (let t = 1; t <= 1001; t++) {
      const loss = step(t)
      if (t % 100 !== 1) continue
      const k = (t - 1) / 100
      expect(Math.abs(loss / golden.loss_before_step[k]! - 1)).toBeLessThan(1e-9)
      const ours = specs.flatMap((spec) => read(spec.name))
      const theirs = golden.samples[k]!.flat()
      ours.forEach((value, i) => expect(Math.abs(value - theirs[i]!)).toBeLessThan(1e-9))
    }
  })
})

/** A loss whose gradient is whatever the inputs `g.<name>` hold: Σ w·g. */
function chosenGradients(specs: readonly ParameterSpec[], optimizer: Optimizer) {
  const run = stepper(specs, optimizer, (parameters, input) => {
    const trained = specs.filter(({ frozen }) => frozen !== true)
    return trained
      .map(({ name, shape }) => sum(mul(parameters.get(name), input(`g.${name}`, shape))))
      .reduce((total, part) => add(total, part))
  })
  const setGradient = ({ name, shape }: ParameterSpec, values: readonly number[]): void => {
    run.backend.buffer(`step/g.${name}`, 'f32', shape).set(values)
  }
  return { ...run, setGradient }
}

/**
 * One scalar, w0 = 1, η = 0.1, λ = 0.1, β = (0.9, 0.95), ε = 1e-8; weights after steps 1 to 4, computed in float64 by an
 * independent program. A and B are two sequences of gradients.
 */
describe('reference vectors', () => {
  const gradients = { A: [0.5, -0.3, 0.2, 0.1], B: [-0.5, 0.9, -0.2, -0.8] }
  const constant = [0.1, 0.1, 0.1, 0.1]
  const scheduled = [0.1, 0.08, 0.05, 0.02]
  test.each([
    ['Adam', 'A', 0, constant, [0.900000002, 0.880735876405, 0.845502241143, 0.807138039011]],
    ['Adam', 'B', 0, constant, [1.099999998, 1.067685367322, 1.055127930823, 1.08218413842]],
    ['AdamW', 'A', 0.1, constant, [0.890000002, 0.861835876385, 0.817983882359, 0.771439841403]],
    ['AdamW', 'B', 0.1, constant, [1.089999998, 1.046785367342, 1.023760077169, 1.040578683995]],
    ['AdamW, scheduled', 'A', 0.1, scheduled, [0.890000002, 0.867468701508, 0.845514540369, 0.836150670862]],
    ['AdamW, scheduled', 'B', 0.1, scheduled, [1.089999998, 1.055428293474, 1.043872433757, 1.047195930409]],
  ] as const)('%s on sequence %s', (_, sequence, weightDecay, rates, expected) => {
    const specs = declare([['w', [], 'scalar']])
    const optimizer = adamw(specs, { learningRate: 0.1, weightDecay, betas: [0.9, 0.95] })
    const { backend, step, read, setGradient } = chosenGradients(specs, optimizer)
    fill(backend, specs[0]!, [1])
    const weights = expected.map((_, k) => {
      setGradient(specs[0]!, [gradients[sequence][k]!])
      step(k + 1, rates[k])
      return read('w')[0]!
    })
    weights.forEach((weight, k) => expect(weight).toBeCloseTo(expected[k]!, 11))
  })
})

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
