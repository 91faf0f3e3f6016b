/** When numbers stop being numbers. */
import type { RecipeConfig } from '../recipes/index.ts'
import { TrainingError } from './events.ts'

export interface Divergence {
  /** What is not finite, such as `The loss`. */
  readonly what: string
  readonly value: number
  /** Steps done, the failed one included. */
  readonly step: number
  readonly learningRate: number
  /** Folder of the last whole checkpoint, where there is one. */
  readonly checkpoint: string | null
}

/** The error that ends a diverged run, with what to try. Nothing is saved after it. */
export function diverged(
  { what, value, step, learningRate, checkpoint }: Divergence,
  config: RecipeConfig,
): TrainingError {
  const { warmup } = config.schedule
  const lower = Number((config.optimizer.learningRate / 3).toPrecision(1))
  const tries = [
    `a lower learning rate (--set optimizer.learningRate=${lower})`,
    `a longer warm-up (--set schedule.warmup=${Math.max(100, 2 * warmup)})`,
    ...(config.train.clip === 0 ? ['clipping (--set train.clip=1)'] : []),
  ]
  const saved =
    checkpoint === null
      ? 'No checkpoint had been saved yet.'
      : `The checkpoint ${checkpoint} is from before and whole; --resume continues from it.`
  return new TrainingError(
    `${what} is ${value} in step ${step}, at learning rate ${learningRate}: the run has diverged.`,
    `Try ${tries.slice(0, -1).join(', ')}${tries.length > 2 ? ',' : ''} or ${tries.at(-1)}. ${saved}`,
  )
}
