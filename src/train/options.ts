/** What a training run is started with. */
import type { Corpus } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import type { Pretrained } from '../exchange/index.ts'
import type { RecipeConfig } from '../recipes/index.ts'

export interface TrainOptions {
  /** As `resolveRecipe` returns it; other fields than these two are not read. */
  readonly recipe: { readonly name: string; readonly config: RecipeConfig }
  readonly corpus: Corpus
  /** The caller makes it and disposes of it. When training ends its buffers hold the last weights. */
  readonly backend: Backend
  /** Folder for metrics and checkpoints, made if need be; null writes nothing. */
  readonly out: string | null
  /** Weights to begin with in place of drawn ones, of the recipe's model; the caller opens and closes them. */
  readonly from?: Pretrained | undefined
  /** Run folder or checkpoint to continue from; its recipe is compared with the given one and differences announced. */
  readonly resume?: string | undefined
  /** On resume: leave the checkpoint's optimizer state unread and start it from zero. Default false. */
  readonly freshOptimizer?: boolean | undefined
  /** When aborted, the step under way is finished, a checkpoint saved and the run ends as `interrupted`. */
  readonly signal?: AbortSignal | undefined
  /** Steps between lines of metrics.jsonl, which have the weight norms; default 1. */
  readonly logEvery?: number | undefined
  /**
   * Steps between looks at the forces of weight decay, each a line of metrics.jsonl; the first and the last step are
   * looked at too. Default 0: never, at no cost.
   */
  readonly lookEvery?: number | undefined
}
