/** Training from its options to its last event. */
import type { LoadedCheckpoint } from '../checkpoint/index.ts'
import { corpusRecordOf } from '../data/index.ts'
import { TrainingError, type StartEvent, type TrainEvent } from './events.ts'
import type { TrainOptions } from './options.ts'
import { checkPretrained, pretrainedNotices } from './pretrained.ts'
import { resumeChanges, resumeNotices } from './resume.ts'
import { TrainingSession } from './session.ts'
import { runSetup, type RunSetup } from './setup.ts'
import { openStorage, readResumePoint } from './storage.ts'

/**
 * Trains as the recipe says and tells what happens: `start`, `compiled`, then `step`, `evaluation` and `checkpoint`
 * events, and `end` last. The whole validation split is evaluated before the first step, every `train.evalEvery` steps
 * and at the end; checkpoints are saved after each evaluation, the best one apart.
 *
 * Throws DataError where the corpus does not fit the model, TrainingError where the checkpoint does not or where the
 * loss or the gradient is no longer a number, and CheckpointError where a checkpoint cannot be read or written.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent, void> {
  const begin = performance.now()
  const setup = runSetup(options.recipe.config, options.corpus)
  if (options.freshOptimizer === true && options.resume === undefined) {
    throw new TrainingError(
      'A fresh optimizer was asked for, but nothing is resumed: a new run starts with one.',
      'Leave --fresh-optimizer out, or name the run to go on from with --resume.',
    )
  }
  checkPretrained(options, setup.step)
  const resumePoint = options.resume === undefined ? null : readResumePoint(options.resume, options)
  const start = startEvent(options, setup, resumePoint)
  const storage = openStorage(options, setup.ledger, resumePoint?.metadata.step ?? null)
  try {
    yield start
    const session = new TrainingSession({ options, setup, storage, start, begin })
    yield session.prepare(resumePoint)
    yield* session.run()
  } finally {
    storage?.close()
  }
}

function startEvent(options: TrainOptions, setup: RunSetup, from: LoadedCheckpoint | null): StartEvent {
  const { recipe, corpus, backend, out } = options
  const { name, trainTokens, validationTokens } = corpusRecordOf(corpus)
  return {
    kind: 'start',
    run: out ?? recipe.name,
    recipe: recipe.name,
    seed: recipe.config.train.seed,
    backend: { name: backend.name, description: backend.description, threads: backend.threads },
    ledger: setup.ledger,
    parameters: setup.parameters,
    tensors: setup.tensors,
    corpus: { name, trainTokens, validationTokens },
    tokensPerStep: setup.tokensPerStep,
    startStep: from?.metadata.step ?? 0,
    steps: recipe.config.schedule.steps,
    resumedFrom: from?.folder ?? null,
    changes: from ? resumeChanges(from.metadata, recipe.config, corpus) : [],
    notices: [
      ...(backend.note === undefined ? [] : [backend.note]),
      ...(from ? resumeNotices(from.metadata, options) : []),
      ...(options.from ? pretrainedNotices(options.from) : []),
    ],
  }
}
