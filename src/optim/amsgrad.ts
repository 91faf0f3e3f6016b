/**
 * AMSGrad (Reddi et al. 2018, arXiv 1904.09237) exactly as PyTorch's `amsgrad=True`: Adam whose second moment never
 * falls. The maximum is taken before the bias correction.
 *
 *     m ← β1·m + (1 − β1)·g
 *     v ← β2·v + (1 − β2)·g²           v_max ← max(v_max, v)
 *     w ← w − lr·(m / (1 − β1ᵗ)) / (√(v_max / (1 − β2ᵗ)) + ε)
 *
 * The form `gradient-l2` is `Adam(amsgrad=True)`, `decoupled` is `AdamW(amsgrad=True)`.
 */
import { add, div, maximum, mul, sqrt, square } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { betaPair, decayRules, positive, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 1e-3, weightDecay 0, form `gradient-l2`. */
export interface AmsgradOptions extends DecayOptions {
  /** β1 and β2, from 0 to less than 1; default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const amsgradRules: OptionRules<AmsgradOptions> = {
  ...decayRules({ learningRate: 1e-3, weightDecay: 0, form: 'gradient-l2' }),
  betas: betaPair(0.9, 0.999),
  eps: positive(1e-8),
}

/** AMSGrad over parameter groups. Throws as `adamw` does. */
export function amsgrad(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: AmsgradOptions = {},
): Optimizer {
  const settled = readOptions('amsgrad', options, amsgradRules)
  const { betas, eps } = settled
  const [beta1, beta2] = betas
  return decayingOptimizer('amsgrad', groups, settled, {
    states: ({ name, shape }) => [
      { name: `${name}.exp_avg`, shape },
      { name: `${name}.exp_avg_sq`, shape },
      { name: `${name}.max_exp_avg_sq`, shape },
    ],
    scalars: (step) => ({ biasCorrection1: 1 - beta1 ** step, biasCorrection2: 1 - beta2 ** step }),
    step: ({ name, gradient, learningRate, state, scalar }) => {
      const m = add(mul(state(`${name}.exp_avg`), beta1), mul(gradient, 1 - beta1))
      const v = add(mul(state(`${name}.exp_avg_sq`), beta2), mul(square(gradient), 1 - beta2))
      const highest = maximum(state(`${name}.max_exp_avg_sq`), v)
      const root = div(sqrt(highest), sqrt(scalar('biasCorrection2')))
      return {
        direction: div(m, add(root, eps)),
        scale: div(learningRate, scalar('biasCorrection1')),
        states: { [`${name}.exp_avg`]: m, [`${name}.exp_avg_sq`]: v, [`${name}.max_exp_avg_sq`]: highest },
      }
    },
  })
}
