/** What differs between a checkpoint and the run that continues it: some of it is allowed and announced, some is not. */
import type { Corpus } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import { checkConfig, type RecipeConfig } from '../recipes/index.ts'
import type { CheckpointRecord } from '../records/index.ts'
import { TrainingError, type ResumeChange } from './events.ts'
import type { TrainOptions } from './options.ts'

/** Sections whose values are the checkpoint's tensors' own: with others the tensors do not fit. */
const FIXED_SECTION = 'model'
/** Model settings that shape no tensor and no forward pass outside training. */
const FREE_PATHS = new Set(['model.dropout', 'model.stochasticDepth', 'model.zLoss'])

/**
 * The recipe's settings that differ. Throws TrainingError where the model's sizes or the tokenizer differ, since the
 * saved weights then mean nothing.
 */
export function resumeChanges(saved: CheckpointRecord, config: RecipeConfig, corpus: Corpus): readonly ResumeChange[] {
  const before = flatten(checkConfig(saved.recipe.config, 'the checkpoint'))
  const changes = [...flatten(config)]
    .filter(([path, to]) => JSON.stringify(before.get(path)) !== JSON.stringify(to))
    .map(([path, to]): ResumeChange => ({ path, from: before.get(path), to }))
  const misfit = changes.find(({ path }) => path.startsWith(`${FIXED_SECTION}.`) && !FREE_PATHS.has(path))
  if (misfit) {
    throw new TrainingError(
      `The checkpoint was made with ${misfit.path} = ${show(misfit.from)}, this run asks for ${show(misfit.to)}.`,
      'A model keeps its sizes for life: resume without changing them, or start a new run.',
    )
  }
  if (JSON.stringify(saved.tokenizer) !== JSON.stringify(corpus.tokenizer.describe())) {
    throw new TrainingError(
      `The checkpoint was trained with another tokenizer (${saved.tokenizer.name}) than the data has now ` +
        `(${corpus.tokenizer.name}, ${corpus.tokenizer.vocab} tokens); its token ids mean something else.`,
      'Resume with the data that the run started with, or start a new run.',
    )
  }
  const data = { from: saved.corpus?.hash, to: corpus.hash }
  return data.from === data.to ? changes : [...changes, { path: 'data (hash of its tokens)', ...data }]
}

/** Why the resumed run may not be bit for bit what an uninterrupted one would have been. */
export function resumeNotices(
  saved: CheckpointRecord,
  { backend, freshOptimizer }: Pick<TrainOptions, 'backend' | 'freshOptimizer'>,
): readonly string[] {
  const elsewhere =
    `The checkpoint was computed by ${saved.backend}; this backend rounds differently, so the run goes on with ` +
    'slightly other numbers than it would have had.'
  const anew =
    "The optimizer starts anew: the checkpoint's state of it is left unread, and its averages and bias corrections " +
    `count from step ${saved.step}.`
  const same = saved.backend === null || saved.backend === computedBy(backend)
  return [...(same ? [] : [elsewhere]), ...(freshOptimizer === true ? [anew] : [])]
}

/** Thread counts do not change a bit, so they are no part of where something was computed. */
const THREADS = /, \d+ threads?$/

/** What a checkpoint says of where it was computed. */
export function computedBy(backend: Backend): string {
  return backend.description.replace(THREADS, '')
}

/** `section.key` -> value. */
function flatten(config: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Map<string, unknown> {
  return new Map(
    Object.entries(config).flatMap(([section, values]) =>
      Object.entries(values).map(([key, value]) => [`${section}.${key}`, value] as const),
    ),
  )
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}
