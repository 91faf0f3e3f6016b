/**
 * What arithmetic says of a single step: the share of a tensor that decay takes, and the size and the turn per step at
 * which noise would balance it if learning rate and λ stayed as they are.
 */
import type { DecayForm } from './decayForms.ts'
import { lambdaInput } from './decayScalars.ts'
import { equilibriumRmsExact } from './forecast.ts'
import type { Ledger, LedgerEntry } from './ledger.ts'
import type { Optimizer } from './optimizer.ts'

export interface Expectation {
  /** λ of this step. */
  readonly lambda: number
  /** Share that decay takes; 0 where nothing decays, null where the form does not tell. */
  readonly shrink: number | null
  /** What is left of a weight that no gradient touches; under `toward-init` all of it. Null where the form does not tell. */
  readonly survival: number | null
  /** RMS of the elements in equilibrium. Null where nothing decays or nothing is foretold; so is the next. */
  readonly rms: number | null
  /** Radians per step in equilibrium. */
  readonly rotation: number | null
}

/** What is known of an optimizer beyond its form; optimizers.ts says it of each. */
export interface Foretold {
  /** β1 where the updates are Adam's. Without it no RMS is foretold. */
  readonly beta1?: number
  /** Radians per step, from the share that decay takes or, where it acts on the gradient, from lr·λ. */
  readonly rotation?: (rate: number, actsOn: DecayForm['actsOn']) => number | null
  /** What the learning rate is multiplied with in a step of the optimizer's own, counted from 0. */
  readonly rateCorrection?: (step: number) => number
  /** Why nothing is foretold. */
  readonly nothing?: string
}

export interface ExpectationRun {
  readonly optimizer: Optimizer
  readonly ledger: Ledger
  readonly foretold: Foretold
}

/** A step of the run, counted from 0. */
export interface ExpectedStep {
  readonly step: number
  /** As scheduled. */
  readonly learningRate: number
  /** Step at which the optimizer's state was zero; default 0. */
  readonly optimizerStart?: number
}

/** Expectations of one step, by tensor. */
export type StepExpectations = (step: ExpectedStep) => (name: string) => Expectation

const NOTHING_DECAYS: Expectation = { lambda: 0, shrink: 0, survival: 1, rms: null, rotation: null }

/** Expectations for the tensors of the ledger. */
export function createExpectations({ optimizer, ledger, foretold }: ExpectationRun): StepExpectations {
  const entries = new Map(ledger.entries.map((entry) => [entry.name, entry]))
  return ({ step, learningRate, optimizerStart = 0 }) => {
    const ownStep = step - optimizerStart
    const scalars = optimizer.scalars(step + 1, learningRate, ownStep + 1)
    const corrected = learningRate * (foretold.rateCorrection?.(ownStep) ?? 1)
    return (name) => {
      const entry = entries.get(name)
      const setting = optimizer.settings.get(name)
      if (!entry || !setting) throw new Error(`"${name}" is not both in the ledger and in the optimizer's groups.`)
      const lambda = setting.weightDecay === 0 ? 0 : (scalars[lambdaInput(setting.group)] ?? 0)
      if (lambda === 0) return NOTHING_DECAYS
      if (foretold.nothing !== undefined) return { lambda, shrink: null, survival: null, rms: null, rotation: null }
      return expectationOf(optimizer.form, foretold, {
        lambda,
        learningRate: corrected * scaleOf(entry),
        peakLearningRate: ledger.learningRate.peak * scaleOf(entry),
        normalised: setting.normalised ?? entry.role === 'matrix',
      })
    }
  }
}

/** What the scheduled learning rate is multiplied with for a tensor. */
function scaleOf({ learningRateMultiplier, learningRateFactor }: LedgerEntry): number {
  return learningRateMultiplier * learningRateFactor
}

function expectationOf(
  form: DecayForm,
  { beta1, rotation }: Foretold,
  rates: { lambda: number; learningRate: number; peakLearningRate: number; normalised: boolean },
): Expectation {
  const { lambda, learningRate } = rates
  const shrink = form.rate({ ...rates, weightDecay: lambda })
  const toInitial = form.name === 'toward-init'
  const rate = form.actsOn === 'weights' ? shrink : learningRate * lambda
  return {
    lambda,
    shrink,
    survival: shrink === null ? null : toInitial ? 1 : 1 - shrink,
    rms: beta1 === undefined || shrink === null || toInitial ? null : equilibriumRmsExact(learningRate, shrink, beta1),
    rotation: rotation === undefined || rate === null || toInitial ? null : rotation(rate, form.actsOn),
  }
}
