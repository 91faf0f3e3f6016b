/** Saving and loading a whole checkpoint: weights, optimizer state, and what else a run needs to go on. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import {
  CHECKPOINT_VERSION,
  checkpointRecord,
  observedRecord,
  type CheckpointRecord,
  type ObservedRecord,
} from '../records/index.ts'
import { CheckpointError, writing } from './checkpointError.ts'
import { nodeDisk, type Disk } from './disk.ts'
import {
  CHECKPOINT_FILES,
  checkpointFolder,
  findCheckpoint,
  readJson,
  readRecord,
  type CheckpointSlot,
} from './runFolder.ts'
import {
  openSafetensors,
  readSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type Tensor,
  type TensorToWrite,
} from './safetensors.ts'
import { replaceSlot } from './slot.ts'
import { writeJson, writeText } from './wholeFile.ts'

export interface CheckpointContents {
  /** By parameter name. The arrays may be the live ones, also in shared memory: they are written without a copy. */
  readonly weights: ReadonlyMap<string, TensorToWrite>
  /** By the name of the state, such as `wte.weight.exp_avg`. */
  readonly optimizer: ReadonlyMap<string, Tensor>
  readonly metadata: CheckpointRecord
  /** What looking at the forces must remember; null or undefined in runs that do not look. */
  readonly observed?: ObservedRecord | null
}

export interface LoadedCheckpoint extends CheckpointContents {
  /** Where it was found. */
  readonly folder: string
  readonly weights: ReadonlyMap<string, Tensor>
}

/** A checkpoint whose weights are read one by one. */
export interface OpenedCheckpoint {
  readonly folder: string
  readonly metadata: CheckpointRecord
  readonly weights: SafetensorsFile
}

/**
 * Replaces a run's `last` or `best` checkpoint as a whole and returns its folder. Whatever happens, a complete checkpoint
 * is left: the new one or the one before. Throws CheckpointError when the disk refuses.
 */
export function saveCheckpoint(
  runFolder: string,
  which: CheckpointSlot,
  { weights, optimizer, metadata, observed }: CheckpointContents,
  disk: Disk = nodeDisk,
): string {
  const slot = checkpointFolder(runFolder, which)
  // Hugging Face's loaders ask for `format`; `step` ties the files of one checkpoint together.
  const options = { metadata: { format: 'pt', step: String(metadata.step) }, disk }
  writing(slot, () =>
    replaceSlot(
      slot,
      (folder) => {
        writeSafetensors(join(folder, CHECKPOINT_FILES.weights), weights, options)
        writeSafetensors(join(folder, CHECKPOINT_FILES.optimizer), optimizer, options)
        writeJson(join(folder, CHECKPOINT_FILES.metadata), metadata, disk)
        // One line: it may hold a number for each token.
        if (observed) writeText(join(folder, CHECKPOINT_FILES.observed), `${JSON.stringify(observed)}\n`, disk)
      },
      disk,
    ),
  )
  return slot
}

/**
 * Makes the last checkpoint the best one too, by second names for its files: nothing is written twice, and since files
 * are only ever replaced, never changed, the two do not affect each other. Returns the folder. Throws CheckpointError.
 */
export function keepLastAsBest(runFolder: string, disk: Disk = nodeDisk): string {
  const last = findCheckpoint(runFolder, 'last')
  const slot = checkpointFolder(runFolder, 'best')
  writing(slot, () =>
    replaceSlot(
      slot,
      (folder) => {
        for (const name of readdirSync(last)) disk.link(join(last, name), join(folder, name))
      },
      disk,
    ),
  )
  return slot
}

/**
 * Reads a checkpoint; `path` and `which` as for findCheckpoint. With `optimizer: false` its state is left unread and the
 * map is empty. Throws CheckpointError when something is missing, cut off, damaged or from different steps.
 */
export function loadCheckpoint(
  path: string,
  which?: CheckpointSlot,
  { optimizer: withOptimizer = true }: { readonly optimizer?: boolean } = {},
): LoadedCheckpoint {
  const folder = findCheckpoint(path, which)
  const metadata = readCheckpointMetadata(folder)
  const weights = readPart(folder, CHECKPOINT_FILES.weights, metadata.step)
  const optimizer = withOptimizer
    ? readPart(folder, CHECKPOINT_FILES.optimizer, metadata.step)
    : new Map<string, Tensor>()
  return { folder, metadata, weights, optimizer, observed: readObserved(folder, metadata.step) }
}

/** A checkpoint's `observed.json`; null where its run did not look. Throws CheckpointError where it is damaged. */
export function readObserved(folder: string, step: number): ObservedRecord | null {
  const path = join(folder, CHECKPOINT_FILES.observed)
  if (!existsSync(path)) return null
  const observed = readRecord(path, observedRecord)
  checkStep(path, String(observed.step), step)
  return observed
}

/** The same without reading a tensor yet; the caller closes `weights`. Throws CheckpointError. */
export function openCheckpoint(path: string, which?: CheckpointSlot): OpenedCheckpoint {
  const folder = findCheckpoint(path, which)
  const metadata = readCheckpointMetadata(folder)
  const weights = openSafetensors(join(folder, CHECKPOINT_FILES.weights))
  try {
    checkStep(weights.path, weights.metadata.get('step'), metadata.step)
  } catch (error) {
    weights.close()
    throw error
  }
  return { folder, metadata, weights }
}

const versionSchema = z.object({ version: z.number() })

/** Reads `checkpoint.json` alone; `path` and `which` as for findCheckpoint. Throws CheckpointError. */
export function readCheckpointMetadata(path: string, which?: CheckpointSlot): CheckpointRecord {
  const file = join(findCheckpoint(path, which), CHECKPOINT_FILES.metadata)
  const { version } = versionSchema.safeParse(readJson(file)).data ?? { version: CHECKPOINT_VERSION }
  if (version > CHECKPOINT_VERSION) {
    throw new CheckpointError(
      file,
      `${file} has version ${version}; this halflife reads up to ${CHECKPOINT_VERSION}.`,
      'It was written by a newer halflife: update this one.',
    )
  }
  return readRecord(file, checkpointRecord)
}

function readPart(folder: string, name: string, step: number): Map<string, Tensor> {
  const path = join(folder, name)
  const { tensors, metadata } = readSafetensors(path)
  checkStep(path, metadata.get('step'), step)
  return tensors
}

/** Throws CheckpointError where a file of a checkpoint says that it is from another step, or from none. */
function checkStep(path: string, own: string | undefined, step: number): void {
  if (own === String(step)) return
  throw new CheckpointError(
    path,
    `${path} is from ${own === undefined ? 'another program' : `step ${own}`}, its ${CHECKPOINT_FILES.metadata} from step ${step}.`,
    'The files of a checkpoint belong together: take all of them from one folder.',
  )
}

/**
 * Throws CheckpointError unless `found` has exactly the expected names with the expected shapes; it names what is
 * missing, unexpected and wrong. `path` is the checkpoint's folder, `what` is "weights" or "optimizer state", `hint`
 * what to do.
 */
export function expectTensors(
  found: ReadonlyMap<string, Pick<Tensor, 'shape'>>,
  expected: ReadonlyMap<string, readonly number[]>,
  { path, what, hint }: { readonly path: string; readonly what: string; readonly hint: string },
): void {
  const faults: string[] = []
  for (const [name, shape] of expected) {
    const tensor = found.get(name)
    if (tensor === undefined) faults.push(`missing: ${name} ${brackets(shape)}`)
    else if (brackets(tensor.shape) !== brackets(shape)) {
      faults.push(`wrong shape: ${name} is ${brackets(tensor.shape)}, expected ${brackets(shape)}`)
    }
  }
  for (const [name, { shape }] of found) {
    if (!expected.has(name)) faults.push(`unexpected: ${name} ${brackets(shape)}`)
  }
  if (faults.length === 0) return
  const shown = faults.slice(0, FAULTS_SHOWN)
  if (faults.length > shown.length) shown.push(`and ${faults.length - shown.length} more`)
  throw new CheckpointError(path, `The ${what} of ${path} do not fit this model:\n  ${shown.join('\n  ')}`, hint)
}

/** Enough to see what kind of mistake it is. */
const FAULTS_SHOWN = 8

function brackets(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}
