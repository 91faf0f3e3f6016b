/**
 * Lion (Chen et al. 2023, arXiv 2302.06675):
 *
 *     u = sign(β1·m + (1 − β1)·g)
 *     m ← β2·m + (1 − β2)·g
 *     w ← w − lr·λ·w − lr·u
 *
 * Every element moves by lr, so lr is 3 to 10 times smaller than AdamW's and λ as many times larger: lr·λ stays.
 */
import { add, greater, less, mul, sub } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { betaPair, decayRules, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 1e-4, weightDecay 0 (lion-pytorch; optax has 1e-3), form `decoupled`. */
export interface LionOptions extends DecayOptions {
  /** β1 and β2, from 0 to less than 1; default 0.9 and 0.99. */
  readonly betas?: readonly [number, number]
}

/** Defaults and limits of the options. */
export const lionRules: OptionRules<LionOptions> = {
  ...decayRules({ learningRate: 1e-4, weightDecay: 0, form: 'decoupled' }),
  betas: betaPair(0.9, 0.99),
}

/** Lion over parameter groups. Throws as `adamw` does. */
export function lion(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: LionOptions = {},
): Optimizer {
  const settled = readOptions('lion', options, lionRules)
  const [beta1, beta2] = settled.betas
  return decayingOptimizer('lion', groups, settled, {
    states: ({ name, shape }) => [{ name: `${name}.exp_avg`, shape }],
    scalars: () => ({}),
    step: ({ name, gradient, learningRate, state }) => {
      const m = state(`${name}.exp_avg`)
      const blend = add(mul(m, beta1), mul(gradient, 1 - beta1))
      return {
        direction: sub(greater(blend, 0), less(blend, 0)), // sign
        scale: learningRate,
        states: { [`${name}.exp_avg`]: add(mul(m, beta2), mul(gradient, 1 - beta2)) },
      }
    },
  })
}
