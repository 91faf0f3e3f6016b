/** A run of this program as a model to fine-tune or to give away. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expectTensors, openCheckpoint, RUN_FILES, runFolderOf, type CheckpointSlot } from '../checkpoint/index.ts'
import { tokenizerFromDescription } from '../data/index.ts'
import { findModel } from '../models/index.ts'
import { checkConfig } from '../recipes/index.ts'
import type { Pretrained } from './pretrained.ts'

/**
 * Opens the weights of a run's checkpoint; `path` and `which` as for findCheckpoint.
 * Throws CheckpointError and RecipeError; then nothing is left open.
 */
export async function openRun(path: string, which?: CheckpointSlot): Promise<Pretrained> {
  const { folder, metadata, weights } = openCheckpoint(path, which)
  try {
    const config = checkConfig(metadata.recipe.config, folder)
    const { model } = config
    const { vocab } =
      model.vocab === 'auto' ? await tokenizerFromDescription(metadata.tokenizer) : { vocab: model.vocab }
    const settings = { ...model, vocab }
    const parameters = findModel(model.architecture).declareParameters(settings)
    const expected = new Map(parameters.map(({ name, shape }) => [name, shape]))
    expectTensors(weights.tensors, expected, {
      path: folder,
      what: 'weights',
      hint: 'The files of the checkpoint were changed; use another checkpoint of the run (last, best).',
    })
    return {
      path,
      format: `halflife, step ${metadata.step}`,
      dtypes: [...new Set([...weights.tensors.values()].map(({ dtype }) => dtype))].join(', '),
      model: settings,
      parameters,
      tokenizer: metadata.tokenizer,
      carried: sourceFiles(runFolderOf(path)),
      notices: [],
      run: { config, vocab, checkpoint: folder },
      read: ({ name }, out) => void weights.read(name, out),
      close: weights.close,
    }
  } catch (error) {
    weights.close()
    throw error
  }
}

/** The files that the run's first weights brought along. */
function sourceFiles(runFolder: string): readonly string[] {
  const folder = join(runFolder, RUN_FILES.source)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name))
}
