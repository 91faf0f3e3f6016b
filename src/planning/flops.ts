/** Work per token, by the convention in which the field compares runs (Chowdhery et al. 2022, PaLM, appendix B). */
import { parameterCount, type ParameterSpec } from '../nn/parameter.ts'
import type { ModelSetup, StepSetup } from '../train/index.ts'

/**
 * 6·N + 12·L·H·Q·T floating-point operations per token, forward and backward: N counts the weights that multiply
 * activations (with experts only those that a token visits, and the token table only where it is the output layer too),
 * Q is the width of a head, T the keys that a query may see. Causality is not taken into account, by convention.
 */
export function flopsPerToken(step: StepSetup): number {
  const { parameters, config, sequenceLength } = step
  const multiplied = parameters
    .filter(isMultiplied)
    .reduce((sum, { shape, activeShare = 1 }) => sum + parameterCount(shape) * activeShare, 0)
  const headDim = config.headDim ?? config.width / config.heads
  return 6 * multiplied + 12 * config.heads * headDim * visibleKeys(step, sequenceLength)
}

/** Whether a parameter is the matrix of a product with activations; lookup tables, gains and biases are not. */
export function isMultiplied({ role, aliases }: Pick<ParameterSpec, 'role' | 'aliases'>): boolean {
  return role === 'matrix' || role === 'head' || role === 'router' || (role === 'embedding' && aliases.length > 0)
}

/** Keys that a query may see, summed over the layers. */
function visibleKeys({ model, config }: ModelSetup, time: number): number {
  let keys = 0
  for (let layer = 0; layer < config.layers; layer++) {
    const window = model.windowOf(config, layer)
    keys += window === 0 ? time : Math.min(window, time)
  }
  return keys
}
