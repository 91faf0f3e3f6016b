/** What the decay ledger and `explain` need to know of a recipe's run. */
import type { Foretold } from '../optim/expectation.ts'
import type { LedgerRun } from '../optim/ledger.ts'
import { recipeDecaySchedules, recipeOptimizer } from './optimizer.ts'
import { recipeSchedule } from './learningRate.ts'
import type { RecipeConfig } from './schema.ts'

/**
 * λ with its form and schedules, learning rates, exceptions and length of the run that the configuration describes, for
 * `buildLedger` and `explain`. Every step has batchSize · accumulation · context tokens.
 */
export function recipeDecayRun(config: RecipeConfig): LedgerRun {
  const { model, optimizer, schedule, train } = config
  const { settled, entry } = recipeOptimizer(config)
  const { beta1, learningRateFactor, rateCorrection, nothing } = entry.foretells
  const { schedules, all, byPattern } = recipeDecaySchedules(config)
  return {
    weightDecay: optimizer.weightDecay,
    form: optimizer.form,
    learningRates: recipeSchedule(config),
    steps: schedule.steps,
    tokensPerStep: train.batchSize * train.accumulation * (train.sequenceLength ?? model.context),
    ...(beta1 === undefined ? {} : { beta1: beta1(settled) }),
    ...(rateCorrection === undefined ? {} : { rateCorrection: rateCorrection(settled) }),
    ...(nothing === undefined ? {} : { nothingForetold: nothing }),
    ...(learningRateFactor === undefined
      ? {}
      : { learningRateFactor: (parameter) => learningRateFactor(parameter, settled) }),
    schedules,
    scheduleName: all,
    overrides: {
      decay: optimizer.decay,
      learningRateScale: optimizer.learningRateScale,
      decaySchedules: byPattern,
    },
  }
}

/** What is known of the configuration's optimizer beyond the form of its decay. */
export function recipeForetold(config: RecipeConfig): Foretold {
  const { settled, entry } = recipeOptimizer(config)
  const { beta1, rotation, rateCorrection, nothing } = entry.foretells
  return {
    ...(beta1 === undefined ? {} : { beta1: beta1(settled) }),
    ...(rotation === undefined ? {} : { rotation: (rate, actsOn) => rotation(rate, actsOn, settled) }),
    ...(rateCorrection === undefined ? {} : { rateCorrection: rateCorrection(settled) }),
    ...(nothing === undefined ? {} : { nothing }),
  }
}
