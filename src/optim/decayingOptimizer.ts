/**
 * What all optimizers share: groups, run-time scalars, state by name, and the place where the decay meets the step.
 *
 *     w ← w − rate·(w − toward) − scale·direction
 *
 * Both terms are taken from the old w. The first is the form's, the second the optimizer's: each writes its own
 * equations and knows nothing of the other.
 */
import { add, mul, select, sub, type Operand, type Tensor, type TraceContext } from '../engine/index.ts'
import { resolveForm, type DecayForm, type Pull } from './decayForms.ts'
import { DecayScalars, SCALARS } from './decayScalars.ts'
import { l2Penalty } from './forms/lossL2.ts'
import { listParameters, resolveGroups, type GroupParameter, type GroupSetting, type ParameterGroup } from './groups.ts'
import type { Optimizer, OptimizerState, ParameterUpdate, UpdateParts } from './optimizer.ts'
import type { DecayOptions } from './optionRules.ts'

/** A parameter as an optimizer's equations see it. */
export interface StepPoint {
  readonly name: string
  readonly role: GroupParameter['role']
  /** w before the step. */
  readonly parameter: Tensor
  /** After clipping, and after a form that acts on the gradient. */
  readonly gradient: Tensor
  /** η_t times the group's multiplier, corrected where the rule corrects it, []. */
  readonly learningRate: Tensor
  /** η_t as scheduled, [], the same for all parameters. */
  readonly scheduledRate: Tensor
  /** One of the scalars that the rule supplies for each step, []. */
  scalar(name: string): Tensor
  /** The parameter's state under its full name; of the parameter's shape unless told. */
  state(name: string, shape?: readonly number[]): Tensor
  /** The same, but `initial` in the first step instead of 0. */
  stateFrom(name: string, initial: Tensor): Tensor
  /** What the decay of this parameter does when `direction` is where the step goes; undefined where none acts on weights. */
  pull(direction: Tensor): Pull | undefined
}

/** What the states that all parameters share may follow from. */
export interface SharedScope {
  /** η_t as scheduled, []. */
  readonly learningRate: Tensor
  state(name: string): Tensor
  scalar(name: string): Tensor
}

/** w ← w − (the decay) − scale·direction. */
export interface StepResult {
  readonly direction: Tensor
  /** Above 0. */
  readonly scale: Operand
  /** New values by full state name. */
  readonly states: Readonly<Record<string, Tensor>>
  /** For optimizers that place the decay themselves: what it takes from w, null for nothing. Unless given, the form's pull. */
  readonly decay?: Tensor | null
}

export interface UpdateRule {
  /** The states of one parameter, by full name. */
  states(parameter: GroupParameter & { readonly shape: readonly number[] }): readonly OptimizerState[]
  /** States that all parameters share. */
  readonly sharedStates?: readonly OptimizerState[]
  /** New values of the shared states. Traced once in each step. */
  sharedUpdates?(scope: SharedScope): Readonly<Record<string, Tensor>>
  /** The scalars of a step that counts from 1; all are f32. */
  scalars(step: number): Readonly<Record<string, number>>
  /** Whether `stateFrom` is used. */
  readonly startsFromWeights?: boolean
  /** A factor on the learning rate, and so on decay that follows it, for some parameters. */
  learningRateFactor?(
    parameter: { readonly name: string; readonly role: GroupParameter['role'] },
    shape: readonly number[],
  ): number
  /** The learning rate that both the step and the decay take in place of the scheduled one. */
  correctedRate?(point: Pick<StepPoint, 'learningRate' | 'scalar'>): Tensor
  step(point: StepPoint): StepResult
  evaluationWeights?: Optimizer['evaluationWeights']
}

/** Joins an optimizer's equations with groups and a form of decay. Throws as `resolveGroups` does. */
export function decayingOptimizer(
  name: string,
  groups: readonly GroupParameter[] | readonly ParameterGroup[],
  options: Required<DecayOptions>,
  rule: UpdateRule,
): Optimizer {
  return new DecayingOptimizer(name, groups, options, rule)
}

class DecayingOptimizer implements Optimizer {
  readonly name: string
  readonly form: DecayForm
  readonly settings: ReadonlyMap<string, GroupSetting>
  readonly evaluationWeights?: NonNullable<Optimizer['evaluationWeights']>
  readonly #rule: UpdateRule
  readonly #scalars: DecayScalars
  /** By every name and alias. */
  readonly #parameters = new Map<string, GroupParameter>()
  #penalised = false

  constructor(
    name: string,
    groups: readonly GroupParameter[] | readonly ParameterGroup[],
    options: Required<DecayOptions>,
    rule: UpdateRule,
  ) {
    const { learningRate, weightDecay } = options
    this.name = name
    this.form = resolveForm(options.form)
    this.settings = resolveGroups(groups, { learningRate, weightDecay })
    this.#rule = rule
    this.#scalars = new DecayScalars(this.settings, this.form, options, rule.startsFromWeights === true)
    for (const parameter of listParameters(groups)) {
      for (const label of [parameter.name, ...parameter.aliases]) {
        if (!this.#parameters.has(label)) this.#parameters.set(label, parameter)
      }
    }
    if (rule.evaluationWeights) this.evaluationWeights = rule.evaluationWeights
  }

  init(parameters: readonly (GroupParameter & { readonly shape: readonly number[] })[]): readonly OptimizerState[] {
    const own = parameters
      .filter(({ frozen }) => frozen !== true)
      .flatMap((parameter) => {
        const { name, shape } = parameter
        const kept = this.#setting(name).weightDecay > 0 ? this.form.states(shape) : {}
        const ofForm = Object.entries(kept).map(([key, size]) => ({ name: `${name}.${key}`, shape: size }))
        return this.#rule.states(parameter).concat(ofForm)
      })
    return [...own, ...(this.#rule.sharedStates ?? [])]
  }

  update(
    context: TraceContext,
    parameters: ReadonlyMap<string, ParameterUpdate>,
    scale?: Tensor,
  ): Readonly<Record<string, Tensor>> {
    const updates: Record<string, Tensor> = {}
    for (const { name, parameter, gradient, decay, states } of this.#steps(context, parameters, scale)) {
      updates[name] = sub(decay ? sub(parameter, decay) : parameter, gradient)
      Object.assign(updates, states)
    }
    return { ...updates, ...this.#sharedUpdates(context) }
  }

  parts(
    context: TraceContext,
    parameters: ReadonlyMap<string, ParameterUpdate>,
    scale?: Tensor,
  ): ReadonlyMap<string, UpdateParts> {
    const steps = this.#steps(context, parameters, scale)
    return new Map(steps.map(({ name, gradient, decay }) => [name, { gradient, decay }]))
  }

  penalty(context: TraceContext, parameters: ReadonlyMap<string, Tensor>): Tensor | undefined {
    if (this.form.actsOn !== 'loss') return undefined
    this.#penalised = true
    const terms = [...parameters]
      .filter(([name]) => this.#setting(name).weightDecay > 0)
      .map(([name, tensor]) => l2Penalty(tensor, this.#scalars.lambda(context, this.#setting(name).group)))
    return terms.length === 0 ? undefined : terms.reduce((total, term) => add(total, term))
  }

  scalars(step: number, learningRate?: number, ownStep = step): Readonly<Record<string, number>> {
    return { ...this.#scalars.values(step, learningRate, ownStep), ...this.#rule.scalars(ownStep) }
  }

  #setting(name: string): GroupSetting {
    const setting = this.settings.get(name)
    if (setting) return setting
    const owner = this.#parameters.get(name)
    if (owner && owner.name !== name) {
      throw new TypeError(
        `"${name}" is the same tensor as "${owner.name}", to which it is tied; it is updated once, as "${owner.name}".`,
      )
    }
    throw new TypeError(`"${name}" is in no group of this optimizer; add it to one, or freeze it.`)
  }

  #sharedUpdates(context: TraceContext): Readonly<Record<string, Tensor>> {
    const { sharedStates = [], sharedUpdates } = this.#rule
    const shapes = new Map(sharedStates.map(({ name, shape }) => [name, shape]))
    return (
      sharedUpdates?.({
        learningRate: context.input(SCALARS.learningRate, 'f32', []),
        state: (name) => context.state(name, shapes.get(name) ?? []),
        scalar: (name) => context.input(name, 'f32', []),
      }) ?? {}
    )
  }

  #steps(context: TraceContext, parameters: ReadonlyMap<string, ParameterUpdate>, scale: Tensor | undefined) {
    if (this.form.actsOn === 'loss' && !this.#penalised) {
      throw new TypeError(
        'The form "loss-l2" decays nothing by itself: add penalty(context, parameters) to the loss before differentiating it.',
      )
    }
    return [...parameters]
      .map(([name, tensors]) => ({ name, tensors, setting: this.#setting(name) }))
      .filter(({ name }) => this.#parameters.get(name)?.frozen !== true)
      .map(({ name, tensors, setting }) => this.#step(context, name, tensors, setting, scale))
  }

  #step(
    context: TraceContext,
    name: string,
    { parameter, gradient }: ParameterUpdate,
    setting: GroupSetting,
    scale: Tensor | undefined,
  ): TracedStep {
    const role = this.#parameters.get(name)?.role
    const scalar = (label: string): Tensor => context.input(label, 'f32', [])
    const factor = this.#rule.learningRateFactor?.({ name, role }, parameter.shape) ?? 1
    const rates = this.#scalars.traced(context, setting, factor)
    const learningRate = this.#rule.correctedRate?.({ learningRate: rates.learningRate, scalar }) ?? rates.learningRate
    const form = setting.weightDecay > 0 ? this.form : undefined
    const clipped = scale ? mul(gradient, scale) : gradient
    const remembered: Record<string, Tensor> = {}
    const stateFrom = (state: string, initial: Tensor): Tensor => {
      return select(scalar(SCALARS.firstStep), initial, context.state(state, initial.shape))
    }
    const pull = (direction: Tensor): Pull | undefined =>
      form?.pull?.({
        ...rates,
        parameter,
        gradient: clipped,
        direction,
        learningRate,
        normalised: () => isNormalised(name, role, setting),
        remembered: (key, initial) => (remembered[`${name}.${key}`] ??= stateFrom(`${name}.${key}`, initial)),
      })
    const result = this.#rule.step({
      name,
      role,
      parameter,
      gradient: form?.regularise?.({ parameter, gradient: clipped, lambda: rates.lambda }) ?? clipped,
      learningRate,
      scheduledRate: scalar(SCALARS.learningRate),
      scalar,
      state: (label, shape = parameter.shape) => context.state(label, shape),
      stateFrom,
      pull,
    })
    return {
      name,
      parameter,
      gradient: mul(result.direction, result.scale),
      decay: result.decay === undefined ? decayAt(parameter, pull(result.direction)) : (result.decay ?? undefined),
      states: { ...result.states, ...remembered },
    }
  }
}

/** One parameter's step: new value = parameter − decay − gradient. */
interface TracedStep extends UpdateParts {
  readonly name: string
  readonly parameter: Tensor
  readonly states: Readonly<Record<string, Tensor>>
}

function decayAt(parameter: Tensor, pull: Pull | undefined): Tensor | undefined {
  return pull && decayOf(parameter, pull)
}

/** rate·(w − toward) */
export function decayOf(parameter: Tensor, { rate, toward }: Pull): Tensor {
  return mul(toward ? sub(parameter, toward) : parameter, rate)
}

function isNormalised(name: string, role: GroupParameter['role'], setting: GroupSetting): boolean {
  if (setting.normalised !== undefined) return setting.normalised
  if (role !== undefined) return role === 'matrix'
  throw new TypeError(
    `The form "corrected" must know whether the layer of "${name}" is normalised: give the parameter a role, or its group "normalised".`,
  )
}
