/** The run-time scalars that decay needs: their names, their values in each step, and the tensors that stand for them. */
import { mul, type Tensor, type TraceContext } from '../engine/index.ts'
import type { DecayForm } from './decayForms.ts'
import type { GroupSetting } from './groups.ts'
import type { DecayOptions } from './optionRules.ts'
import type { Schedule } from './schedule.ts'

/** Names of a program's f32 [] inputs. */
export const SCALARS = {
  learningRate: 'learningRate',
  /** The peak; for forms that divide by it. */
  peak: 'learningRateMax',
  /** 1 in the first step, else 0; for state that starts from the weights. */
  firstStep: 'firstStep',
} as const

/** The input that holds a group's λ. */
export function lambdaInput(group: number): string {
  return `weightDecay.${group}`
}

export interface TracedRates {
  readonly learningRate: Tensor
  readonly peakLearningRate: () => Tensor
  readonly lambda: () => Tensor
}

interface GroupDecay {
  readonly weightDecay: number
  readonly schedule: Schedule
}

export class DecayScalars {
  readonly #decays = new Map<number, GroupDecay>()
  readonly #peak: number
  readonly #usesPeak: boolean
  readonly #usesFirstStep: boolean

  constructor(
    settings: ReadonlyMap<string, GroupSetting>,
    form: DecayForm,
    options: Required<DecayOptions>,
    startsFromWeights: boolean,
  ) {
    for (const { group, weightDecay, decaySchedule } of settings.values()) {
      // A frozen parameter's setting says 0 whatever its group's λ is.
      if (weightDecay > 0) this.#decays.set(group, { weightDecay, schedule: decaySchedule ?? options.decaySchedule })
    }
    const decays = this.#decays.size > 0
    this.#peak = options.learningRate
    this.#usesPeak = form.usesPeak && decays
    this.#usesFirstStep = startsFromWeights || (Object.keys(form.states([])).length > 0 && decays)
    if (this.#usesPeak && this.#peak === 0) {
      throw new RangeError(
        `The form "${form.name}" divides by the peak learning rate, which is 0; give the schedule's highest value as learningRate.`,
      )
    }
  }

  lambda(context: TraceContext, group: number): Tensor {
    return context.input(lambdaInput(group), 'f32', [])
  }

  /** A parameter's rates; `factor` and the group's multiplier scale the learning rate and its peak alike. */
  traced(context: TraceContext, { group, learningRateMultiplier }: GroupSetting, factor: number): TracedRates {
    const scaled = (name: string): Tensor => {
      const rate = context.input(name, 'f32', [])
      const multiplier = learningRateMultiplier * factor
      return multiplier === 1 ? rate : mul(rate, multiplier)
    }
    return {
      learningRate: scaled(SCALARS.learningRate),
      peakLearningRate: () => scaled(SCALARS.peak),
      lambda: () => this.lambda(context, group),
    }
  }

  /** What the inputs hold in a step that counts from 1, and from the optimizer's start as `ownStep`. */
  values(step: number, learningRate: number = this.#peak, ownStep = step): Readonly<Record<string, number>> {
    checkStep(step)
    checkStep(ownStep)
    checkRate('learning rate', learningRate, step)
    if (this.#usesPeak && learningRate > this.#peak * (1 + 1e-6)) {
      throw new RangeError(
        `The learning rate of step ${step} is ${learningRate}, above the peak ${this.#peak} that the decay divides by; ` +
          "give the schedule's highest value as the optimizer's learningRate.",
      )
    }
    const lambdas = [...this.#decays].map(([group, { weightDecay, schedule }]) => {
      const lambda = weightDecay * schedule(step - 1)
      checkRate(`weight decay of group ${group}`, lambda, step)
      return [lambdaInput(group), lambda] as const
    })
    return {
      [SCALARS.learningRate]: learningRate,
      ...(this.#usesPeak ? { [SCALARS.peak]: this.#peak } : {}),
      ...(this.#usesFirstStep ? { [SCALARS.firstStep]: ownStep === 1 ? 1 : 0 } : {}),
      ...Object.fromEntries(lambdas),
    }
  }
}

function checkStep(step: number): void {
  if (Number.isSafeInteger(step) && step >= 1) return
  throw new RangeError(`The optimizer's step is ${step}; steps are whole numbers that count from 1.`)
}

function checkRate(what: string, value: number, step: number): void {
  if (Number.isFinite(value) && value >= 0) return
  throw new RangeError(`The ${what} in step ${step} is ${value}; it must be a finite number, zero or more.`)
}
