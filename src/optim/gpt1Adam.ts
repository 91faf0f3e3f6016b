/**
 * The Adam that trained GPT-1 (openai/finetune-transformer-lm opt.py, 2018: "adam with weight decay fix"), already
 * decoupled. It differs from AdamW in two ways: the decay is multiplied by the bias-corrected rate, so the first
 * steps hardly decay, and ε stands beside the uncorrected √v.
 *
 *     m ← β1·m + (1 − β1)·g
 *     v ← β2·v + (1 − β2)·g²
 *     r = lr·√(1 − β2ᵗ) / (1 − β1ᵗ)
 *     w ← w − r·(m / (√v + ε) + λ·w)
 */
import { add, div, mul, sqrt, square } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { betaPair, decayRules, positive, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 2.5e-4 and weightDecay 0.01 (Radford et al. 2018 §4.1), form `decoupled`. */
export interface Gpt1AdamOptions extends DecayOptions {
  /** β1 and β2, from 0 to less than 1; default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const gpt1AdamRules: OptionRules<Gpt1AdamOptions> = {
  ...decayRules({ learningRate: 2.5e-4, weightDecay: 0.01, form: 'decoupled' }),
  betas: betaPair(0.9, 0.999),
  eps: positive(1e-8),
}

/** √(1 − β2ᵗ) / (1 − β1ᵗ) for a step counted from 0, t = step + 1. */
export function gpt1RateCorrection({ betas }: Pick<Required<Gpt1AdamOptions>, 'betas'>): (step: number) => number {
  const [beta1, beta2] = betas
  return (step) => Math.sqrt(1 - beta2 ** (step + 1)) / (1 - beta1 ** (step + 1))
}

/** GPT-1's Adam over parameter groups. Forms see the bias-corrected rate as the learning rate. Throws as `adamw` does. */
export function gpt1Adam(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: Gpt1AdamOptions = {},
): Optimizer {
  const settled = readOptions('gpt-1-adam', options, gpt1AdamRules)
  const { betas, eps } = settled
  const [beta1, beta2] = betas
  const correction = gpt1RateCorrection(settled)
  return decayingOptimizer('gpt-1-adam', groups, settled, {
    states: ({ name, shape }) => [
      { name: `${name}.exp_avg`, shape },
      { name: `${name}.exp_avg_sq`, shape },
    ],
    scalars: (step) => ({ biasCorrection: correction(step - 1) }),
    correctedRate: ({ learningRate, scalar }) => mul(learningRate, scalar('biasCorrection')),
    step: ({ name, gradient, learningRate, state }) => {
      const m = add(mul(state(`${name}.exp_avg`), beta1), mul(gradient, 1 - beta1))
      const v = add(mul(state(`${name}.exp_avg_sq`), beta2), mul(square(gradient), 1 - beta2))
      return {
        direction: div(m, add(sqrt(v), eps)),
        scale: learningRate,
        states: { [`${name}.exp_avg`]: m, [`${name}.exp_avg_sq`]: v },
      }
    },
  })
}
