/**
 * SGD with momentum exactly as PyTorch's `torch.optim.SGD`:
 *
 *     g ← g + λ·w                      (form `gradient-l2`, PyTorch's)
 *     b ← μ·b + (1 − τ)·g              but b ← g in the first step, τ the dampening
 *     w ← w − lr·(b, or g + μ·b with Nesterov)
 *
 * Without momentum the forms `gradient-l2`, `loss-l2` and `decoupled` are the same; with it they are not, since b
 * keeps λ·w.
 */
import { add, mul } from '../engine/index.ts'
import { decayingOptimizer } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import {
  decayRules,
  flag,
  fraction,
  nonNegative,
  readOptions,
  type DecayOptions,
  type OptionRules,
} from './optionRules.ts'

/** Defaults: learningRate 1e-3, weightDecay 0, form `gradient-l2`. */
export interface SgdOptions extends DecayOptions {
  /** μ, from 0 to less than 1; default 0, which keeps no state. */
  readonly momentum?: number
  /** τ; default 0. Nesterov's momentum needs 0. */
  readonly dampening?: number
  /** Default false; needs momentum. */
  readonly nesterov?: boolean
}

/** Defaults and limits of the options. */
export const sgdRules: OptionRules<SgdOptions> = {
  ...decayRules({ learningRate: 1e-3, weightDecay: 0, form: 'gradient-l2' }),
  momentum: fraction(0),
  dampening: nonNegative(0),
  nesterov: flag(false),
}

/** SGD over parameter groups. Throws as `adamw` does, and RangeError for Nesterov without momentum or with dampening. */
export function sgd(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: SgdOptions = {},
): Optimizer {
  const settled = readOptions('sgd', options, sgdRules)
  const { momentum, dampening, nesterov } = settled
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new RangeError(
      `Nesterov's step needs a momentum above 0 and a dampening of 0; they are ${momentum} and ${dampening}.`,
    )
  }
  return decayingOptimizer('sgd', groups, settled, {
    states: ({ name, shape }) => (momentum === 0 ? [] : [{ name: `${name}.momentum_buffer`, shape }]),
    // (1 − τ), or 1 in the first step
    scalars: (step): Readonly<Record<string, number>> =>
      momentum === 0 ? {} : { gradientShare: step === 1 ? 1 : 1 - dampening },
    step: ({ name, gradient, learningRate, state, scalar }) => {
      if (momentum === 0) return { direction: gradient, scale: learningRate, states: {} }
      const buffer = add(mul(state(`${name}.momentum_buffer`), momentum), mul(gradient, scalar('gradientShare')))
      return {
        direction: nesterov ? add(gradient, mul(buffer, momentum)) : buffer,
        scale: learningRate,
        states: { [`${name}.momentum_buffer`]: buffer },
      }
    },
  })
}
