/** What commands need to know of a run that was saved. */
import { readCheckpointMetadata, runFolderOf, type CheckpointSlot } from '../checkpoint/index.ts'
import { tokenizerFromDescription, type Tokenizer } from '../data/index.ts'
import { checkConfig, type RecipeConfig } from '../recipes/index.ts'

export interface SavedRun {
  /** The run's folder. */
  readonly folder: string
  /** Name of its recipe. */
  readonly recipe: string
  readonly config: RecipeConfig
  readonly tokenizer: Tokenizer
  /** Optimizer steps done. */
  readonly step: number
}

/** Reads a run by its folder or one of its checkpoints' folders. Throws CheckpointError and RecipeError. */
export async function readSavedRun(path: string, which?: CheckpointSlot): Promise<SavedRun> {
  const { recipe, tokenizer, step } = readCheckpointMetadata(path, which)
  return {
    folder: runFolderOf(path),
    recipe: recipe.name,
    config: checkConfig(recipe.config, path),
    tokenizer: await tokenizerFromDescription(tokenizer),
    step,
  }
}
