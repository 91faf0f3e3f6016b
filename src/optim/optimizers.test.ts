/** Every optimizer times every property. A new row of the registry is tested by being there. */
import { describe, expect, test } from 'vitest'
import { createInterpreterBackend, mul, square, sub, sum, trace } from '../engine/index.ts'
import { parameterList, normal, type ParameterSpec } from '../nn/parameter.ts'
import { decayFormNames, decayForms, type DecayFormName } from './decayForms.ts'
import type { ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import type { DecayOptions } from './optionRules.ts'
import { createOptimizer, findOptimizer, optimizerNames, optimizers, type OptimizerName } from './optimizers.ts'
import { warmupCosine } from './schedule.ts'
import { chosenGradients, declare, stepper, type ChosenGradients, type Loss } from './stepper.test.data.ts'

const SPECS = declare([
  ['w', [3, 4], 'matrix'],
  ['wte', [5, 4], 'embedding'],
  ['bias', [4], 'bias'],
])
const [W, WTE, BIAS] = SPECS as readonly [ParameterSpec, ParameterSpec, ParameterSpec]

/** With the options that all optimizers share. */
function make(
  name: OptimizerName,
  groups: readonly ParameterSpec[] | readonly ParameterGroup[],
  options: DecayOptions,
): Optimizer {
  const muons = name === 'muon' ? { adamwLearningRate: options.learningRate ?? 1e-3 } : {}
  return createOptimizer(name, groups, { ...options, ...muons })
}

function fillAll(run: ChosenGradients, specs: readonly ParameterSpec[] = SPECS): void {
  for (const { name, shape } of specs) {
    const count = shape.reduce((a, b) => a * b, 1)
    run.fill(
      name,
      Array.from({ length: count }, (_, k) => Math.sin(3 * k + shape.length) + 0.1),
    )
  }
}

function randomGradients(run: ChosenGradients, t: number, specs: readonly ParameterSpec[] = SPECS): void {
  for (const { name, shape } of specs) {
    const count = shape.reduce((a, b) => a * b, 1)
    run.gradient(
      name,
      Array.from({ length: count }, (_, k) => Math.cos(1.7 * k + 2.3 * t + shape[0]!)),
    )
  }
}

const everything = (run: ChosenGradients, optimizer: Optimizer): number[] =>
  [...SPECS.map(({ name }) => name), ...optimizer.init(SPECS).map(({ name }) => name)].flatMap((name) => run.read(name))

const rising = (step: number): number => 1 + step

const runSteps = (run: ChosenGradients, from: number, to: number): void => {
  for (let t = from; t <= to; t++) {
    randomGradients(run, t)
    run.step(t, 0.1 / t)
  }
}

describe.each(optimizerNames)('%s', (name) => {
  test('converges on a small quadratic', () => {
    const loss: Loss = (parameters) =>
      SPECS.map((spec, k) => mul(sum(square(sub(parameters.get(spec.name), 0.3 * k + 0.4))), 0.5)).reduce((a, b) =>
        sub(a, mul(b, -1)),
      )
    const learningRate = name === 'adagrad' ? 1 : 0.1
    const rate = warmupCosine({ peak: learningRate, warmup: 5, steps: 300, floor: 0 })
    const run = stepper(SPECS, make(name, SPECS, { learningRate, weightDecay: 0 }), loss)
    for (const { name: parameter, shape } of SPECS) {
      run.fill(
        parameter,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(k)),
      )
    }
    const first = run.step(1, rate(0))
    let last = first
    for (let t = 2; t <= 300; t++) last = run.step(t, name === 'schedule-free' ? learningRate : rate(t - 1))
    expect(last).toBeLessThan(first * 1e-2)
  })

  test('decays exactly the decayed group', () => {
    const groups = [
      { params: [W, WTE], weightDecay: 0.5 },
      { params: BIAS, weightDecay: 0 },
    ]
    const optimizer = make(name, groups, { learningRate: 0.1, form: 'decoupled' })
    const run = chosenGradients(SPECS, optimizer)
    for (const spec of SPECS) run.fill(spec.name, 2)
    run.step(1)
    // GPT-1's multiplies the bias-corrected rate
    const factor = name === 'gpt-1-adam' ? optimizer.scalars(1)['biasCorrection']! : 1
    for (const spec of [W, WTE]) {
      for (const value of run.read(spec.name)) expect(value).toBeCloseTo(2 * (1 - 0.05 * factor), 12)
    }
    run.step(2)
    expect(new Set(run.read('bias'))).toEqual(new Set([2]))
    expect(run.read('w')[0]).toBeLessThan(2 * (1 - 0.05 * factor))
  })

  test('a frozen parameter keeps its bits, with zero gradients and with others, and has no state', () => {
    const list = parameterList()
    list.declare('w', [3, 4], 'matrix', normal(1))
    list.declare('fixed', [2, 2], 'matrix', normal(1), { frozen: true })
    const specs = list.list()
    const optimizer = make(name, [{ params: specs, weightDecay: 0.9 }], { learningRate: 0.1, form: 'decoupled' })
    const run = chosenGradients(specs, optimizer, { alsoUpdate: ['fixed'] })
    run.fill('fixed', [1.5, -1.5, 1e-30, 0])
    run.fill('w', 1)
    run.step(1)
    run.gradient('fixed', 7)
    run.step(2)
    expect(run.read('fixed')).toEqual([1.5, -1.5, 1e-30, 0])
    expect(run.read('w')[0]).toBeLessThan(1)
    expect(optimizer.init(specs).some(({ name: state }) => state.startsWith('fixed'))).toBe(false)
  })

  test('does not compile again for another step, learning rate and λ', () => {
    const results = [0.1, 0.2].map((second) => {
      const optimizer = make(name, SPECS, {
        learningRate: 0.2,
        weightDecay: 0.3,
        form: 'decoupled',
        decaySchedule: rising,
      })
      const run = chosenGradients(SPECS, optimizer)
      fillAll(run)
      for (const [t, rate] of [
        [1, 0.1],
        [2, second],
        [3, 0.05],
      ] as const) {
        randomGradients(run, t)
        run.step(t, rate)
      }
      expect(run.compilations()).toBe(1)
      return run.read('w')
    })
    expect(results[0]).not.toEqual(results[1])
  })

  test('a tied tensor is one parameter: decayed once, refused under its other name', () => {
    const list = parameterList()
    list.declare('wte', [5, 4], 'embedding', normal(1))
    list.tie('lm_head', 'wte')
    const optimizer = make(name, list.list(), { learningRate: 0.1, weightDecay: 0.5, form: 'fixed' })
    const run = chosenGradients(list.list(), optimizer)
    run.fill('wte', 2)
    run.step(1)
    for (const value of run.read('wte')) expect(value).toBeCloseTo(1, 12)
    expect(() =>
      trace('tied', (context) => {
        const parameter = context.state('wte', [5, 4])
        return { updates: optimizer.update(context, new Map([['lm_head', { parameter, gradient: parameter }]])) }
      }),
    ).toThrow('"lm_head" is the same tensor as "wte"')
  })

  test('init names all that update writes, and what it names is enough to go on from', () => {
    const options = { learningRate: 0.1, weightDecay: 0.3, form: 'toward-init' } as const
    const optimizer = make(name, SPECS, options)
    const written = trace('step', (context) => {
      const entries = SPECS.map((spec) => {
        return [
          spec.name,
          {
            parameter: context.state(spec.name, spec.shape),
            gradient: context.input(`g.${spec.name}`, 'f32', spec.shape),
          },
        ] as const
      })
      return { updates: optimizer.update(context, new Map(entries)) }
    }).updates
    const states = optimizer.init(SPECS)
    expect([...written.keys()].toSorted()).toEqual([...SPECS, ...states].map((state) => state.name).toSorted())

    const whole = chosenGradients(SPECS, optimizer)
    fillAll(whole)
    runSteps(whole, 1, 3)
    const resumedOptimizer = make(name, SPECS, options)
    const resumed = chosenGradients(SPECS, resumedOptimizer)
    for (const { name: state } of [...SPECS, ...states]) resumed.fill(state, whole.read(state))
    runSteps(whole, 4, 6)
    runSteps(resumed, 4, 6)
    expect(everything(resumed, resumedOptimizer)).toEqual(everything(whole, optimizer))
  })

  test('the order of the parameters changes nothing: state goes by name', () => {
    const results = [SPECS, SPECS.toReversed()].map((specs) => {
      const run = chosenGradients(specs, make(name, specs, { learningRate: 0.1, weightDecay: 0.3, form: 'decoupled' }))
      fillAll(run)
      for (let t = 1; t <= 3; t++) {
        randomGradients(run, t)
        run.step(t)
      }
      return SPECS.map((spec) => run.read(spec.name))
    })
    expect(results[0]).toEqual(results[1])
  })

  test('its parts add up to its step, in the first step and later', () => {
    const optimizer = make(name, SPECS, { learningRate: 0.1, weightDecay: 0.3, form: 'decoupled' })
    const backend = createInterpreterBackend({ precision: 'f64' })
    const run = chosenGradients(SPECS, optimizer, { backend })
    const looking = backend.compile(
      trace('parts', (context) => {
        const entries = SPECS.map(({ name: parameter, shape }) => {
          return [
            parameter,
            { parameter: context.state(parameter, shape), gradient: context.input(`g.${parameter}`, 'f32', shape) },
          ] as const
        })
        const outputs = [...optimizer.parts(context, new Map(entries))].flatMap(([parameter, { gradient, decay }]) => [
          [`gradient.${parameter}`, gradient] as const,
          [`decay.${parameter}`, decay!] as const,
        ])
        return { outputs: Object.fromEntries(outputs) }
      }),
    )
    fillAll(run)
    for (let t = 1; t <= 3; t++) {
      randomGradients(run, t)
      for (const { name: parameter, shape } of SPECS) {
        backend.buffer(`parts/g.${parameter}`, 'f32', shape).set(backend.buffer(`step/g.${parameter}`, 'f32', shape))
      }
      for (const [scalar, value] of Object.entries(optimizer.scalars(t)))
        backend.buffer(`parts/${scalar}`, 'f32', [])[0] = value
      looking.run()
      const before = SPECS.map((spec) => run.read(spec.name))
      run.step(t)
      SPECS.forEach(({ name: parameter, shape }, k) => {
        const part = (which: string) => backend.buffer(`parts/${which}.${parameter}`, 'f32', shape)
        run.read(parameter).forEach((after, i) => {
          expect(after).toBeCloseTo(before[k]![i]! - part('gradient')[i]! - part('decay')[i]!, 12)
          expect(part('decay')[i]! * before[k]![i]!).toBeGreaterThanOrEqual(0)
        })
      })
    }
  })

  test('scale multiplies every gradient, as clipping does', () => {
    const results = [1, 0.25].map((scale) => {
      const optimizer = make(name, SPECS, { learningRate: 0.1, weightDecay: 0.3, form: 'gradient-l2' })
      const run = chosenGradients(SPECS, optimizer, { scale })
      fillAll(run)
      for (const { name: parameter } of SPECS) run.gradient(parameter, 0.8 / scale)
      run.step(1)
      return SPECS.flatMap((spec) => run.read(spec.name))
    })
    results[0]!.forEach((value, k) => expect(value).toBeCloseTo(results[1]![k]!, 12))
  })

  test.each(decayFormNames)('takes the form %s, and steps by what it foretells', (form: DecayFormName) => {
    const optimizer = make(name, SPECS, { learningRate: 0.1, weightDecay: 0.5, form })
    expect(optimizer.form.name).toContain(decayForms[form].name)
    const run = chosenGradients(SPECS, optimizer)
    for (const { name: parameter } of SPECS) run.fill(parameter, 2)
    run.step(1)
    const value = run.read('w')[0]!
    const rate = decayForms[form].rate({ learningRate: 0.1, peakLearningRate: 0.1, weightDecay: 0.5 })
    if (rate !== null && form !== 'toward-init' && name !== 'gpt-1-adam') expect(value).toBeCloseTo(2 * (1 - rate), 12)
    randomGradients(run, 2)
    run.step(2)
    for (const spec of SPECS) for (const weight of run.read(spec.name)) expect(Number.isFinite(weight)).toBe(true)
    if (form === 'gradient-l2' || form === 'loss-l2') expect(value).toBeLessThan(2)
  })

  test('refuses an unknown option, options by position, and rates that are none', () => {
    const { create } = optimizers[name] as {
      create: (groups: readonly ParameterSpec[], options?: unknown) => Optimizer
    }
    expect(() => create(SPECS, { weightDecai: 0.1 })).toThrow(
      /has no option "weightDecai". Did you mean "weightDecay"\?/,
    )
    expect(() => create(SPECS, 0.1)).toThrow(/came as 0.1; give an object/)
    expect(() => create(SPECS, { learningRate: '1e-3' })).toThrow(/learningRate is "1e-3"; it must be a number/)
    expect(() => create(SPECS, { weightDecay: -1 })).toThrow(/weightDecay of the optimizer is -1/)
    expect(() => create(SPECS, { form: 'l2' })).toThrow(/Unknown form of weight decay "l2"/)
    const optimizer = create(SPECS, { learningRate: 0.1 })
    expect(() => optimizer.scalars(0)).toThrow(/The optimizer's step is 0; steps are whole numbers that count from 1/)
    expect(() => optimizer.scalars(1, Number.NaN)).toThrow(/The learning rate in step 1 is NaN/)
  })

  test('is in the registry under its own name, with a description and a source', () => {
    expect(make(name, SPECS, {}).name).toBe(name)
    expect(optimizers[name].description).not.toBe('')
    expect(optimizers[name].source).not.toBe('')
  })
})

test('an unknown optimizer is an error that names the nearest', () => {
  expect(() => findOptimizer('adamv')).toThrow(/Unknown optimizer "adamv". Did you mean "adamw"\?/)
})

const adafactorShapes = (minimumSizeToFactor: number) =>
  createOptimizer('adafactor', SPECS, { minimumSizeToFactor })
    .init(SPECS)
    .map(({ name, shape }) => [name, shape])

describe('what only some have', () => {
  test('Muon wants roles, since shape does not tell a matrix from a token table', () => {
    const bare = { name: 'w', aliases: [] }
    const optimizer = createOptimizer('muon', [bare])
    expect(() => optimizer.init([{ ...bare, shape: [2, 2] }])).toThrow(/Muon must know whether "w" is a matrix/)
  })

  test('Muon takes matrices alone: embeddings and biases keep AdamW’s moments', () => {
    const states = createOptimizer('muon', SPECS)
      .init(SPECS)
      .map(({ name }) => name)
    expect(states).toEqual(['w.momentum_buffer', 'wte.exp_avg', 'wte.exp_avg_sq', 'bias.exp_avg', 'bias.exp_avg_sq'])
  })

  test('Muon’s rest is AdamW at its own learning rate, steps and decay alike', () => {
    const shared = { weightDecay: 0.5, betas: [0.9, 0.95] } as const
    const muon = createOptimizer('muon', SPECS, { ...shared, learningRate: 0.2, adamwLearningRate: 0.05 })
    const adamw = createOptimizer('adamw', [WTE, BIAS], { ...shared, learningRate: 0.05 })
    const runs = [chosenGradients(SPECS, muon), chosenGradients([WTE, BIAS], adamw)] as const
    for (const run of runs) {
      fillAll(run, [WTE, BIAS])
      for (let t = 1; t <= 3; t++) {
        randomGradients(run, t, [WTE, BIAS])
        run.step(t, run === runs[0] ? 0.2 / t : 0.05 / t)
      }
    }
    for (const { name } of [WTE, BIAS]) {
      runs[0].read(name).forEach((value, k) => expect(value).toBeCloseTo(runs[1].read(name)[k]!, 12))
    }
  })

  test('a form keeps state for what decays, and for nothing else', () => {
    const groups = [
      { params: W, weightDecay: 0.1 },
      { params: [WTE, BIAS], weightDecay: 0 },
    ]
    const optimizer = createOptimizer('sgd', groups, { form: 'toward-init' })
    expect(optimizer.init(SPECS)).toEqual([{ name: 'w.initial', shape: [3, 4] }])
    const written = trace('step', (context) => {
      const entries = SPECS.map(({ name, shape }) => {
        const parameter = context.state(name, shape)
        return [name, { parameter, gradient: parameter }] as const
      })
      return { updates: optimizer.update(context, new Map(entries)) }
    }).updates
    expect([...written.keys()]).toEqual(['w', 'w.initial', 'wte', 'bias'])
  })

  test('Adafactor keeps rows and columns of large matrices only', () => {
    expect(adafactorShapes(4)).toEqual([
      ['w.v', [3, 4]],
      ['wte.v_row', [4]],
      ['wte.v_col', [5]],
      ['bias.v', [4]],
    ])
    expect(adafactorShapes(128)).toEqual([
      ['w.v', [3, 4]],
      ['wte.v', [5, 4]],
      ['bias.v', [4]],
    ])
  })

  test('Schedule-Free’s evaluation weights are the parameters themselves before the first step', () => {
    const optimizer = createOptimizer('schedule-free', SPECS)
    const run = chosenGradients(SPECS, optimizer)
    const average = run.backend.compile(
      trace('average', (context) => ({
        outputs: { w: optimizer.evaluationWeights!(context, new Map([['w', context.state('w', [3, 4])]])).get('w')! },
      })),
    )
    fillAll(run)
    average.run()
    expect([...run.backend.buffer('average/w', 'f32', [3, 4])]).toEqual(run.read('w'))
    for (let t = 1; t <= 3; t++) {
      randomGradients(run, t)
      run.step(t)
    }
    average.run()
    expect([...run.backend.buffer('average/w', 'f32', [3, 4])]).not.toEqual(run.read('w'))
  })

  test.each([
    ['sgd', { nesterov: true }, /Nesterov's step needs a momentum above 0/],
    ['sgd', { momentum: 1 }, /momentum is 1; it must be a number from 0 to less than 1/],
    ['muon', { scaling: 'rms' }, /scaling is "rms"; it must be "original" or "match-rms-adamw"/],
    ['muon', { newtonSchulzSteps: 2.5 }, /newtonSchulzSteps is 2.5; it must be a whole number from 1 to 20/],
    ['adafactor', { clippingThreshold: 0 }, /clippingThreshold is 0; it must be a finite number above 0/],
    ['schedule-free', { betas: [0, 0.9] }, /betas\[0\] of schedule-free is 0/],
    ['lion', { betas: [0.9] }, /betas is \[0.9\]; it must be two numbers, such as \[0.9, 0.99\]/],
  ] as const)('%s refuses %j', (name, options, message) => {
    const { create } = optimizers[name] as {
      create: (groups: readonly ParameterSpec[], options?: unknown) => Optimizer
    }
    expect(() => create(SPECS, options)).toThrow(message)
  })
})
