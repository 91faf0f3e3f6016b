/** Beginning a run with the weights of another run or program. */
import { expectTensors } from '../checkpoint/index.ts'
import type { Corpus } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import type { Pretrained } from '../exchange/index.ts'
import { parameterCount } from '../nn/parameter.ts'
import { TrainingError } from './events.ts'
import type { TrainOptions } from './options.ts'
import type { ModelSetup } from './step.ts'

/**
 * Throws TrainingError where a run is to begin with weights and go on from a checkpoint at once, or where the corpus was
 * made with another tokenizer than the weights; CheckpointError where the recipe's model is not that of the weights.
 */
export function checkPretrained({ from, resume, corpus }: TrainOptions, { parameters }: ModelSetup): void {
  if (from === undefined) return
  if (resume !== undefined) {
    throw new TrainingError(
      `The run is to go on from ${resume} and to begin with the weights of ${from.path}; it cannot do both.`,
      'Leave out --from to go on with a run, or --resume to begin a new one.',
    )
  }
  const expected = new Map(parameters.map(({ name, shape }) => [name, shape]))
  const found = new Map(from.parameters.map((spec) => [spec.name, spec]))
  expectTensors(found, expected, {
    path: from.path,
    what: 'weights',
    hint: 'The model of the run is that of its weights: leave the settings under model as they are.',
  })
  checkTokenizer(from, corpus)
}

function checkTokenizer({ path, tokenizer }: Pretrained, corpus: Corpus): void {
  const given = corpus.tokenizer.describe()
  if (tokenizer === null || tokenizer.name === 'ids' || JSON.stringify(tokenizer) === JSON.stringify(given)) return
  throw new TrainingError(
    `The weights of ${path} were trained with the tokenizer ${tokenizer.name}, and the text is read with another ` +
      `(${given.name}, ${corpus.tokenizer.vocab} tokens); its token ids mean something else.`,
    'Leave --tokenizer out, so that the one of the weights is used.',
  )
}

/** Copies the weights to the backend's buffers, one at a time. Throws what reading them throws. */
export function loadPretrained(backend: Backend, { parameters, read }: Pretrained): void {
  for (const parameter of parameters) {
    const values = new Float32Array(parameterCount(parameter.shape))
    read(parameter, values)
    backend.buffer(parameter.name, 'f32', parameter.shape).set(values)
  }
}

/** What to say of them before the first step. */
export function pretrainedNotices({ path, format, dtypes, notices }: Pretrained): readonly string[] {
  return [`The weights are those of ${path} (${format}, ${dtypes}); the optimizer starts anew.`, ...notices]
}
