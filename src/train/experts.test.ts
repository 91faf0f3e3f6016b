/** Training with experts: its balancing loss apart from the loss, and the same bits for any number of threads. */
import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { findModel, type ModelConfig } from '../models/index.ts'
import { tinyConfigs } from '../models/tiny.test.data.ts'
import { adamw } from '../optim/index.ts'
import { compiledBackends, float64, type TestedBackend } from './backends.test.data.ts'
import { initialiseParameters } from './initialise.ts'
import { compilePrograms, type StepResult } from './programs.ts'
import { tinyCorpus } from './tiny.test.data.ts'

interface Run {
  readonly steps: readonly StepResult[]
  readonly weights: ReadonlyMap<string, readonly number[]>
}

function run(on: TestedBackend, name: 'mixtral' | 'grok-1', changes: Partial<ModelConfig>, threads = 1): Run {
  const model = findModel(name)
  const config = { ...tinyConfigs[name], layers: 2, ...changes }
  const parameters = model.declareParameters(config)
  const optimizer = adamw([{ params: parameters, weightDecay: 0.1 }], { learningRate: 1e-2 })
  const sizes = { batchSize: 6, sequenceLength: 7, accumulation: 1, clip: 1 }
  const backend = on.create(threads)
  const programs = compilePrograms(backend, { model, config, parameters, optimizer, ...sizes })
  initialiseParameters(backend, parameters, 5)
  for (const { name: state, shape } of optimizer.init(parameters)) backend.buffer(state, 'f32', shape).fill(0)
  const corpus = tinyCorpus(config.vocab)
  const steps = Array.from({ length: 4 }, (_, step) => {
    return programs.step(corpus.train, { step, seed: 9, learningRate: 1e-2 })
  })
  const weights = parameters.map((p) => [p.name, [...backend.buffer(p.name, 'f32', p.shape)]] as const)
  backend.dispose()
  return { steps, weights: new Map(weights) }
}

describe.each(['mixtral', 'grok-1'] as const)('%s', (name) => {
  test.skipIf(availableParallelism() < 2).each(compiledBackends)(
    'gives the same bits on two threads on $label',
    (on) => {
      expect(run(on, name, {}, 2)).toEqual(run(on, name, {}, 1))
    },
  )

  test('the balancing loss is reported apart, changes what is learnt, and is told where it does not', () => {
    const [with_, without] = [run(float64, name, { balanceLoss: 1 }), run(float64, name, { balanceLoss: 0 })]
    expect(with_.steps[0]!.loss).toBe(without.steps[0]!.loss)
    expect(with_.steps[0]!.gradientNorm).not.toBe(without.steps[0]!.gradientNorm)
    expect(without.steps[0]!.auxiliaryLosses).toEqual(with_.steps[0]!.auxiliaryLosses)
    expect(without.steps[1]!.auxiliaryLosses).not.toEqual(with_.steps[1]!.auxiliaryLosses)
    // 2 where all experts are used alike; 4, their number, is the most
    for (const { auxiliaryLosses } of [...with_.steps, ...without.steps]) {
      expect(auxiliaryLosses['balance']).toBeGreaterThan(1.9)
      expect(auxiliaryLosses['balance']).toBeLessThan(4)
    }
  })
})
