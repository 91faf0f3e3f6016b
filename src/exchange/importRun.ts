/** A model of another program as a run of this one: the same folder as after training, without optimizer state. */
import { basename, join } from 'node:path'
import {
  nodeDisk,
  RUN_FILES,
  saveCheckpoint,
  writeLedger,
  writeRunConfig,
  type Disk,
  type TensorToMake,
} from '../checkpoint/index.ts'
import { parameterCount } from '../nn/parameter.ts'
import type { ResolvedRecipe } from '../recipes/index.ts'
import { CHECKPOINT_VERSION, RUN_CONFIG_VERSION, type LedgerRecord, type TokenizerRecord } from '../records/index.ts'
import type { Pretrained } from './pretrained.ts'
import { copyFiles, writeFolder } from './writeFolder.ts'

export interface ImportOptions {
  /** Folder of the new run. */
  readonly out: string
  /** With the model of the source; its other settings are those of a training that goes on from it. */
  readonly recipe: ResolvedRecipe
  readonly ledger: LedgerRecord
  /** What turns text into the model's tokens. */
  readonly tokenizer: TokenizerRecord
  /** Version of this program. */
  readonly version: string
  readonly disk?: Disk
}

/**
 * Writes the run; tensors pass through memory one at a time. Throws ExchangeError where something is there already or
 * the source cannot be read, CheckpointError where the disk refuses. Then no folder is left.
 */
export function writeImportedRun(source: Pretrained, options: ImportOptions): void {
  const { out, recipe, ledger, tokenizer, version, disk = nodeDisk } = options
  const { seed } = recipe.config.train
  const about = { seed, backend: null, corpus: null, tokenizer, recipe: { name: recipe.name, config: recipe.config } }
  const { path, format, dtypes } = source
  writeFolder(
    out,
    (folder) => {
      writeRunConfig(
        folder,
        {
          version: RUN_CONFIG_VERSION,
          halflife: version,
          startedAt: new Date().toISOString(),
          threads: null,
          pretrained: { path, format, dtypes },
          ...about,
        },
        disk,
      )
      writeLedger(folder, ledger, disk)
      copySource(source, folder, disk)
      const metadata = {
        version: CHECKPOINT_VERSION,
        step: 0,
        optimizerStart: 0,
        tokens: 0,
        valLoss: null,
        best: null,
        ...about,
      } as const
      saveCheckpoint(
        folder,
        'last',
        { weights: weightsOf(source), optimizer: new Map(), metadata: { ...metadata, learningRate: 0, ledger } },
        disk,
      )
    },
    disk,
  )
}

/** Keeps the files that belong to a run's first weights in the run's folder. */
export function copySource({ carried }: Pretrained, runFolder: string, disk: Disk = nodeDisk): void {
  if (carried.length === 0) return
  const folder = join(runFolder, RUN_FILES.source)
  disk.makeFolder(folder)
  copyFiles(carried, folder, disk)
  disk.syncFolder(folder)
}

function weightsOf(source: Pretrained): ReadonlyMap<string, TensorToMake> {
  return new Map(
    source.parameters.map((parameter) => {
      const make = (): Float32Array => {
        const numbers = new Float32Array(parameterCount(parameter.shape))
        source.read(parameter, numbers)
        return numbers
      }
      return [parameter.name, { shape: parameter.shape, dtype: 'F32', make }]
    }),
  )
}

/** The name of a run made of it: the last part of its path. */
export function nameOf({ path }: Pretrained): string {
  return basename(path.replace(/(?<=.)\/+$/, '')).replace(/\.bin$/, '')
}
