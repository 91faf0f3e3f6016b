/** The weights that a run gives to the world: its checkpoint's, or what its optimizer makes of them (Schedule-Free). */
import { loadCheckpoint } from '../checkpoint/index.ts'
import type { Backend } from '../engine/index.ts'
import type { RecipeConfig } from '../recipes/index.ts'
import { stepSetup } from './setup.ts'
import { tracePublish } from './step.ts'
import { restoreOptimizer, restoreWeights } from './storage.ts'

/**
 * Fills the backend's buffers with the weights to sample, evaluate or export from the checkpoint at `path`, a run's
 * folder or a checkpoint's own. The optimizer's state is read only where the weights follow from it. `vocab` is the
 * tokenizer's. Throws CheckpointError where the checkpoint is damaged or not this configuration's.
 */
export function publishCheckpoint(backend: Backend, config: RecipeConfig, vocab: number, path: string): void {
  const { step } = stepSetup(config, vocab)
  const publication = tracePublish(step)
  const checkpoint = loadCheckpoint(path, undefined, { optimizer: publication !== null })
  restoreWeights(backend, step, checkpoint)
  if (publication === null) return
  restoreOptimizer(backend, step, checkpoint)
  backend.compile(publication).run()
}
