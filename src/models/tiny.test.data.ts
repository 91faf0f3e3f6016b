/** A small configuration of every architecture with sizes that are all different, and weights for it. */
import { parameterCount, type ParameterSpec } from '../nn/parameter.ts'
import type { ArchitectureName, ModelConfig } from './index.ts'

const common = { layers: 3, heads: 4, width: 16, context: 7, vocab: 11, dropout: 0, stochasticDepth: 0 }
const rotary = { kvHeads: 2, feedForward: 20, normEps: 1e-5, ropeTheta: 100 }

const routed = { feedForward: 5, experts: 4, expertsPerToken: 2, balanceLoss: 0.02 }

export const tinyConfigs: Readonly<Record<ArchitectureName, ModelConfig>> = {
  gpt2: { ...common, bias: true },
  gpt3: { ...common, bias: true, window: 3 },
  llama: { ...common, ...rotary, tied: false },
  palm: { ...common, ...rotary, kvHeads: 1, headDim: 6, zLoss: 1e-2 },
  'grok-1': { ...common, ...rotary, ...routed, headDim: 6, softCap: 0.5 },
  mistral: { ...common, ...rotary, window: 3, tied: false },
  mixtral: { ...common, ...rotary, ...routed, window: 3, tied: false },
  'gpt-neox': { ...common, normEps: 1e-5, ropeTheta: 100, rotaryShare: 0.5, tied: false },
  olmo2: { ...common, ...rotary, normEps: 1e-6, tied: false, zLoss: 1e-2 },
  qwen3: { ...common, ...rotary, headDim: 6, tied: true },
}

/** Values that look random, of every parameter by name and alias; gains near 1. */
export function tinyWeights(parameters: readonly ParameterSpec[]): Map<string, Float64Array> {
  let seed = 1
  const next = (): number => {
    seed = (seed * 48271) % 2147483647
    return seed / 2147483647 - 0.5
  }
  return new Map(
    parameters.flatMap(({ name, aliases, shape, role }) => {
      const values = Float64Array.from({ length: parameterCount(shape) }, () =>
        Math.fround(role === 'gain' ? 1 + next() : next()),
      )
      return [name, ...aliases].map((label) => [label, values] as const)
    }),
  )
}
