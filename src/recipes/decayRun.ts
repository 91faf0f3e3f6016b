/** What the decay ledger and `explain` need to know of a recipe's run. */
import type { LedgerRun } from '../optim/ledger.ts'
import { recipeSchedule } from './resolve.ts'
import type { RecipeConfig } from './schema.ts'

/**
 * λ, learning rates, exceptions and length of the run that the configuration describes, for `buildLedger` and
 * `explain`. Every step has batchSize · accumulation · context tokens.
 */
export function recipeDecayRun(config: RecipeConfig): LedgerRun {
  const { model, optimizer, schedule, train } = config
  return {
    weightDecay: optimizer.weightDecay,
    learningRates: recipeSchedule(config),
    steps: schedule.steps,
    tokensPerStep: train.batchSize * train.accumulation * (train.sequenceLength ?? model.context),
    beta1: optimizer.betas[0],
    overrides: { decay: optimizer.decay, learningRateScale: optimizer.learningRateScale },
  }
}
