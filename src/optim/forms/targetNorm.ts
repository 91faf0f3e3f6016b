/**
 * Weight norm control: the decay stops at a norm instead of 0,
 *
 *     w ← w − η_t·λ·(1 − r·‖w₀‖/‖w‖)·w
 *
 * with ‖w₀‖ the tensor's own initial norm, kept as a state. r = 0 is AdamW; r = 1 holds the initial norm, pulling back
 * from both sides. A tensor that is all 0 is left alone.
 */
import { div, greater, mul, select, sqrt, square, sub, sum, type Tensor } from '../../engine/index.ts'
import type { DecayForm } from './form.ts'

/** `ratio` is r, zero or more. */
export function targetNorm(ratio: number): DecayForm {
  return {
    name: 'target-norm',
    equation: `w ← w − η_t·λ·(1 − ${ratio}·‖w₀‖/‖w‖)·w`,
    source: 'Loshchilov 2023, arXiv 2311.11446 (AdamWN)',
    actsOn: 'weights',
    usesPeak: false,
    states: () => ({ initial_norm: [] }),
    pull: ({ parameter, learningRate, lambda, remembered }) => {
      const norm: Tensor = sqrt(sum(square(parameter))) // []
      const target = mul(remembered('initial_norm', norm), ratio)
      const excess = select(greater(norm, 0), sub(1, div(target, norm)), 0)
      return { rate: mul(mul(learningRate, lambda()), excess) }
    },
    rate: ({ learningRate, weightDecay }) => (ratio === 0 ? learningRate * weightDecay : null),
  }
}
