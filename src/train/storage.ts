/** The folder of a run, as the training loop sees it, and the checkpoint that a run continues from. */
import { join } from 'node:path'
import {
  expectTensors,
  keepLastAsBest,
  loadCheckpoint,
  openMetrics,
  prepareRunFolder,
  RUN_FILES,
  saveCheckpoint,
  writeLedger,
  writeRunConfig,
  type LoadedCheckpoint,
} from '../checkpoint/index.ts'
import { corpusRecordOf } from '../data/index.ts'
import type { Backend, NumberArray } from '../engine/index.ts'
import { copySource } from '../exchange/index.ts'
import { RUN_CONFIG_VERSION, type CheckpointRecord, type MetricsLine, type ObservedRecord } from '../records/index.ts'
import { packageVersion } from '../records/ownPackage.ts'
import type { Ledger } from '../optim/index.ts'
import type { TrainOptions } from './options.ts'
import { computedBy } from './resume.ts'
import type { ModelSetup, StepSetup } from './step.ts'

export interface RunStorage {
  /** Writes one line of metrics. */
  log(line: MetricsLine): void
  /** Saves what the backend's buffers hold as the last checkpoint; returns its folder. */
  saveLast(record: CheckpointRecord, backend: Backend, setup: StepSetup, observed: ObservedRecord | null): string
  /** Makes the last checkpoint the best one too; returns that one's folder. */
  keepBest(): string
  close(): void
}

/**
 * Prepares the run's folder, or nothing where none is wanted. `step` is how many steps the checkpoint had done that the
 * run continues from; null in a new run, whose folder must not hold another's measurements. Throws CheckpointError.
 */
export function openStorage(options: TrainOptions, ledger: Ledger, step: number | null): RunStorage | null {
  const { out } = options
  if (out === null) return null
  prepareRunFolder(out)
  const metrics = openMetrics(join(out, RUN_FILES.metrics), step === null ? {} : { resumeFromStep: step })
  if (step === null) {
    writeRunConfig(out, runConfig(options))
    if (options.from) copySource(options.from, out)
  }
  writeLedger(out, ledger)
  return {
    log: (line) => metrics.append(line),
    saveLast: (metadata, backend, setup, observed) => {
      return saveCheckpoint(out, 'last', { metadata, observed, ...liveTensors(backend, setup) })
    },
    keepBest: () => keepLastAsBest(out),
    close: () => metrics.close(),
  }
}

function runConfig({ recipe, corpus, backend, from }: TrainOptions) {
  const pretrained = from && { path: from.path, format: from.format, dtypes: from.dtypes }
  return {
    version: RUN_CONFIG_VERSION,
    halflife: packageVersion(),
    startedAt: new Date().toISOString(),
    recipe: { name: recipe.name, config: recipe.config },
    seed: recipe.config.train.seed,
    backend: computedBy(backend),
    threads: backend.threads,
    corpus: corpusRecordOf(corpus),
    tokenizer: corpus.tokenizer.describe(),
    ...(pretrained ? { pretrained } : {}),
  } as const
}

/** Where a run continues from. Throws CheckpointError where there is no whole checkpoint. */
export function readResumePoint(
  path: string,
  { freshOptimizer }: Pick<TrainOptions, 'freshOptimizer'>,
): LoadedCheckpoint {
  return loadCheckpoint(path, undefined, { optimizer: freshOptimizer !== true })
}

/** Copies a checkpoint's weights to the backend's buffers. Throws CheckpointError where they are not this model's. */
export function restoreWeights(backend: Backend, { parameters }: ModelSetup, from: LoadedCheckpoint): void {
  const about = {
    path: from.folder,
    what: 'weights',
    hint: 'Use the recipe that the checkpoint was trained with, or another checkpoint.',
  }
  restore(backend, from.weights, shapesByName(parameters), about)
}

/** The same for the optimizer's state. */
export function restoreOptimizer(backend: Backend, { parameters, optimizer }: StepSetup, from: LoadedCheckpoint): void {
  const about = {
    path: from.folder,
    what: 'optimizer state',
    hint:
      `${optimizer.name} needs all of its state to go on. Resume with the optimizer that the run had, or start ` +
      'the optimizer anew from these weights with --fresh-optimizer.',
  }
  restore(backend, from.optimizer, shapesByName(optimizer.init(parameters)), about)
}

type Shapes = ReadonlyMap<string, readonly number[]>

function shapesByName(tensors: readonly { readonly name: string; readonly shape: readonly number[] }[]): Shapes {
  return new Map(tensors.map(({ name, shape }) => [name, shape]))
}

function restore(
  backend: Backend,
  found: LoadedCheckpoint['weights'],
  expected: Shapes,
  about: { readonly path: string; readonly what: string; readonly hint: string },
): void {
  expectTensors(found, expected, about)
  for (const [name, { shape, data }] of found) backend.buffer(name, 'f32', shape).set(data)
}

function liveTensors(
  backend: Backend,
  { parameters, optimizer }: StepSetup,
): Pick<LoadedCheckpoint, 'weights' | 'optimizer'> {
  const collect = (shapes: Shapes): LoadedCheckpoint['weights'] => {
    return new Map(
      [...shapes].map(([name, shape]) => [name, { shape, data: singles(backend.buffer(name, 'f32', shape)) }]),
    )
  }
  return { weights: collect(shapesByName(parameters)), optimizer: collect(shapesByName(optimizer.init(parameters))) }
}

/** The array itself, or its numbers in float32 where a backend computes in float64. */
function singles(values: NumberArray): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values)
}
