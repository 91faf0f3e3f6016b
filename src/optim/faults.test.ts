/**
 * Faults that shipped elsewhere, each under the name of where it was seen. What they have in common: nothing crashed,
 * training went on, and λ did something else than what was asked for.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { availableBackends, createBackend, trace, type Backend, type BackendName } from '../engine/index.ts'
import { parameterList, normal, type ParameterSpec } from '../nn/parameter.ts'
import { adam } from './adam.ts'
import { adamw, momentNames } from './adamw.ts'
import { convertWeightDecay } from './convert.ts'
import { decayFormNames } from './decayForms.ts'
import { muon } from './muon.ts'
import { createOptimizer, optimizerNames } from './optimizers.ts'
import { scheduleFree } from './scheduleFree.ts'
import { constant } from './schedule.ts'
import { sgd } from './sgd.ts'
import { chosenGradients, declare } from './stepper.test.data.ts'

const SPECS = declare([
  ['wte', [4, 3], 'embedding'],
  ['fc', [3, 8], 'matrix'],
  ['gain', [3], 'gain'],
  ['bias', [8], 'bias'],
])
const [WTE, FC, GAIN, BIAS] = SPECS as readonly [ParameterSpec, ParameterSpec, ParameterSpec, ParameterSpec]
const GROUPS = [
  { params: [WTE, FC], weightDecay: 0.5 },
  { params: [GAIN, BIAS], weightDecay: 0 },
]

const reachable = availableBackends().filter(({ unavailable }) => unavailable === undefined)
const opened = new Map<BackendName, Backend>()
afterAll(() => opened.forEach((backend) => backend.dispose()))

function open(name: BackendName): Backend {
  const backend = opened.get(name) ?? createBackend({ backend: name, threads: 1 })
  opened.set(name, backend)
  return backend
}

describe('decay reaches every backend', () => {
  // genai-nanogpt: its GPU kernels read weight decay, its CPU kernel ignores it.
  // llm.c: its CPU path decays gains and biases too, its CUDA path matrices only.
  test.each(reachable.map(({ name }) => name))(
    '%s: the decayed group shrinks, gains and biases keep their bits',
    (name) => {
      const run = chosenGradients(SPECS, adamw(GROUPS, { learningRate: 0.1 }), { backend: open(name) })
      for (const spec of SPECS) run.fill(spec.name, 2)
      run.step(1)
      run.step(2, 0.05)
      for (const spec of [WTE, FC])
        for (const value of run.read(spec.name)) expect(value).toBeCloseTo(2 * 0.95 * 0.975, 6)
      for (const spec of [GAIN, BIAS]) expect(new Set(run.read(spec.name))).toEqual(new Set([2]))
    },
  )

  test.each(reachable.map(({ name }) => name))('%s: each group decays by its own λ', (name) => {
    const groups = SPECS.map((params, k) => ({ params, weightDecay: k / 2 }))
    const run = chosenGradients(SPECS, adamw(groups, { learningRate: 0.1 }), { backend: open(name) })
    for (const spec of SPECS) run.fill(spec.name, 2)
    run.step(1)
    SPECS.forEach((spec, k) => {
      for (const value of run.read(spec.name)) expect(value).toBeCloseTo(2 * (1 - 0.05 * k), 6)
    })
  })

  test.each(optimizerNames)('%s: the same weights on all of them, for every form', (optimizer) => {
    for (const form of decayFormNames) {
      const results = reachable.map(({ name }) => {
        const made = createOptimizer(optimizer, GROUPS, { learningRate: 0.02, form })
        const run = chosenGradients(SPECS, made, { backend: open(name) })
        for (const spec of SPECS) {
          run.fill(spec.name, spec.shape.reduce((a, b) => a * b, 1) > 3 ? 0.7 : 1)
          run.gradient(spec.name, 0)
        }
        run.gradient(
          'fc',
          Array.from({ length: 24 }, (_, k) => Math.sin(k + 0.5)),
        )
        run.step(1)
        run.step(2, 0.01)
        return SPECS.flatMap((spec) => run.read(spec.name))
      })
      for (const result of results.slice(1)) {
        result.forEach((value, k) => expect(Math.abs(value - results[0]![k]!), form).toBeLessThan(1e-4))
      }
    }
  })
})

test('jax-js optax: a static decay mask works in step 1 and crashes in step 2', () => {
  const run = chosenGradients(SPECS, adamw(GROUPS, { learningRate: 0.1 }))
  for (const spec of SPECS) run.fill(spec.name, 2)
  for (let t = 1; t <= 4; t++) run.step(t)
  for (const value of run.read('fc')) expect(value).toBeCloseTo(2 * 0.95 ** 4, 12)
  expect(new Set(run.read('bias'))).toEqual(new Set([2]))
})

describe('gpt-tfjs', () => {
  test('options by position turned "weight decay on" into lr 0.1 and no decay', () => {
    const byPosition = adamw as unknown as (groups: unknown, learningRate: number, weightDecay: number) => unknown
    expect(() => byPosition(SPECS, 0.1, 0.5)).toThrow(TypeError)
    expect(() => byPosition(SPECS, 0.1, 0.5)).toThrow(/The options of adamw came as 0.1; give an object/)
  })

  test('gradientClipNorm was stored and never read: here an option that nothing reads does not exist', () => {
    const options = { learningRate: 0.1, gradientClipNorm: 1 }
    expect(() => adamw(SPECS, options)).toThrow(/adamw has no option "gradientClipNorm"/)
  })

  test('what clips is the scale that update is given, and it reaches the moments', () => {
    const run = chosenGradients([FC], adamw([FC]), { scale: 0.1 })
    run.gradient('fc', 3)
    run.step(1)
    expect(run.read(momentNames('fc').first)[0]).toBeCloseTo(0.1 * 0.3, 12)
  })
})

describe('piston, Sequence Toy', () => {
  test('a tied head landed in both groups', () => {
    const list = parameterList()
    list.declare('wte', [4, 3], 'embedding', normal(1))
    const [wte] = list.list() as [ParameterSpec]
    const head = { ...wte, name: 'lm_head', aliases: ['wte'] }
    expect(() =>
      adamw([
        { params: wte, weightDecay: 0.1 },
        { params: head, weightDecay: 0 },
      ]),
    ).toThrow(/the same tensor/)
  })

  test('choosing "Adam" built AdamW', () => {
    const weights = [adam, adamw].map((make) => {
      const run = chosenGradients([FC], make([FC], { learningRate: 0.1, weightDecay: 0.5 }))
      run.fill('fc', 1)
      run.gradient('fc', 0.2)
      run.step(1)
      return run.read('fc')[0]!
    })
    // L2: one step of Adam is of size lr whatever λ is; AdamW takes lr·λ more.
    expect(weights[0]).toBeCloseTo(0.9, 6)
    expect(weights[1]).toBeCloseTo(0.85, 6)
    expect(createOptimizer('adam', [FC]).name).toBe('adam')
    expect(createOptimizer('adam', [FC]).form.name).toBe('gradient-l2')
  })
})

describe('mlx-node', () => {
  test('a weightDecay option that a trainer never reads: loss-l2 without its penalty is an error, not no decay', () => {
    const optimizer = sgd([FC], { weightDecay: 0.1, form: 'loss-l2' })
    expect(() =>
      trace('forgotten', (context) => {
        const parameter = context.state('fc', FC.shape)
        return { updates: optimizer.update(context, new Map([['fc', { parameter, gradient: parameter }]])) }
      }),
    ).toThrow(/"loss-l2" decays nothing by itself: add penalty/)
  })

  test('the penalty stands apart from the loss, and is Σ λ/2·‖w‖² of the decaying group alone', () => {
    const optimizer = sgd(GROUPS, { learningRate: 0.1, form: 'loss-l2' })
    const backend = open('interpreter')
    const compiled = backend.compile(
      trace('penalty', (context) => {
        const weights = new Map(SPECS.map(({ name, shape }) => [name, context.state(name, shape)]))
        return { outputs: { penalty: optimizer.penalty(context, weights)! } }
      }),
    )
    for (const { name, shape } of SPECS) backend.buffer(name, 'f32', shape).fill(2)
    backend.buffer('penalty/weightDecay.0', 'f32', [])[0] = 0.5
    compiled.run()
    expect(backend.buffer('penalty/penalty', 'f32', [])[0]).toBeCloseTo(0.25 * 4 * (12 + 24), 4)
    expect(adamw(GROUPS).penalty({} as never, new Map())).toBeUndefined()
  })

  test('one step counter counted every parameter: a second tensor does not change the first one’s correction', () => {
    const alone = chosenGradients([FC], adamw([FC], { learningRate: 0.1 }))
    const together = chosenGradients(SPECS, adamw(SPECS, { learningRate: 0.1 }))
    for (const run of [alone, together]) {
      run.gradient('fc', 0.3)
      run.step(1)
      run.step(2)
    }
    expect(together.read('fc')).toEqual(alone.read('fc'))
  })
})

describe('resume', () => {
  // nanoGPT, litgpt, torchtitan: a new λ given on resume is silently replaced by the checkpoint's.
  test('λ is no part of the state: the optimizer that goes on decays with its own', () => {
    const before = adamw([FC], { learningRate: 0.1, weightDecay: 0.5 })
    const after = adamw([FC], { learningRate: 0.1, weightDecay: 0.2 })
    expect(before.init([FC])).toEqual(after.init([FC]))
    const run = chosenGradients([FC], after)
    run.fill('fc', 2)
    run.step(7)
    expect(run.read('fc')[0]).toBeCloseTo(2 * 0.98, 12)
  })

  // Megatron-LM #5212, #7468: the first step after a resume used the constructor's weight decay.
  test('the first step after a resume has the λ of its own step', () => {
    const make = () => adamw([FC], { learningRate: 0.1, weightDecay: 1, decaySchedule: (step) => step / 100 })
    const run = chosenGradients([FC], make())
    run.fill('fc', 2)
    run.step(41)
    expect(run.read('fc')[0]).toBeCloseTo(2 * (1 - 0.1 * 0.4), 12)
  })

  // pytorch #105958, OLMo's fix_optim_state_dict: state went by position, so that other groups got other moments.
  test('state goes by name: regrouping renames nothing', () => {
    const names = (optimizer: ReturnType<typeof adamw>): string[] => optimizer.init(SPECS).map(({ name }) => name)
    expect(names(adamw(GROUPS))).toEqual(names(adamw(SPECS)))
    expect(names(adamw(GROUPS.toReversed())).toSorted()).toEqual(names(adamw(SPECS)).toSorted())
  })
})

describe('gradients of zero', () => {
  // diffusers #1009, #1176; Muon #54: a gradient of zeros instead of none let frozen or unused tensors decay to 0.
  test('a frozen embedding does not fade, whatever its group says', () => {
    const list = parameterList()
    list.declare('wte', [4, 3], 'embedding', normal(1), { frozen: true })
    list.declare('fc', [3, 8], 'matrix', normal(1))
    const specs = list.list()
    const run = chosenGradients(specs, adamw(specs, { learningRate: 0.1, weightDecay: 1 }), { alsoUpdate: ['wte'] })
    run.fill('wte', 1.25)
    for (let t = 1; t <= 10; t++) run.step(t)
    expect(new Set(run.read('wte'))).toEqual(new Set([1.25]))
  })

  // gpt-oss #1: tokens never seen shrink as exp(−Σ lr·λ). It is what decay means, unless it is told otherwise.
  test('rows of tokens not seen fade by lr·λ, and stay with the form selective', () => {
    const [faded, kept] = (['decoupled', 'selective'] as const).map((form) => {
      const run = chosenGradients([WTE], adamw([WTE], { learningRate: 0.1, weightDecay: 0.5, form }))
      run.fill('wte', 1)
      run.gradient('wte', [0.1, 0.1, 0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      for (let t = 1; t <= 3; t++) run.step(t)
      return run.read('wte')
    })
    faded!.slice(3).forEach((value) => expect(value).toBeCloseTo(0.95 ** 3, 12))
    expect(new Set(kept!.slice(3))).toEqual(new Set([1]))
  })
})

describe('the wrong kernel', () => {
  // DeepSpeed #668, PR #8307, FlagGems #4988: the "AdamW" kernel was L2, or the other way round.
  test.each(reachable.map(({ name }) => name))(
    '%s: λ never passes through AdamW’s moments, and always through Adam’s',
    (name) => {
      const moments = [adamw, adam].map((make) => {
        const run = chosenGradients([FC], make([FC], { weightDecay: 10 }), { backend: open(name) })
        run.fill('fc', 2)
        run.step(1)
        return run.read(momentNames('fc').first)[0]!
      })
      expect(moments[0]).toBe(0)
      expect(moments[1]).toBeCloseTo(0.1 * 10 * 2, 5)
    },
  )

  // apex #1849, tensorflow/addons #844: "decoupled" and still multiplied by lr, or not.
  test('that the same λ means another decay elsewhere is a number, not a surprise', () => {
    const request = { weightDecay: 0.1, from: 'pytorch', learningRate: constant({ peak: 1e-3 }), steps: 100 } as const
    expect(convertWeightDecay({ ...request, to: 'tensorflow-addons' }).weightDecay).toBeCloseTo(1e-4, 12)
  })

  // Decay by Muon's adjusted rate would follow from each matrix's shape.
  test.each(['original', 'match-rms-adamw'] as const)('Muon, %s: matrices of any shape decay by lr·λ', (scaling) => {
    const specs = declare([
      ['tall', [32, 2], 'matrix'],
      ['wide', [2, 32], 'matrix'],
    ])
    const run = chosenGradients(specs, muon(specs, { learningRate: 0.1, weightDecay: 0.5, scaling }))
    for (const { name } of specs) run.fill(name, 2)
    run.step(1)
    for (const { name } of specs) for (const value of run.read(name)) expect(value).toBeCloseTo(1.9, 12)
  })

  // SOAP skips its first step, decay included.
  test.each(optimizerNames)('%s decays in the first step already', (name) => {
    const run = chosenGradients(
      [FC],
      createOptimizer(name, [FC], { learningRate: 0.1, weightDecay: 0.5, form: 'fixed' }),
    )
    run.fill('fc', 2)
    run.step(1)
    expect(run.read('fc')[0]).toBeCloseTo(1, 12)
  })
})

describe('AdamC', () => {
  // timm, pytorch_optimizer: max_lr is whatever lr was at construction, which is wrong where a warm-up starts there.
  test('a learning rate above the peak is an error, not a decay that is too strong', () => {
    const optimizer = adamw([FC], { learningRate: 1e-5, weightDecay: 0.1, form: 'corrected' })
    expect(() => optimizer.scalars(100, 3e-4)).toThrow(/0.0003, above the peak 0.00001 that the decay divides by/)
    expect(() => adamw([FC], { learningRate: 0, form: 'independent' })).toThrow(
      /divides by the peak learning rate, which is 0/,
    )
  })

  test('without role or flag it asks, rather than guess which layers are normalised', () => {
    const bare = { name: 'fc', aliases: [] }
    const optimizer = adamw([bare], { weightDecay: 0.1, form: 'corrected' })
    const step = (): unknown =>
      trace('step', (context) => {
        const parameter = context.state('fc', FC.shape)
        return { updates: optimizer.update(context, new Map([['fc', { parameter, gradient: parameter }]])) }
      })
    expect(step).toThrow(/must know whether the layer of "fc" is normalised/)
    expect(adamw([{ params: bare, normalised: false }], { form: 'corrected' }).settings.get('fc')?.normalised).toBe(
      false,
    )
  })
})

// schedule_free: saving or evaluating without .eval() takes y, which is neither the average nor meant to be used.
test('Schedule-Free says which weights to evaluate; all others evaluate what they train', () => {
  expect(scheduleFree([FC]).evaluationWeights).toBeTypeOf('function')
  for (const name of optimizerNames.filter((other) => other !== 'schedule-free')) {
    expect(createOptimizer(name, [FC]).evaluationWeights).toBeUndefined()
  }
})
