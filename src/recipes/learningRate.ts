/** The learning rate over a recipe's run. */
import { createSchedule, type Schedule } from '../optim/schedule.ts'
import type { RecipeConfig } from './schema.ts'

/**
 * The learning rate of each step that the configuration describes. `decaySteps` above 0 ends the descent of cosine and
 * linear before the run does; the floor holds from there on.
 */
export function recipeSchedule({ optimizer, schedule }: Pick<RecipeConfig, 'optimizer' | 'schedule'>): Schedule {
  const { kind, warmup, steps, decaySteps } = schedule
  const ends = (kind === 'cosine' || kind === 'linear') && decaySteps > 0 ? warmup + decaySteps : steps
  return createSchedule({ ...schedule, steps: ends, peak: optimizer.learningRate })
}
