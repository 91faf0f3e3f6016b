/** Every architecture trains, with everything dropped that can be, and every backend gives the same losses. */
import { describe, expect, test } from 'vitest'
import { architectureNames, findModel, type ArchitectureName, type ModelConfig } from '../models/index.ts'
import { tinyConfigs } from '../models/tiny.test.data.ts'
import { adamw } from '../optim/index.ts'
import { compiledBackends, float64, type TestedBackend } from './backends.test.data.ts'
import { initialiseParameters } from './initialise.ts'
import { compilePrograms, type StepResult } from './programs.ts'
import type { StepSetup } from './step.ts'
import { tinyCorpus } from './tiny.test.data.ts'

const STEPS = 20
/** Small enough that rounding does not grow: at three times as much OLMo 2's losses multiply it by a thousand in these steps. */
const gentle = 3e-3
const fast = 1e-2

function setupOf(name: ArchitectureName, changes: Partial<ModelConfig>): StepSetup {
  const model = findModel(name)
  const config: ModelConfig = { ...tinyConfigs[name], layers: 2, ...changes }
  const parameters = model.declareParameters(config)
  const optimizer = adamw([{ params: parameters, weightDecay: 0.1 }], { learningRate: gentle })
  return { model, config, parameters, optimizer, batchSize: 3, sequenceLength: 7, accumulation: 1, clip: 1 }
}

/** The first steps of a run, and the validation loss after them. */
function run(
  { create }: TestedBackend,
  setup: StepSetup,
  count = STEPS,
  learningRate = gentle,
): { steps: readonly StepResult[]; valLoss: number } {
  const backend = create()
  const programs = compilePrograms(backend, setup)
  initialiseParameters(backend, setup.parameters, 5)
  for (const { name, shape } of setup.optimizer.init(setup.parameters)) backend.buffer(name, 'f32', shape).fill(0)
  const corpus = tinyCorpus(setup.config.vocab)
  const steps = Array.from({ length: count }, (_, step) => {
    return programs.step(corpus.train, { step, seed: 9, learningRate })
  })
  const parts = [...programs.evaluate(corpus.validation)]
  const sum = (key: 'lossSum' | 'count'): number => parts.reduce((total, part) => total + part[key], 0)
  const valLoss = sum('lossSum') / sum('count')
  backend.dispose()
  return { steps, valLoss }
}

describe.each(architectureNames)('%s', (name) => {
  const dropping = { dropout: 0.1, stochasticDepth: 0.3 }
  const setup = setupOf(name, dropping)
  const exact = run(float64, setup)
  const losses = ({ steps }: ReturnType<typeof run>): number[] => steps.map(({ loss }) => loss)

  test('it learns', () => {
    const plain = run(compiledBackends[0] ?? float64, setupOf(name, {}), 80, fast)
    expect(plain.steps.at(-1)!.loss).toBeLessThan(0.9 * plain.steps[0]!.loss)
    expect(losses(plain)[0]).not.toBeCloseTo(losses(exact)[0]!, 3) // the masks do something
  })

  test.each(compiledBackends)('its first losses on $label are float64’s within rounding', (on) => {
    const found = run(on, setup)
    for (const [step, loss] of losses(exact).entries()) {
      expect(Math.abs(losses(found)[step]! / loss - 1), `step ${step}`).toBeLessThan(on.tolerance / 10)
    }
    expect(Math.abs(found.valLoss / exact.valLoss - 1)).toBeLessThan(on.tolerance / 10)
    expect(found.steps.map(({ auxiliaryLosses }) => Object.keys(auxiliaryLosses))).toEqual(
      exact.steps.map(({ auxiliaryLosses }) => Object.keys(auxiliaryLosses)),
    )
  })

  test('a z-loss is reported apart and changes what is learnt, not what is measured', () => {
    const weight = setup.config.zLoss ?? 0
    const reported = exact.steps.map(({ auxiliaryLosses }) => auxiliaryLosses['z'])
    if (weight === 0) return expect(new Set(reported)).toEqual(new Set([undefined]))
    const without = run(float64, setupOf(name, { ...dropping, zLoss: 0 }))
    expect(without.steps[0]!.loss).toBe(exact.steps[0]!.loss)
    expect(without.steps[0]!.gradientNorm).not.toBe(exact.steps[0]!.gradientNorm)
    for (const value of reported) expect(value).toBeGreaterThan(0)
  })
})
