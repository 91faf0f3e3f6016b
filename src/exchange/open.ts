/** Opening whatever holds a model: a run of this program, a folder of transformers, a file of llama2.c. */
import { statSync } from 'node:fs'
import type { CheckpointSlot } from '../checkpoint/index.ts'
import { ExchangeError } from './exchangeError.ts'
import { isHuggingFaceFolder, openHuggingFace } from './huggingface/open.ts'
import { openLlama2c } from './llama2c.ts'
import type { Pretrained } from './pretrained.ts'
import { openRun } from './run.ts'

/**
 * Opens a model by its path; `which` chooses among a run's checkpoints.
 * Throws ExchangeError, CheckpointError or RecipeError; then nothing is left open.
 */
export async function openPretrained(path: string, which?: CheckpointSlot): Promise<Pretrained> {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) {
    throw new ExchangeError(
      path,
      `There is no file or folder ${path}.`,
      'Give the folder of a model as transformers saves it, or the folder of a run.',
    )
  }
  if (found.isFile()) return openLlama2c(path)
  if (isHuggingFaceFolder(path)) return openHuggingFace(path)
  return openRun(path, which)
}
