/**
 * RMSprop (Hinton, lecture 6e) exactly as PyTorch's `torch.optim.RMSprop` without momentum:
 *
 *     g ← g + λ·w                      (form `gradient-l2`, PyTorch's)
 *     v ← α·v + (1 − α)·g²
 *     w ← w − lr·g / (√v + ε)
 */
import { add, div, mul, sqrt, square } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { decayRules, fraction, positive, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 0.01, weightDecay 0, form `gradient-l2`. */
export interface RmspropOptions extends DecayOptions {
  /** α, from 0 to less than 1; default 0.99. */
  readonly alpha?: number
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const rmspropRules: OptionRules<RmspropOptions> = {
  ...decayRules({ learningRate: 0.01, weightDecay: 0, form: 'gradient-l2' }),
  alpha: fraction(0.99),
  eps: positive(1e-8),
}

/** RMSprop over parameter groups. Throws as `adamw` does. */
export function rmsprop(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: RmspropOptions = {},
): Optimizer {
  const settled = readOptions('rmsprop', options, rmspropRules)
  const { alpha, eps } = settled
  return decayingOptimizer('rmsprop', groups, settled, {
    states: ({ name, shape }) => [{ name: `${name}.square_avg`, shape }],
    scalars: () => ({}),
    step: ({ name, gradient, learningRate, state }) => {
      const v = add(mul(state(`${name}.square_avg`), alpha), mul(square(gradient), 1 - alpha))
      return {
        direction: div(gradient, add(sqrt(v), eps)),
        scale: learningRate,
        states: { [`${name}.square_avg`]: v },
      }
    },
  })
}
