/** The weights of a Hugging Face folder: one safetensors file, or several with an index that says what is where. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { openSafetensors, type SafetensorsFile } from '../../checkpoint/index.ts'
import { ExchangeError } from '../exchangeError.ts'
import { readJsonFile } from '../jsonFile.ts'

export const WEIGHTS_FILE = 'model.safetensors'
export const INDEX_FILE = 'model.safetensors.index.json'

/** Tensors by name, wherever they lie. */
export interface StoredTensors {
  /** The file that holds or lists them. */
  readonly path: string
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: readonly number[]; readonly dtype: string; readonly path: string }
  >
  /** The numbers of a tensor as float32, into `out`, which has its size. Throws CheckpointError. */
  read(name: string, out: Float32Array): Float32Array
  close(): void
}

/**
 * Opens the weights of a folder and reads the headers, nothing more.
 * Throws ExchangeError or CheckpointError where a file is missing or damaged; then nothing is left open.
 */
export function openShards(folder: string): StoredTensors {
  const single = join(folder, WEIGHTS_FILE)
  const index = join(folder, INDEX_FILE)
  if (existsSync(single)) return openAll(single, [single], undefined)
  if (!existsSync(index)) throw noWeights(folder)
  const weightMap = readIndex(index)
  const names = [...new Set(weightMap.values())]
  for (const name of names) checkShard(folder, name, index, names.length)
  return openAll(
    index,
    names.map((name) => join(folder, name)),
    weightMap,
  )
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) })

/** Tensor name -> file name. */
function readIndex(path: string): ReadonlyMap<string, string> {
  const parsed = indexSchema.safeParse(readJsonFile(path))
  if (parsed.success) return new Map(Object.entries(parsed.data.weight_map))
  throw new ExchangeError(
    path,
    `${path} has no "weight_map" from tensor names to file names.`,
    'Copy or download the index again.',
  )
}

function checkShard(folder: string, name: string, index: string, count: number): void {
  if (name !== basename(name) || !name.endsWith('.safetensors')) {
    throw new ExchangeError(
      index,
      `${index} names the file ${JSON.stringify(name)}; shards are .safetensors files in the folder of their index.`,
      'Copy or download the index again.',
    )
  }
  if (statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true) return
  throw new ExchangeError(
    join(folder, name),
    `${folder} lacks the shard ${name}, one of ${count} that ${INDEX_FILE} lists.`,
    'Copy or download the missing file; a model cannot be read without it.',
  )
}

function noWeights(folder: string): ExchangeError {
  const other = readdirSync(folder).find((name) => /^(pytorch_model.*\.bin|.*\.(h5|msgpack|gguf|pth?))$/.test(name))
  return new ExchangeError(
    folder,
    `${folder} has no ${WEIGHTS_FILE} and no ${INDEX_FILE}.`,
    other === undefined
      ? 'Give the folder of a model as transformers saves it, with config.json beside the weights.'
      : `There is ${other}, which is not read; load the model with transformers and save it again as safetensors.`,
  )
}

/** `where` is the file of each tensor where an index says so; all tensors of the only file otherwise. */
function openAll(
  path: string,
  paths: readonly string[],
  where: ReadonlyMap<string, string> | undefined,
): StoredTensors {
  const files: SafetensorsFile[] = []
  const close = (): void => {
    for (const file of files) file.close()
  }
  try {
    for (const shard of paths) files.push(openSafetensors(shard))
    const owners = new Map<string, SafetensorsFile>()
    for (const file of files) for (const name of file.tensors.keys()) addOwner(owners, name, file, where)
    for (const [name, shard] of where ?? []) {
      if (owners.has(name)) continue
      throw new ExchangeError(
        path,
        `${path} says that ${name} is in ${shard}, but it is not.`,
        'The index and the shards are of different models or versions; copy or download all of them again.',
      )
    }
    return {
      path,
      tensors: new Map(
        [...owners].map(([name, file]) => {
          const { shape, dtype } = file.tensors.get(name)!
          return [name, { shape, dtype, path: file.path }]
        }),
      ),
      read: (name, out) => (owners.get(name) ?? files[0]!).read(name, out),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/** A tensor in another file than the index says is left out, as transformers does. */
function addOwner(
  owners: Map<string, SafetensorsFile>,
  name: string,
  file: SafetensorsFile,
  where: ReadonlyMap<string, string> | undefined,
): void {
  if (where === undefined || where.get(name) === basename(file.path)) owners.set(name, file)
}
