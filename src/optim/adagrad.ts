/**
 * Adagrad (Duchi et al. 2011) exactly as PyTorch's `torch.optim.Adagrad`:
 *
 *     g ← g + λ·w                      (form `gradient-l2`, PyTorch's)
 *     s ← s + g²
 *     w ← w − lr·g / (√s + ε)
 */
import { add, div, sqrt, square } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { decayRules, positive, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 0.01, weightDecay 0, form `gradient-l2`. */
export interface AdagradOptions extends DecayOptions {
  /** ε, above 0; default 1e-10. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const adagradRules: OptionRules<AdagradOptions> = {
  ...decayRules({ learningRate: 0.01, weightDecay: 0, form: 'gradient-l2' }),
  eps: positive(1e-10),
}

/** Adagrad over parameter groups. Throws as `adamw` does. */
export function adagrad(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: AdagradOptions = {},
): Optimizer {
  const settled = readOptions('adagrad', options, adagradRules)
  return decayingOptimizer('adagrad', groups, settled, {
    states: ({ name, shape }) => [{ name: `${name}.sum`, shape }],
    scalars: () => ({}),
    step: ({ name, gradient, learningRate, state }) => {
      const total = add(state(`${name}.sum`), square(gradient))
      return {
        direction: div(gradient, add(sqrt(total), settled.eps)),
        scale: learningRate,
        states: { [`${name}.sum`]: total },
      }
    },
  })
}
