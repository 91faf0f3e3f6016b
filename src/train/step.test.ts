import { describe, expect, test } from 'vitest'
import { adamwStep, adamwState, lossAndGradients, train, type Batch, type Tensors } from '../../reference/gpt.ts'
import { relativeDifference } from '../../test/golden/relativeDifference.ts'
import { fillBatch } from '../data/index.ts'
import { graphBuffers, type Backend } from '../engine/index.ts'
import { warmupCosine } from '../optim/index.ts'
import { float32, missingBackends, testedBackends } from './backends.test.data.ts'
import { initialiseParameters } from './initialise.ts'
import { compilePrograms, integers } from './programs.ts'
import { createDecoder } from './decoder.ts'
import { gradientSumName, traceAccumulate, traceTrain, type StepSetup } from './step.ts'
import { readParameters, tinyCorpus, tinySetup } from './tiny.test.data.ts'

const SEED = 5
const corpus = tinyCorpus()
/**
 * A bias of the keys shifts all scores of a row alike, so its exact gradient is 0; Adam would blow the rounding errors
 * that are left of it up to full steps, and trajectories could not be compared.
 */
const NO_BIAS = { bias: false }

/** Initial values moved away from 0.02, 1 and 0, so that no term of a gradient is lost in another's rounding. */
function scatter(backend: Backend, setup: StepSetup): Map<string, Float64Array> {
  initialiseParameters(backend, setup.parameters, SEED)
  const parameters = new Map<string, Float64Array>()
  for (const { name, shape } of setup.parameters) {
    const values = backend.buffer(name, 'f32', shape)
    values.forEach((value, i) => {
      values[i] = Math.fround((shape.length === 2 ? 10 : 1) * value + 0.1 * Math.sin(i + name.length))
    })
    parameters.set(name, Float64Array.from(values))
  }
  return parameters
}

function batchAt(setup: StepSetup, step: number, microStep = 0): Batch & { ids: Int32Array; targets: Int32Array } {
  const [batchSize, context] = [setup.batchSize, setup.config.context]
  const [ids, targets] = [new Int32Array(batchSize * context), new Int32Array(batchSize * context)]
  fillBatch(corpus.train, { batchSize, context, seed: SEED, step, microStep }, ids, targets)
  return { ids, targets, B: batchSize, T: context }
}

function decays(setup: StepSetup): Map<string, number> {
  return new Map([...setup.optimizer.settings].map(([name, { weightDecay }]) => [name, weightDecay]))
}

describe.skipIf(true).each(missingBackends)('%s', () => {
  test('cannot run here', () => expect(missingBackends).toEqual([]))
})

describe.each(testedBackends)('$label', ({ create, tolerance }) => {
  test.each([true, false])('loss and every gradient are the plain twin’s (bias %j)', (bias) => {
    const backend = create()
    const setup = tinySetup({ config: { bias } })
    const parameters = scatter(backend, setup)
    const batch = batchAt(setup, 3)
    batch.targets[4] = -1
    integers(backend, 'accumulate/ids', [2, 8]).set(batch.ids)
    integers(backend, 'accumulate/targets', [2, 8]).set(batch.targets)
    backend.compile(traceAccumulate(setup)).run()
    const expected = lossAndGradients(setup.config, parameters, batch.ids, batch.targets, batch.B, batch.T, 'float64')
    expect(Math.abs(backend.buffer('accumulate/loss', 'f32', [])[0]! - expected.loss)).toBeLessThan(tolerance)
    expect([...expected.gradients.keys()]).toEqual(setup.parameters.map(({ name }) => name))
    for (const { name, shape } of setup.parameters) {
      const found = backend.buffer(gradientSumName(name), 'f32', shape)
      expect(relativeDifference(found, expected.gradients.get(name)!), name).toBeLessThan(tolerance)
    }
    backend.dispose()
  })

  test('the first 20 losses, gradient norms and the weights after them are the plain twin’s', () => {
    const backend = create()
    const setup = tinySetup({ config: NO_BIAS, betas: [0.9, 0.95], clip: 0.5 })
    const parameters = scatter(backend, setup)
    const programs = compilePrograms(backend, setup)
    const rate = warmupCosine({ peak: 1e-2, warmup: 4, steps: 20, floor: 1e-3 })
    const steps = Array.from({ length: 20 }, (_, step) => step)
    const ours = steps.map((step) => programs.step(corpus.train, { step, seed: SEED, learningRate: rate(step) }))
    const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: decays(setup), clipNorm: 0.5 }
    const batches = steps.map((step) => batchAt(setup, step))
    const { losses, gradientNorms } = train(setup.config, parameters, batches, steps.map(rate), options, 'float64')
    expect(gradientNorms.filter((norm) => norm > 0.5).length).toBeGreaterThan(3)
    expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.95)
    expect(
      relativeDifference(
        ours.map(({ loss }) => loss),
        losses,
      ),
    ).toBeLessThan(tolerance)
    expect(
      relativeDifference(
        ours.map(({ gradientNorm }) => gradientNorm),
        gradientNorms,
      ),
    ).toBeLessThan(tolerance)
    for (const [name, values] of readParameters(backend, setup)) {
      expect(relativeDifference(values, parameters.get(name)!), name).toBeLessThan(10 * tolerance)
    }
    backend.dispose()
  })

  test('two batches of one sequence accumulate to what the plain twin makes of both gradients', () => {
    const backend = create()
    const setup = tinySetup({ config: NO_BIAS, batchSize: 1, accumulation: 2, betas: [0.9, 0.95] })
    const parameters = scatter(backend, setup)
    const programs = compilePrograms(backend, setup)
    const state = adamwState(parameters)
    for (let step = 0; step < 3; step++) {
      const ours = programs.step(corpus.train, { step, seed: SEED, learningRate: 1e-2 })
      const both = [0, 1].map((microStep) => batchAt(setup, step, microStep))
      const joined = {
        ids: both.flatMap(({ ids }) => Array.from(ids)),
        targets: both.flatMap(({ targets }) => Array.from(targets)),
      }
      const { loss, gradients } = lossAndGradients(
        setup.config,
        parameters,
        joined.ids,
        joined.targets,
        2,
        8,
        'float64',
      )
      const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: decays(setup), clipNorm: 1 }
      const norm = adamwStep(parameters, gradients, state, { ...options, learningRate: 1e-2, step: step + 1 })
      expect(Math.abs(ours.loss - loss)).toBeLessThan(tolerance)
      expect(Math.abs(ours.gradientNorm - norm)).toBeLessThan(10 * tolerance)
    }
    for (const [name, values] of readParameters(backend, setup)) {
      expect(relativeDifference(values, parameters.get(name)!), name).toBeLessThan(10 * tolerance)
    }
    backend.dispose()
  })

  test('evaluation covers each validation target once, padding excluded', () => {
    const backend = create()
    const setup = tinySetup()
    const parameters = scatter(backend, setup)
    const { validation } = corpus
    const parts = [...compilePrograms(backend, setup).evaluate(validation)]
    expect(parts.reduce((sum, { count }) => sum + count, 0)).toBe(validation.length - 1)
    const T = setup.config.context
    let expected = 0
    for (let start = 0; start + 1 < validation.length; start += T) {
      const ids = validation.subarray(start, Math.min(start + T, validation.length - 1))
      const targets = validation.subarray(start + 1, start + 1 + ids.length)
      const { loss } = lossAndGradients(setup.config, parameters, ids, targets, 1, ids.length, 'float64')
      expected += loss * ids.length
    }
    const found = parts.reduce((sum, { lossSum }) => sum + lossSum, 0)
    expect(Math.abs(found / expected - 1)).toBeLessThan(tolerance)
    backend.dispose()
  })

  test('weight norms by role', () => {
    const backend = create()
    const setup = tinySetup()
    const parameters: Tensors = scatter(backend, setup)
    const norms = compilePrograms(backend, setup).weightNorms()
    expect(Object.keys(norms)).toEqual(['embedding', 'position', 'gain', 'bias', 'matrix'])
    for (const [role, norm] of Object.entries(norms)) {
      const members = setup.parameters.filter((parameter) => parameter.role === role)
      const squares = members.flatMap(({ name }) => [...parameters.get(name)!].map((w) => w * w))
      expect(Math.abs(norm / Math.sqrt(squares.reduce((sum, square) => sum + square, 0)) - 1)).toBeLessThan(tolerance)
    }
    backend.dispose()
  })

  test('the decoder’s logits are those of the whole sequence', () => {
    const backend = create()
    const setup = tinySetup()
    const parameters = scatter(backend, setup)
    const ids = [3, 1, 4, 1, 5, 9, 2, 6]
    const { logits } = lossAndGradients(setup.config, parameters, ids, ids, 1, 8, 'float64')
    const found = createDecoder(backend, setup).logitsAfter(ids.slice(0, 6))
    expect(relativeDifference(found, logits.slice(5 * 13, 6 * 13))).toBeLessThan(tolerance)
    backend.dispose()
  })

  test('dropout changes with the step and the batch, not from run to run, and not in evaluation', () => {
    const losses = [0, 1].map(() => {
      const backend = create()
      const setup = tinySetup({ config: { dropout: 0.5 }, accumulation: 2 })
      scatter(backend, setup)
      const programs = compilePrograms(backend, setup)
      const at = (step: number): number => {
        return programs.step(corpus.train, { step, seed: SEED, learningRate: 0 }).loss // the weights stay
      }
      const training = [at(0), at(1), at(0)]
      const evaluated = Array.from(programs.evaluate(corpus.validation), ({ lossSum }) => lossSum)
      backend.dispose()
      return { training, evaluated }
    })
    expect(losses[1]).toEqual(losses[0]) // runs
    const [first, second, repeated] = losses[0]!.training
    expect(repeated).toBe(first)
    expect(second).not.toBe(first)
    const backend = create()
    const plain = tinySetup()
    scatter(backend, plain)
    const evaluated = Array.from(compilePrograms(backend, plain).evaluate(corpus.validation), ({ lossSum }) => lossSum)
    expect(losses[0]!.evaluated).toEqual(evaluated)
    backend.dispose()
  })
})

/** The initial values under a seed, of the parameters of these names or of all. */
function initialValues(seed: number, names?: readonly string[]): Map<string, number[]> {
  const backend = float32.create()
  const { parameters } = tinySetup()
  const chosen = names ? parameters.filter(({ name }) => names.includes(name)) : parameters
  initialiseParameters(backend, chosen, seed)
  return readParameters(backend, { parameters: chosen })
}

test('initial values depend on the seed and the name alone, and are what the parameters declare', () => {
  const all = initialValues(1)
  expect(initialValues(1, ['h.1.mlp.c_proj.weight']).get('h.1.mlp.c_proj.weight')).toEqual(
    all.get('h.1.mlp.c_proj.weight'),
  )
  expect(initialValues(2).get('wte.weight')).not.toEqual(all.get('wte.weight'))
  expect(all.get('h.0.attn.c_proj.weight')).not.toEqual(all.get('h.1.attn.c_proj.weight'))
  const deviation = (name: string): number => Math.hypot(...all.get(name)!) / Math.sqrt(all.get(name)!.length)
  expect(deviation('h.0.mlp.c_fc.weight') / 0.02).toBeCloseTo(1, 1)
  expect(deviation('h.0.mlp.c_proj.weight') / (0.02 / 2)).toBeCloseTo(1, 1)
  expect(new Set(all.get('ln_f.weight'))).toEqual(new Set([1]))
  expect(new Set(all.get('h.0.mlp.c_fc.bias'))).toEqual(new Set([0]))
})

test('a truncated normal stays within its bound and keeps what was inside', () => {
  const backend = float32.create()
  const spec = { name: 'w', shape: [1000], role: 'matrix', aliases: [] } as const
  initialiseParameters(backend, [{ ...spec, init: { kind: 'normal', std: 2 } }], 1)
  const plain = [...backend.buffer('w', 'f32', [1000])]
  initialiseParameters(backend, [{ ...spec, init: { kind: 'truncated-normal', std: 2, bound: 1 } }], 1)
  const truncated = [...backend.buffer('w', 'f32', [1000])]
  expect(Math.max(...truncated.map(Math.abs))).toBeLessThanOrEqual(2)
  const inside = plain.flatMap((value, i) => (Math.abs(value) <= 2 ? [i] : []))
  expect(inside.length).toBeLessThan(800)
  expect(inside.map((i) => truncated[i])).toEqual(inside.map((i) => plain[i]))
})

test('sequences shorter than the context train on shorter sequences', () => {
  const setup = { ...tinySetup(), sequenceLength: 5 }
  const graph = traceTrain(setup)
  const ids = graphBuffers(graph).find(({ buffer }) => buffer === 'train/ids')
  expect(ids?.shape).toEqual([setup.batchSize, 5])
  expect(graphBuffers(graph).find(({ buffer }) => buffer === 'wpe.weight')?.shape[0]).toBe(setup.config.context)
})
