/** The weights that a run gives to the world: its checkpoint's, or what its optimizer makes of them (Schedule-Free). */
import { loadCheckpoint } from '../checkpoint/index.ts'
import { createInterpreterBackend, type Backend } from '../engine/index.ts'
import type { Pretrained } from '../exchange/index.ts'
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

/**
 * The same model with the weights that its run would publish, for export and fine-tuning; the model itself unless it is
 * a run whose optimizer trains other weights. Throws as `publishCheckpoint`.
 */
export function publishedWeights(source: Pretrained): Pretrained {
  const { run } = source
  if (run === undefined || !stepSetup(run.config, run.vocab).step.optimizer.evaluationWeights) return source
  const backend = createInterpreterBackend({ precision: 'f32' })
  publishCheckpoint(backend, run.config, run.vocab, run.checkpoint)
  return { ...source, read: ({ name, shape }, out) => void out.set(backend.buffer(name, 'f32', shape)) }
}
