/**
 * Schedule-Free AdamW (Defazio et al. 2024, arXiv 2405.15682; facebookresearch/schedule_free): instead of lowering the
 * learning rate, the weights to publish are an average x of a fast sequence z, and gradients are taken in between, at
 * y, which is what the parameter holds while training:
 *
 *     v ← β2·v + (1 − β2)·g²           g at y, v̂ = v / (1 − β2ᵗ)
 *     d = lr·g / (√v̂ + ε) + (decay of y)
 *     z ← z − d
 *     x ← (1 − c)·x + c·z              c = lr_max²·tʳ / Σ lr_max²·tʳ; 1/t at a constant rate
 *     y ← β1·x + (1 − β1)·z, that is   y ← y + c·(z − y) − (1 − β1·(1 − c))·d  with the old z
 *
 * x is not kept: x = y + (1 − 1/β1)·(z − y). Evaluate, sample and publish `evaluationWeights`; y is the worse model.
 * Give it warm-up and then a constant rate.
 */
import { add, div, greater, maximum, mul, select, sqrt, square, sub, type Tensor } from '../engine/index.ts'
import { decayingOptimizer, decayOf, type SharedScope } from './decayingOptimizer.ts'
import type { GroupParameter, ParameterGroup } from './groups.ts'
import type { Optimizer } from './optimizer.ts'
import {
  betaPair,
  decayRules,
  nonNegative,
  positive,
  readOptions,
  type DecayOptions,
  type OptionRules,
} from './optionRules.ts'

/** Defaults: learningRate 2.5e-3, weightDecay 0, form `decoupled`, at y. */
export interface ScheduleFreeOptions extends DecayOptions {
  /** β1, above 0, and β2, from 0 to less than 1; default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
  /** r: later steps weigh tʳ; default 0. */
  readonly polynomial?: number
}

/** Defaults and limits of the options. */
export const scheduleFreeRules: OptionRules<ScheduleFreeOptions> = {
  ...decayRules({ learningRate: 2.5e-3, weightDecay: 0, form: 'decoupled' }),
  betas: betaPair(0.9, 0.999),
  eps: positive(1e-8),
  polynomial: nonNegative(0),
}

/** Shared by all parameters: Σ lr_max²·tʳ, and the largest learning rate so far. */
const WEIGHT_SUM = 'schedule_free.weight_sum'
const LARGEST_RATE = 'schedule_free.lr_max'

/** Schedule-Free AdamW over parameter groups. Throws as `adamw` does, and RangeError for β1 = 0. */
export function scheduleFree(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: ScheduleFreeOptions = {},
): Optimizer {
  const settled = readOptions('schedule-free', options, scheduleFreeRules)
  const { eps, polynomial } = settled
  const [beta1, beta2] = settled.betas
  if (beta1 === 0) throw new RangeError('betas[0] of schedule-free is 0; it must be above 0, or y would forget x.')
  const averaging = (shared: SharedScope) => {
    const largest = maximum(shared.state(LARGEST_RATE), shared.learningRate)
    const weight = mul(square(largest), shared.scalar('averagingWeight'))
    const total = add(shared.state(WEIGHT_SUM), weight)
    return { largest, total, share: select(greater(total, 0), div(weight, total), 0) }
  }
  return decayingOptimizer('schedule-free', groups, settled, {
    states: ({ name, shape }) => [
      { name: `${name}.z`, shape },
      { name: `${name}.exp_avg_sq`, shape },
    ],
    sharedStates: [
      { name: WEIGHT_SUM, shape: [] },
      { name: LARGEST_RATE, shape: [] },
    ],
    sharedUpdates: (shared) => {
      const { largest, total } = averaging(shared)
      return { [LARGEST_RATE]: largest, [WEIGHT_SUM]: total }
    },
    startsFromWeights: true,
    scalars: (step) => ({ biasCorrection2: 1 - beta2 ** step, averagingWeight: step ** polynomial }),
    step: ({ name, parameter: y, gradient, learningRate, scheduledRate, state, stateFrom, scalar, pull }) => {
      const { share } = averaging({ learningRate: scheduledRate, scalar, state: (label) => state(label, []) })
      const v = add(mul(state(`${name}.exp_avg_sq`), beta2), mul(square(gradient), 1 - beta2))
      const direction = div(gradient, add(div(sqrt(v), sqrt(scalar('biasCorrection2'))), eps))
      const pulled = pull(direction)
      const decay = pulled && decayOf(y, pulled)
      const step = mul(direction, learningRate)
      const whole = decay ? add(step, decay) : step // d
      const z = stateFrom(`${name}.z`, y)
      const kept = sub(1, mul(sub(1, share), beta1)) // 1 − β1·(1 − c)
      return {
        direction: sub(mul(step, kept), mul(sub(z, y), share)),
        scale: 1,
        decay: decay ? mul(decay, kept) : null,
        states: { [`${name}.z`]: sub(z, whole), [`${name}.exp_avg_sq`]: v },
      }
    },
    evaluationWeights: (context, parameters) => {
      const started = greater(context.state(WEIGHT_SUM, []), 0) // before the first step z is not there yet
      const average = (name: string, y: Tensor): Tensor => {
        const x = add(y, mul(sub(context.state(`${name}.z`, y.shape), y), 1 - 1 / beta1))
        return select(started, x, y)
      }
      return new Map([...parameters].map(([name, y]) => [name, average(name, y)]))
    },
  })
}
