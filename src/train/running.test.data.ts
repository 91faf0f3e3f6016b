/** Runs tiny trainings to their end and sorts what they told, for tests. */
import type { Corpus } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import { resolveRecipe } from '../recipes/index.ts'
import { float32, type TestedBackend } from './backends.test.data.ts'
import type { EndEvent, EvaluationEvent, StartEvent, StepEvent, TrainEvent } from './events.ts'
import type { TrainOptions } from './options.ts'
import { stepSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'
import { train } from './trainer.ts'

/** Two blocks of width 16, 12 steps with an evaluation after every fifth. */
export function tinyRecipe(...set: readonly string[]): TrainOptions['recipe'] {
  return resolveRecipe('quickstart', {
    config: {
      model: { layers: 2, heads: 2, width: 16, context: 8 },
      optimizer: { learningRate: 1e-2 },
      schedule: { warmup: 3, steps: 12, floor: 1e-3 },
      train: { batchSize: 2, evalEvery: 5, seed: 7 },
    },
    set,
  })
}

export interface Result {
  readonly events: readonly TrainEvent[]
  readonly start: StartEvent
  readonly steps: readonly StepEvent[]
  readonly evaluations: readonly EvaluationEvent[]
  readonly end: EndEvent
  /** Weights and the optimizer's state when the run ended, by name. */
  readonly tensors: ReadonlyMap<string, readonly number[]>
}

export interface RunOptions extends Partial<
  Pick<TrainOptions, 'out' | 'resume' | 'freshOptimizer' | 'recipe' | 'corpus' | 'logEvery' | 'lookEvery'>
> {
  readonly on?: TestedBackend
  readonly threads?: number
  /** Abort when this event arrives. */
  readonly abortAt?: (event: TrainEvent) => boolean
  /** Told of every event, as it comes. */
  readonly listen?: (event: TrainEvent) => void
}

export async function runTraining(options: RunOptions = {}): Promise<Result> {
  const {
    on = float32,
    threads,
    abortAt,
    listen,
    recipe = tinyRecipe(),
    corpus = tinyCorpus(),
    out = null,
    ...rest
  } = options
  const backend = on.create(threads)
  const controller = new AbortController()
  const events: TrainEvent[] = []
  try {
    for await (const event of train({ recipe, corpus, backend, out, signal: controller.signal, ...rest })) {
      events.push(event)
      listen?.(event)
      if (abortAt?.(event) === true) controller.abort()
    }
    return { ...sortEvents(events), tensors: readTensors(backend, recipe, corpus) }
  } finally {
    backend.dispose()
  }
}

function sortEvents(events: readonly TrainEvent[]): Omit<Result, 'tensors'> {
  const [start, end] = [events[0], events.at(-1)]
  if (start?.kind !== 'start' || end?.kind !== 'end') throw new Error('a run begins with start and ends with end')
  return {
    events,
    start,
    end,
    steps: events.filter((event) => event.kind === 'step'),
    evaluations: events.filter((event) => event.kind === 'evaluation'),
  }
}

function readTensors(
  backend: Backend,
  { config }: TrainOptions['recipe'],
  { tokenizer }: Corpus,
): Map<string, number[]> {
  const { parameters, optimizer } = stepSetup(config, tokenizer.vocab).step
  return new Map(
    [...parameters, ...optimizer.init(parameters)].map(({ name, shape }) => {
      return [name, [...backend.buffer(name, 'f32', shape)]] as const
    }),
  )
}

/** For `abortAt`: the event of this step. */
export function atStep(step: number): (event: TrainEvent) => boolean {
  return (event) => event.kind === 'step' && event.step === step
}
