/**
 * AdamW (Loshchilov & Hutter, 2019) exactly as PyTorch's `torch.optim.AdamW`, as an (init, update) pair traced into the
 * step. For a gradient g of a parameter p in step t, counted from 1:
 *
 *     m ← β1·m + (1 − β1)·g            m̂ = m / (1 − β1ᵗ)
 *     v ← β2·v + (1 − β2)·g²           v̂ = v / (1 − β2ᵗ)
 *     p ← p·(1 − lr·λ) − lr·m̂ / (√v̂ + ε)
 *
 * The decay is multiplied by lr and never passes through m and v. lr, the groups' λ and both bias corrections enter as
 * scalars at run time, so that a schedule never recompiles.
 */
import { add, div, mul, sqrt, square, sub, type Tensor, type TraceContext } from '../engine/index.ts'
import { resolveGroups, type GroupParameter, type GroupSetting, type ParameterGroup } from './groups.ts'

export interface AdamwOptions {
  /** Learning rate (at its peak, where a schedule follows); default 1e-3. */
  readonly learningRate?: number
  /** λ of groups that name none; default 0.01. */
  readonly weightDecay?: number
  /** β1 and β2, from 0 to less than 1; default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** ε, above 0; default 1e-8. */
  readonly eps?: number
}

/** A parameter's tensors in the step being traced. */
export interface ParameterUpdate {
  readonly parameter: Tensor
  /** dLoss/dParameter; where `scale` is given, before it is applied. */
  readonly gradient: Tensor
}

/** A buffer that the optimizer keeps between steps; all zero at the start. */
export interface OptimizerState {
  readonly name: string
  readonly shape: readonly number[]
}

export interface Optimizer {
  /** λ and learning-rate multiplier by parameter name; each parameter is in exactly one group. */
  readonly settings: ReadonlyMap<string, GroupSetting>
  /** What is kept for these parameters; frozen ones need nothing. */
  init(parameters: readonly (GroupParameter & { readonly shape: readonly number[] })[]): readonly OptimizerState[]
  /**
   * Traces one step: new values of the parameters and of the state, by state name. `scale` multiplies every gradient
   * on its way in (clipping). Throws where a parameter is in no group.
   */
  update(
    context: TraceContext,
    parameters: ReadonlyMap<string, ParameterUpdate>,
    scale?: Tensor,
  ): Readonly<Record<string, Tensor>>
  /** The values of the program's f32 scalar inputs for a step. `step` counts from 1; `learningRate` is the scheduled one. */
  scalars(step: number, learningRate?: number): Readonly<Record<string, number>>
}

/** Names of a parameter's two moments; checkpoints are keyed by them (they are PyTorch's names). */
export function momentNames(parameter: string): { readonly first: string; readonly second: string } {
  return { first: `${parameter}.exp_avg`, second: `${parameter}.exp_avg_sq` }
}

const INPUTS = { learningRate: 'learningRate', correction1: 'biasCorrection1', correction2: 'biasCorrection2' } as const
const decayInput = (group: number): string => `weightDecay.${group}`

/**
 * AdamW over parameter groups, in the shape of PyTorch's:
 *
 *     adamw([{ params: matrices, weightDecay: 0.1 }, { params: rest, weightDecay: 0 }], { learningRate: 3e-4 })
 *
 * Throws as `resolveGroups` does, and RangeError for betas or eps out of range.
 */
export function adamw(
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: AdamwOptions = {},
): Optimizer {
  const { learningRate = 1e-3, weightDecay = 0.01, betas = [0.9, 0.999], eps = 1e-8 } = options
  checkConstants(betas, eps)
  const [beta1, beta2] = betas
  const settings = resolveGroups(groups, { learningRate, weightDecay })
  // A frozen parameter's setting says 0 whatever its group's λ is, so the largest is the group's.
  const decays = new Map<number, number>()
  for (const { group, weightDecay: lambda } of settings.values()) {
    decays.set(group, Math.max(lambda, decays.get(group) ?? 0))
  }

  const updateOne = (
    p: Tensor,
    g: Tensor,
    moments: { m: Tensor; v: Tensor },
    scalars: { lr: Tensor; lambda: Tensor; correction1: Tensor; correction2: Tensor },
  ): { p: Tensor; m: Tensor; v: Tensor } => {
    const { lr, lambda, correction1, correction2 } = scalars
    const m = add(mul(moments.m, beta1), mul(g, 1 - beta1))
    const v = add(mul(moments.v, beta2), mul(square(g), 1 - beta2))
    const root = div(sqrt(v), sqrt(correction2)) // √v̂
    const step = div(mul(m, div(lr, correction1)), add(root, eps)) // lr·m̂ / (√v̂ + ε)
    return { p: sub(mul(p, sub(1, mul(lr, lambda))), step), m, v }
  }

  return {
    settings,
    init: (parameters) =>
      parameters
        .filter(({ frozen }) => frozen !== true)
        .flatMap(({ name, shape }) => {
          const { first, second } = momentNames(name)
          return [
            { name: first, shape },
            { name: second, shape },
          ]
        }),
    update: (context, parameters, scale) => {
      const scalar = (name: string): Tensor => context.input(name, 'f32', [])
      const updates: Record<string, Tensor> = {}
      for (const [name, { parameter, gradient }] of parameters) {
        const setting = settings.get(name)
        if (!setting) throw new TypeError(`"${name}" is in no group of this optimizer; add it to one, or freeze it.`)
        const { first, second } = momentNames(name)
        const lr = scalar(INPUTS.learningRate)
        const next = updateOne(
          parameter,
          scale ? mul(gradient, scale) : gradient,
          { m: context.state(first, parameter.shape), v: context.state(second, parameter.shape) },
          {
            lr: setting.learningRateMultiplier === 1 ? lr : mul(lr, setting.learningRateMultiplier),
            lambda: scalar(decayInput(setting.group)),
            correction1: scalar(INPUTS.correction1),
            correction2: scalar(INPUTS.correction2),
          },
        )
        updates[name] = next.p
        updates[first] = next.m
        updates[second] = next.v
      }
      return updates
    },
    scalars: (step, scheduled = learningRate) => ({
      [INPUTS.learningRate]: scheduled,
      [INPUTS.correction1]: 1 - beta1 ** step,
      [INPUTS.correction2]: 1 - beta2 ** step,
      ...Object.fromEntries([...decays].map(([group, lambda]) => [decayInput(group), lambda])),
    }),
  }
}

function checkConstants(betas: readonly [number, number], eps: number): void {
  for (const [index, beta] of betas.entries()) {
    if (Number.isFinite(beta) && beta >= 0 && beta < 1) continue
    throw new RangeError(`betas[${index}] is ${beta}; it must be a number from 0 to less than 1, such as 0.9.`)
  }
  if (!(Number.isFinite(eps) && eps > 0)) {
    throw new RangeError(`eps is ${eps}; it must be a finite number above 0, such as 1e-8.`)
  }
}
