/** What a training run is started with. */
import type { Backend } from '../engine/index.ts'
import type { RecipeConfig } from '../recipes/index.ts'

/** Token ids of the two splits, and how text became them. The trainer needs no more of a corpus. */
export interface TrainingData {
  /** For people, such as `moby-dick`. */
  readonly name: string
  readonly train: ArrayLike<number>
  readonly validation: ArrayLike<number>
  readonly tokenizer: {
    readonly name: string
    /** Number of token ids. */
    readonly vocab: number
    /** Plain data from which the tokenizer can be made again; saved with checkpoints. */
    toJSON(): unknown
  }
}

export interface TrainOptions {
  /** As `resolveRecipe` returns it; other fields than these two are not read. */
  readonly recipe: { readonly name: string; readonly config: RecipeConfig }
  readonly data: TrainingData
  /** The caller makes it and disposes of it. */
  readonly backend: Backend
  /** Folder for metrics and checkpoints, made if need be; null writes nothing. */
  readonly out: string | null
  /** Run folder or checkpoint to continue from; its recipe is compared with the given one and differences announced. */
  readonly resume?: string | undefined
  /** When aborted, the step under way is finished, a checkpoint saved and the run ends as `interrupted`. */
  readonly signal?: AbortSignal | undefined
  /** Steps between metric lines with weight norms per role; default 10. */
  readonly logEvery?: number | undefined
}
