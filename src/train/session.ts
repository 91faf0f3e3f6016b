/**
 * The training loop. Between two steps the event loop turns, so that signals are heard; whatever the next step needs is
 * in the last checkpoint: weights, moments, the step. Batches follow from the seed and the step.
 */
import type { LoadedCheckpoint } from '../checkpoint/index.ts'
import { corpusRecordOf } from '../data/index.ts'
import { CHECKPOINT_VERSION, type CheckpointRecord } from '../records/index.ts'
import { diverged } from './divergence.ts'
import type {
  CheckpointEvent,
  CompiledEvent,
  EndEvent,
  EvaluationEvent,
  LookEvent,
  StartEvent,
  StepEvent,
  TrainEvent,
} from './events.ts'
import { initialiseParameters } from './initialise.ts'
import { Observer } from './observer.ts'
import type { TrainOptions } from './options.ts'
import { Pace } from './pace.ts'
import { loadPretrained } from './pretrained.ts'
import { compilePrograms, type TrainingPrograms } from './programs.ts'
import { computedBy } from './resume.ts'
import type { RunSetup } from './setup.ts'
import { restoreOptimizer, restoreWeights, type RunStorage } from './storage.ts'

export interface SessionParts {
  readonly options: TrainOptions
  readonly setup: RunSetup
  readonly storage: RunStorage | null
  readonly start: StartEvent
  /** When the session began, on the clock of `performance.now()`. */
  readonly begin: number
}

export class TrainingSession {
  readonly #parts: SessionParts
  readonly #programs: TrainingPrograms
  readonly #compileMilliseconds: number
  /** Null in a run that never looks at its forces. */
  readonly #observer: Observer | null
  readonly #pace: Pace
  #step = 0
  #tokens = 0
  #learningRate = 0
  #trainLoss: number | null = null
  #penalty: number | null = null
  /** Steps done when the optimizer's state was zero. */
  #optimizerStart = 0
  #valLoss: number | null = null
  #best: CheckpointRecord['best'] = null
  /** Steps done at the last evaluation and the last save of this session. */
  #evaluatedAt: number | null = null
  #savedAt: number | null = null
  #lastCheckpoint: string | null = null

  constructor(parts: SessionParts) {
    const { options, setup } = parts
    const begin = performance.now()
    this.#parts = parts
    this.#observer = (options.lookEvery ?? 0) > 0 ? new Observer(setup) : null
    this.#programs = compilePrograms(options.backend, setup.step, this.#observer ?? undefined)
    this.#compileMilliseconds = performance.now() - begin
    this.#pace = new Pace(setup.tokensPerStep)
  }

  /** Fills parameters and optimizer state, from the seed or from a checkpoint. */
  prepare(from: LoadedCheckpoint | null): CompiledEvent {
    const { backend, recipe } = this.#parts.options
    const setup = this.#parts.setup.step
    const { parameters, optimizer } = setup
    const clearOptimizer = (): void => {
      for (const { name, shape } of optimizer.init(parameters)) backend.buffer(name, 'f32', shape).fill(0)
    }
    if (!from) {
      const { from: pretrained } = this.#parts.options
      if (pretrained) loadPretrained(backend, pretrained)
      else initialiseParameters(backend, parameters, recipe.config.train.seed)
      clearOptimizer()
    } else {
      const fresh = this.#parts.options.freshOptimizer === true
      restoreWeights(backend, setup, from)
      if (fresh) clearOptimizer()
      else restoreOptimizer(backend, setup, from)
      this.#optimizerStart = fresh ? from.metadata.step : from.metadata.optimizerStart
      const { step, tokens, valLoss, best, learningRate } = from.metadata
      this.#step = step
      this.#tokens = tokens
      this.#valLoss = valLoss
      this.#best = best
      this.#learningRate = learningRate
      this.#lastCheckpoint = from.folder
    }
    this.#observer?.begin(backend, this.#step, from?.observed ?? null)
    const { reports, flopsPerStep } = this.#programs
    return { kind: 'compiled', reports, milliseconds: this.#compileMilliseconds, flopsPerStep }
  }

  async *run(): AsyncGenerator<TrainEvent, void> {
    const { steps } = this.#parts.start
    const { evalEvery } = this.#parts.options.recipe.config.train
    if (this.#step === 0) yield* this.#evaluate()
    while (this.#step < steps && !this.#aborted) {
      yield* this.#trainStep()
      await turn()
      if (this.#step % evalEvery === 0 || this.#step === steps) yield* this.#evaluateAndSave()
    }
    // A checkpoint saved by Ctrl-C in the last evaluation has all its steps but lacks that evaluation.
    if (this.#evaluatedAt !== this.#step && !this.#aborted) yield* this.#evaluateAndSave()
    if (this.#aborted && this.#savedAt !== this.#step && this.#step > 0) yield* this.#save()
    this.#programs.publish()
    yield this.#end()
  }

  get #aborted(): boolean {
    return this.#parts.options.signal?.aborted === true
  }

  *#trainStep(): Generator<StepEvent | LookEvent, void> {
    const { options, setup, start, storage } = this.#parts
    const learningRate = setup.schedule(this.#step)
    const begin = performance.now()
    const seed = options.recipe.config.train.seed
    const weightDecay = setup.weightDecayAt(this.#step)
    const position = { step: this.#step, seed, learningRate, optimizerStart: this.#optimizerStart }
    const looks = this.#looks(this.#step + 1)
    const result = this.#programs.step(options.corpus.train, position, looks)
    const { loss, auxiliaryLosses, penalty, gradientNorm, forces } = result
    const stepMs = performance.now() - begin
    this.#pace.add(stepMs)
    this.#step++
    this.#tokens += setup.tokensPerStep
    this.#learningRate = learningRate
    this.#trainLoss = loss
    this.#penalty = penalty
    const logged = this.#step % (options.logEvery ?? 1) === 0 || this.#step === start.steps
    const weightNorms = logged ? this.#programs.weightNorms() : null
    const { tokensPerSecond } = this.#pace
    if (weightNorms) {
      storage?.log({
        kind: 'step',
        step: this.#step,
        loss: measured(loss),
        ...(Object.keys(auxiliaryLosses).length > 0 ? { auxiliaryLosses: allMeasured(auxiliaryLosses) } : {}),
        ...(penalty === null ? {} : { penalty: measured(penalty) }),
        learningRate,
        weightDecay,
        gradientNorm: measured(gradientNorm),
        weightNorm: allMeasured(weightNorms),
        tokensPerSecond,
      })
    }
    this.#observer?.note(position, gradientNorm)
    const look = forces && this.#observer ? this.#observer.line(position, gradientNorm, forces) : null
    if (look) storage?.log(look)
    this.#checkFinite('The loss', loss)
    for (const [name, value] of Object.entries(auxiliaryLosses)) this.#checkFinite(`The ${name} loss`, value)
    this.#checkFinite('The penalty on the weights', penalty ?? 0)
    this.#checkFinite('The gradient norm', gradientNorm)
    const { step, steps } = { step: this.#step, steps: start.steps }
    const secondsLeft = this.#pace.secondsFor(steps - step)
    yield {
      kind: 'step',
      step,
      steps,
      loss,
      auxiliaryLosses,
      penalty,
      learningRate,
      weightDecay,
      gradientNorm,
      weightNorms,
      stepMs,
      tokensPerSecond,
      secondsLeft,
    }
    if (look) yield look
  }

  /** Whether a step, counted from 1, is looked at. */
  #looks(step: number): boolean {
    const every = this.#parts.options.lookEvery ?? 0
    return every > 0 && (step % every === 0 || step === 1 || step === this.#parts.start.steps)
  }

  /** Nothing where the signal aborts meanwhile: half an evaluation is no number. */
  async *#evaluate(): AsyncGenerator<EvaluationEvent, void> {
    const { options, storage } = this.#parts
    const begin = performance.now()
    let sum = 0
    let tokens = 0
    for (const { lossSum, count } of this.#programs.evaluate(options.corpus.validation)) {
      sum += lossSum
      tokens += count
      await turn()
      if (this.#aborted) return
    }
    const valLoss = sum / tokens
    const milliseconds = performance.now() - begin
    const step = this.#step
    storage?.log({ kind: 'evaluation', step, valLoss: measured(valLoss), tokens, seconds: milliseconds / 1000 })
    this.#checkFinite('The validation loss', valLoss)
    this.#valLoss = valLoss
    this.#evaluatedAt = step
    // The untrained model is a starting point, not a result.
    const best = step > 0 && (this.#best === null || valLoss < this.#best.valLoss)
    if (best) this.#best = { step, valLoss }
    yield { kind: 'evaluation', step, valLoss, tokens, milliseconds, best }
  }

  async *#evaluateAndSave(): AsyncGenerator<TrainEvent, void> {
    let isBest = false
    for await (const event of this.#evaluate()) {
      isBest = event.best
      yield event
    }
    if (this.#step === 0) return
    yield* this.#save()
    if (isBest) yield* this.#keepBest()
  }

  *#save(): Generator<CheckpointEvent, void> {
    const { options, setup, storage } = this.#parts
    if (!storage) return
    for (const [role, norm] of Object.entries(this.#programs.weightNorms())) {
      this.#checkFinite(`The norm of the ${role} weights`, norm)
    }
    const path = storage.saveLast(
      this.#record(),
      options.backend,
      setup.step,
      this.#observer?.record(this.#step) ?? null,
    )
    this.#savedAt = this.#step
    this.#lastCheckpoint = path
    yield { kind: 'checkpoint', which: 'last', step: this.#step, path }
  }

  *#keepBest(): Generator<CheckpointEvent, void> {
    const path = this.#parts.storage?.keepBest()
    if (path !== undefined) yield { kind: 'checkpoint', which: 'best', step: this.#step, path }
  }

  #record(): CheckpointRecord {
    const { options, setup } = this.#parts
    const { recipe, corpus, backend } = options
    return {
      version: CHECKPOINT_VERSION,
      step: this.#step,
      tokens: this.#tokens,
      valLoss: this.#valLoss,
      best: this.#best,
      seed: recipe.config.train.seed,
      learningRate: this.#learningRate,
      optimizerStart: this.#optimizerStart,
      backend: computedBy(backend),
      corpus: corpusRecordOf(corpus),
      tokenizer: corpus.tokenizer.describe(),
      recipe: { name: recipe.name, config: recipe.config },
      ledger: setup.ledger,
    }
  }

  #checkFinite(what: string, value: number): void {
    if (Number.isFinite(value)) return
    const place = { step: this.#step, learningRate: this.#learningRate, checkpoint: this.#lastCheckpoint }
    throw diverged({ what, value, ...place }, this.#parts.options.recipe.config)
  }

  #end(): EndEvent {
    const { options, setup, start, begin } = this.#parts
    const complete = this.#step >= start.steps && this.#evaluatedAt === this.#step
    const { backend, recipe, out } = options
    return {
      kind: 'end',
      reason: complete ? 'complete' : 'interrupted',
      summary: {
        run: start.run,
        recipe: recipe.name,
        backend: backend.name,
        threads: backend.threads,
        seed: recipe.config.train.seed,
        parameters: setup.parameters,
        tensors: setup.tensors,
        steps: this.#step,
        tokens: this.#tokens,
        seconds: (performance.now() - begin) / 1000,
        ...this.#pace.totals(this.#programs.flopsPerStep),
        trainLoss: this.#trainLoss,
        penalty: this.#penalty,
        valLoss: this.#valLoss,
        checkpoint: this.#lastCheckpoint,
      },
      resumeCommand:
        complete || out === null || this.#savedAt === null ? null : `halflife train --resume ${shellWord(out)}`,
    }
  }
}

/** Lets the event loop hear signals and timers. */
function turn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume))
}

/** A measured number for JSON, which knows neither NaN nor infinities. */
function measured(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function allMeasured(values: Readonly<Record<string, number>>): Record<string, number | null> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, measured(value)]))
}

/** A word of a shell command, in quotes where it needs them. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
