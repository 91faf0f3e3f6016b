/** The plain twin in reference/gpt.ts against PyTorch's own model, gradients and AdamW (gpt2.py writes gpt2.json). */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type Batch,
  forward,
  globalNorm,
  type GptConfig,
  IGNORED_TARGET,
  lossAndGradients,
  type Numbers,
  parameterShapes,
  train,
} from '../../reference/gpt.ts'
import { relativeDifference } from './relativeDifference.ts'

function decayByDimension(config: GptConfig, decay: number): Map<string, number> {
  return new Map([...parameterShapes(config)].map(([name, shape]) => [name, shape.length >= 2 ? decay : 0]))
}

interface Golden {
  source: string
  optimizer: {
    beta1: number
    beta2: number
    epsilon: number
    weightDecay: number
    clipNorm: number
    learningRates: number[]
  }
  cases: Record<
    'bias' | 'noBias',
    {
      config: GptConfig
      weights: Record<string, number[]>
      batches: (Batch & { loss: number; logits: number[] })[]
      gradients: Record<string, number[]>
      losses: number[]
      gradientNorms: number[]
      finalNorms: Record<string, number>
    }
  >
}

const golden = JSON.parse(readFileSync(new URL('./gpt2.json', import.meta.url), 'utf8')) as Golden

describe(`golden values of ${golden.source}, to 1e-9`, () => {
  const tolerance = 1e-9

  for (const [name, expected] of Object.entries(golden.cases)) {
    const { config } = expected
    const weights = (): Map<string, Numbers> =>
      new Map(Object.entries(expected.weights).map(([key, values]) => [key, Float64Array.from(values)]))

    it(`${name}: names and order of the parameters`, () => {
      expect([...weights().keys()]).toEqual([...parameterShapes(config).keys()])
    })

    it(`${name}: logits and loss of both batches, one with ignored targets`, () => {
      expect(expected.batches[1]!.targets).toContain(IGNORED_TARGET)
      for (const { ids, targets, B, T, loss, logits } of expected.batches) {
        const ours = forward(config, weights(), ids, targets, B, T, 'float64')
        expect(relativeDifference([ours.loss], [loss])).toBeLessThan(tolerance)
        expect(relativeDifference(ours.logits, logits)).toBeLessThan(tolerance)
      }
    })

    it(`${name}: every gradient by name`, () => {
      const { ids, targets, B, T } = expected.batches[0]!
      const { gradients } = lossAndGradients(config, weights(), ids, targets, B, T, 'float64')
      expect(Object.keys(expected.gradients)).toEqual([...gradients.keys()])
      for (const [key, gradient] of gradients) {
        expect(relativeDifference(gradient, expected.gradients[key]!), key).toBeLessThan(tolerance)
      }
    })

    it(`${name}: 20 losses, gradient norms and the norms of the final weights`, () => {
      const { learningRates, weightDecay, ...options } = golden.optimizer
      const decay = decayByDimension(config, weightDecay)
      const batches = learningRates.map((_, step) => expected.batches[step % 2]!)
      const parameters = weights()
      const ours = train(config, parameters, batches, learningRates, { ...options, weightDecay: decay }, 'float64')
      expect(ours.losses).toHaveLength(20)
      expect(expected.gradientNorms.some((norm) => norm > options.clipNorm)).toBe(true)
      expect(relativeDifference(ours.losses, expected.losses)).toBeLessThan(tolerance)
      expect(relativeDifference(ours.gradientNorms, expected.gradientNorms)).toBeLessThan(tolerance)
      for (const [key, values] of parameters) {
        const norm = globalNorm(new Map([[key, values]]))
        expect(Math.abs(norm / expected.finalNorms[key]! - 1), key).toBeLessThan(tolerance)
      }
    })
  }
})
