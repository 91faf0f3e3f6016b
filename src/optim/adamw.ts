/**
 * AdamW (Loshchilov & Hutter, 2019, arXiv 1711.05101) exactly as PyTorch's `torch.optim.AdamW`, as an (init, update)
 * pair traced into the step. For a gradient g of a parameter w in step t, counted from 1:
 *
 *     m ← β1·m + (1 − β1)·g            m̂ = m / (1 − β1ᵗ)
 *     v ← β2·v + (1 − β2)·g²           v̂ = v / (1 − β2ᵗ)
 *     w ← w − lr·λ·w − lr·m̂ / (√v̂ + ε)
 *
 * The decay is multiplied by lr and never passes through m and v. lr, the groups' λ and both bias corrections enter as
 * scalars at run time, so that a schedule never recompiles.
 */
import { add, div, mul, sqrt, square } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import { betaPair, decayRules, positive, readOptions, type DecayOptions, type OptionRules } from './optionRules.ts'

/** Defaults: learningRate 1e-3, weightDecay 0.01, form `decoupled`. */
export interface AdamwOptions extends DecayOptions {
  /** β1 and β2, from 0 to less than 1; default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
}

/** Defaults and limits of the options. */
export const adamwRules: OptionRules<AdamwOptions> = {
  ...decayRules({ learningRate: 1e-3, weightDecay: 0.01, form: 'decoupled' }),
  betas: betaPair(0.9, 0.999),
  eps: positive(1e-8),
}

/** Names of a parameter's two moments; checkpoints are keyed by them (they are PyTorch's names). */
export function momentNames(parameter: string): { readonly first: string; readonly second: string } {
  return { first: `${parameter}.exp_avg`, second: `${parameter}.exp_avg_sq` }
}

const CORRECTION1 = 'biasCorrection1'
const CORRECTION2 = 'biasCorrection2'

/**
 * AdamW over parameter groups, in the shape of PyTorch's:
 *
 *     adamw([{ params: matrices, weightDecay: 0.1 }, { params: rest, weightDecay: 0 }], { learningRate: 3e-4 })
 *
 * Throws as `resolveGroups` does, TypeError for an unknown option, and RangeError for betas or eps out of range.
 */
export function adamw(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: AdamwOptions = {},
): Optimizer {
  const settled = readOptions('adamw', options, adamwRules)
  const { betas, eps } = settled
  const [beta1, beta2] = betas
  return decayingOptimizer('adamw', groups, settled, {
    states: ({ name, shape }) => Object.values(momentNames(name)).map((state) => ({ name: state, shape })),
    scalars: (step) => ({ [CORRECTION1]: 1 - beta1 ** step, [CORRECTION2]: 1 - beta2 ** step }),
    step: ({ name, gradient, learningRate, state, scalar }) => {
      const { first, second } = momentNames(name)
      const m = add(mul(state(first), beta1), mul(gradient, 1 - beta1))
      const v = add(mul(state(second), beta2), mul(square(gradient), 1 - beta2))
      const root = div(sqrt(v), sqrt(scalar(CORRECTION2))) // √v̂
      return {
        direction: div(m, add(root, eps)),
        scale: div(learningRate, scalar(CORRECTION1)), // lr·m̂ = (lr / (1 − β1ᵗ))·m
        states: { [first]: m, [second]: v },
      }
    },
  })
}
