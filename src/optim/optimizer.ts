/** What an optimizer is: an (init, update) pair traced into the step, and the scalars that it asks for at run time. */
import type { Tensor, TraceContext } from '../engine/index.ts'
import type { DecayForm } from './forms/form.ts'
import type { GroupParameter, GroupSetting } from './groups.ts'

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

/** What a step subtracts from a parameter, in its two parts; both have the parameter's shape. */
export interface UpdateParts {
  /** lr·u. */
  readonly gradient: Tensor
  /** What the decay takes; undefined where nothing decays, or where the decay is inside the gradient. */
  readonly decay: Tensor | undefined
}

export interface Optimizer {
  /** As in the registry, such as `adamw`. */
  readonly name: string
  /** How λ acts. */
  readonly form: DecayForm
  /** λ and learning-rate multiplier by parameter name; each parameter is in exactly one group. */
  readonly settings: ReadonlyMap<string, GroupSetting>
  /** What is kept for these parameters; frozen ones need nothing. Throws where a parameter is in no group. */
  init(parameters: readonly (GroupParameter & { readonly shape: readonly number[] })[]): readonly OptimizerState[]
  /**
   * Traces one step: new values of the parameters and of the state, by state name. `scale` multiplies every gradient
   * on its way in (clipping). Frozen parameters are left out. Throws where a parameter is in no group, and under
   * `loss-l2` where the penalty was never asked for.
   */
  update(
    context: TraceContext,
    parameters: ReadonlyMap<string, ParameterUpdate>,
    scale?: Tensor,
  ): Readonly<Record<string, Tensor>>
  /**
   * The same step taken apart, for programs that look at it: new value = old − gradient − decay. State is read, never
   * written. Schedule-Free's averaging counts as gradient.
   */
  parts(
    context: TraceContext,
    parameters: ReadonlyMap<string, ParameterUpdate>,
    scale?: Tensor,
  ): ReadonlyMap<string, UpdateParts>
  /**
   * Under `loss-l2`: Σ (λ/2)·‖w‖² [] over the decaying parameters, to add to the loss before it is differentiated, and
   * to report apart from it. The program needs the inputs of `scalars` that hold λ. Undefined for every other form.
   */
  penalty(context: TraceContext, parameters: ReadonlyMap<string, Tensor>): Tensor | undefined
  /**
   * The weights to evaluate, sample and publish, where those are not the ones being trained (Schedule-Free). Reads
   * the optimizer's state, which `update` declares too.
   */
  evaluationWeights?(context: TraceContext, parameters: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor>
  /**
   * The values of the program's f32 scalar inputs for a step. `step` counts from 1; `learningRate` is the scheduled
   * one; `ownStep` counts from where the optimizer's state was zero, where that is not the start of the run: bias
   * corrections follow it, schedules of λ follow `step`. Throws RangeError for a learning rate or λ that is negative or not finite, and for a learning rate above the
   * peak under a form that divides by the peak.
   */
  scalars(step: number, learningRate?: number, ownStep?: number): Readonly<Record<string, number>>
}
