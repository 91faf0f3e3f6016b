/**
 * The folder of a run:
 *
 *     config.json  ledger.json  metrics.jsonl
 *     source/      what belongs to the weights that the run began with: their config.json, their tokenizer
 *     checkpoints/last/  checkpoints/best/      each with model.safetensors, optimizer.safetensors, checkpoint.json,
 *                                               and observed.json in runs that look at their forces
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import {
  explainMismatch,
  ledgerRecord,
  runConfigRecord,
  type LedgerRecord,
  type RunConfigRecord,
} from '../records/index.ts'
import { CheckpointError, reading, writing } from './checkpointError.ts'
import { nodeDisk, type Disk } from './disk.ts'
import { findSlot } from './slot.ts'
import { removeQuietly, writeJson } from './wholeFile.ts'

export const RUN_FILES = {
  config: 'config.json',
  ledger: 'ledger.json',
  metrics: 'metrics.jsonl',
  source: 'source',
} as const
export const CHECKPOINT_FILES = {
  weights: 'model.safetensors',
  optimizer: 'optimizer.safetensors',
  metadata: 'checkpoint.json',
  /** Only in runs that look at the forces of weight decay. */
  observed: 'observed.json',
} as const

/** `last` is the newest state; `best` the one with the lowest validation loss. */
export type CheckpointSlot = 'last' | 'best'

/** Where a run keeps a checkpoint. After a crash it may be found beside it: read with findCheckpoint. */
export function checkpointFolder(runFolder: string, which: CheckpointSlot): string {
  return join(runFolder, 'checkpoints', which)
}

/**
 * Makes the run folder and writes a file into it and away again, so that a folder that cannot be written to is known
 * before the training and not after it. Throws CheckpointError.
 */
export function prepareRunFolder(runFolder: string, disk: Disk = nodeDisk): void {
  writing(runFolder, () => {
    disk.makeFolder(join(runFolder, 'checkpoints'))
    const probe = join(runFolder, `.probe-${process.pid}`)
    try {
      const file = disk.open(probe, 'create')
      try {
        disk.write(file, new Uint8Array(1))
      } finally {
        disk.close(file)
      }
    } finally {
      removeQuietly(probe, disk)
    }
  })
}

/** Writes `config.json`, what was asked for. Throws CheckpointError. */
export function writeRunConfig(runFolder: string, config: RunConfigRecord, disk: Disk = nodeDisk): void {
  writeJson(join(runFolder, RUN_FILES.config), config, disk)
}

/** Writes `ledger.json`, which tensors decay. Throws CheckpointError. */
export function writeLedger(runFolder: string, ledger: LedgerRecord, disk: Disk = nodeDisk): void {
  writeJson(join(runFolder, RUN_FILES.ledger), ledger, disk)
}

/** Reads `config.json`. Throws CheckpointError when it is missing or does not hold a run's configuration. */
export function readRunConfig(runFolder: string): RunConfigRecord {
  return readRecord(join(runFolder, RUN_FILES.config), runConfigRecord)
}

/** Reads `ledger.json`. Throws CheckpointError when it is missing or does not hold a ledger. */
export function readLedger(runFolder: string): LedgerRecord {
  return readRecord(join(runFolder, RUN_FILES.ledger), ledgerRecord)
}

/**
 * The folder of a complete checkpoint. `path` is a run folder or a checkpoint's own folder. In a run folder it is
 * `which`, or without it the last one, or else the best. Throws CheckpointError when there is none.
 */
export function findCheckpoint(path: string, which?: CheckpointSlot): string {
  if (existsSync(join(path, CHECKPOINT_FILES.metadata))) return path
  // A crash may have left a run's own slot under the name of one of the steps of its replacement.
  const moved = existsSync(path) || !isSlot(basename(path)) ? undefined : findSlot(path)
  if (moved !== undefined) return moved
  const wanted: readonly CheckpointSlot[] = which === undefined ? ['last', 'best'] : [which]
  for (const slot of wanted) {
    const found = findSlot(checkpointFolder(path, slot))
    if (found !== undefined) return found
  }
  if (!existsSync(path)) {
    throw new CheckpointError(path, `There is no folder ${path}.`, 'Check the path; give the folder of a run.')
  }
  const other = which === undefined ? undefined : findSlot(checkpointFolder(path, which === 'last' ? 'best' : 'last'))
  throw new CheckpointError(
    path,
    `${path} holds no ${which === undefined ? '' : `${which} `}checkpoint.`,
    other === undefined
      ? 'Give the folder of a run that has saved one (it has checkpoints/last), or that folder itself.'
      : `There is ${other}.`,
  )
}

function isSlot(name: string): name is CheckpointSlot {
  return name === 'last' || name === 'best'
}

/** `runs/a/checkpoints/last` -> `runs/a`; anything else is a run's folder itself. */
export function runFolderOf(path: string): string {
  const parent = dirname(path)
  return basename(parent) === 'checkpoints' ? dirname(parent) : path.replace(/(?<=.)\/+$/, '')
}

/** Reads a JSON file of a known form. Throws CheckpointError that names the first thing that is wrong. */
export function readRecord<S extends z.ZodType>(path: string, schema: S): z.infer<S> {
  const parsed = schema.safeParse(readJson(path))
  if (parsed.success) return parsed.data
  throw new CheckpointError(
    path,
    `${path} does not hold what it should: ${explainMismatch(parsed.error)}.`,
    'It was changed by hand, or by another version of halflife; use another checkpoint of the run.',
  )
}

/** Throws CheckpointError when the file cannot be read or is no JSON. */
export function readJson(path: string): unknown {
  const text = reading(path, () => readFileSync(path, 'utf8'))
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CheckpointError(
      path,
      `${path} is no JSON: it is cut off or was changed by hand.`,
      'Use another checkpoint of the run (last, best).',
      cause,
    )
  }
}
