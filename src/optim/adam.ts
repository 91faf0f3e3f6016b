/**
 * Adam (Kingma & Ba 2015, arXiv 1412.6980) exactly as PyTorch's `torch.optim.Adam`, whose weight_decay is L2 in the
 * gradient. It stays that here: who wants the decay outside the moments asks for `adamw`, or for another form.
 *
 *     g ← g + λ·w                      (form `gradient-l2`)
 *     m ← β1·m + (1 − β1)·g            m̂ = m / (1 − β1ᵗ)
 *     v ← β2·v + (1 − β2)·g²           v̂ = v / (1 − β2ᵗ)
 *     w ← w − lr·m̂ / (√v̂ + ε)
 */
import { add, div, mul, sqrt, square } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { betaPair, decayRules, positive, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 1e-3, weightDecay 0, form `gradient-l2`. */
export interface AdamOptions extends DecayOptions {
  /** β1 and β2, from 0 to less than 1; default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const adamRules: OptionRules<AdamOptions> = {
  ...decayRules({ learningRate: 1e-3, weightDecay: 0, form: 'gradient-l2' }),
  betas: betaPair(0.9, 0.999),
  eps: positive(1e-8),
}

/** Adam over parameter groups. Throws as `adamw` does. */
export function adam(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: AdamOptions = {},
): Optimizer {
  const settled = readOptions('adam', options, adamRules)
  const { betas, eps } = settled
  const [beta1, beta2] = betas
  return decayingOptimizer('adam', groups, settled, {
    states: ({ name, shape }) => [
      { name: `${name}.exp_avg`, shape },
      { name: `${name}.exp_avg_sq`, shape },
    ],
    scalars: (step) => ({ biasCorrection1: 1 - beta1 ** step, biasCorrection2: 1 - beta2 ** step }),
    step: ({ name, gradient, learningRate, state, scalar }) => {
      const m = add(mul(state(`${name}.exp_avg`), beta1), mul(gradient, 1 - beta1))
      const v = add(mul(state(`${name}.exp_avg_sq`), beta2), mul(square(gradient), 1 - beta2))
      const root = div(sqrt(v), sqrt(scalar('biasCorrection2'))) // √v̂
      return {
        direction: div(m, add(root, eps)),
        scale: div(learningRate, scalar('biasCorrection1')),
        states: { [`${name}.exp_avg`]: m, [`${name}.exp_avg_sq`]: v },
      }
    },
  })
}
