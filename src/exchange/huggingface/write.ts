/** Writing a model as transformers saves it: config.json, weights in one file or in shards with an index, tokenizer. */
import { basename, join } from 'node:path'
import {
  DTYPE_BYTES,
  nodeDisk,
  writeJson,
  writeSafetensors,
  writeWholeFile,
  type Disk,
  type FloatDtype,
  type TensorToMake,
} from '../../checkpoint/index.ts'
import { findModel } from '../../models/index.ts'
import { parameterCount } from '../../nn/parameter.ts'
import { ExchangeError } from '../exchangeError.ts'
import { readJsonFile } from '../jsonFile.ts'
import { checkRange, lastRead } from '../numbers.ts'
import type { Pretrained } from '../pretrained.ts'
import type { TokenizerToWrite } from '../tokenizerToWrite.ts'
import { transposeInto } from '../transpose.ts'
import { copyFiles, writeFolder } from '../writeFolder.ts'
import { CONFIG_FILE } from './carried.ts'
import { classOfArchitecture, modelClasses } from './classes.ts'
import { piecesOf, type ModelClass, type Piece } from './modelClass.ts'
import { INDEX_FILE, WEIGHTS_FILE } from './shards.ts'

export interface HuggingFaceOptions {
  /** Of all tensors; F32 keeps every bit. */
  readonly dtype: FloatDtype
  /** Most bytes of tensors per file; one tensor may be more. */
  readonly shardBytes: number
  /** What `tokenizerToWrite` gives; null writes none but what is carried along. */
  readonly tokenizer: TokenizerToWrite | null
  readonly disk?: Disk
}

/** What was written. */
export interface WrittenModel {
  readonly format: string
  /** Of weights. */
  readonly files: readonly string[]
  readonly bytes: number
  /** What someone should know, in whole sentences. */
  readonly notices: readonly string[]
}

/**
 * Writes a folder that `from_pretrained` loads. Tensors are read, transposed and rounded one at a time.
 * Throws ExchangeError where transformers has no such model, where something is in the way, and where numbers are too
 * large for F16; CheckpointError where the disk refuses. Then no folder is left.
 */
export function writeHuggingFace(
  source: Pretrained,
  folder: string,
  { dtype, shardBytes, tokenizer, disk = nodeDisk }: HuggingFaceOptions,
): WrittenModel {
  const { architecture } = source.model
  const modelClass = classOfArchitecture(architecture)
  if (modelClass === undefined) {
    throw new ExchangeError(
      source.path,
      `transformers has no class for the architecture ${architecture}.`,
      `Those that it has one for are ${modelClasses.map((known) => known.architecture).join(', ')}.`,
    )
  }
  const config = configOf(source, modelClass, dtype, tokenizer)
  const shards = splitShards(tensorsOf(source, modelClass, dtype), shardBytes)
  writeFolder(
    folder,
    (target) => {
      copyFiles(
        source.carried.filter((path) => basename(path) !== CONFIG_FILE),
        target,
        disk,
      )
      for (const [name, content] of tokenizer?.files ?? []) {
        writeWholeFile(join(target, name), [Buffer.from(content)], disk)
      }
      writeWholeFile(join(target, CONFIG_FILE), [configText(config)], disk)
      for (const [name, tensors] of shards) {
        writeSafetensors(join(target, name), tensors, { metadata: { format: 'pt' }, disk })
      }
      if (shards.size > 1) writeJson(join(target, INDEX_FILE), indexOf(shards), disk)
    },
    disk,
  )
  const bytes = sum([...shards.values()].flat().map(bytesOf))
  return { format: modelClass.name, files: [...shards.keys()], bytes, notices: [] }
}

type NamedTensor = readonly [string, TensorToMake]

/** Every tensor of the file, in the order of the parameters. */
function tensorsOf(source: Pretrained, modelClass: ModelClass, dtype: FloatDtype): readonly NamedTensor[] {
  const { model } = source
  const own = new Map(source.parameters.map((parameter) => [parameter.name, parameter]))
  const completed = findModel(model.architecture).declareParameters(modelClass.completed?.(model) ?? model)
  const read = lastRead(source)
  return completed.flatMap((declared) => {
    const parameter = own.get(declared.name)
    return piecesOf(modelClass, declared).map((piece): NamedTensor => {
      const make = (): Float32Array => {
        const numbers = parameter ? pieceOf(read(parameter), piece) : new Float32Array(parameterCount(piece.shape))
        checkRange(numbers, dtype, piece.name, source.path)
        return numbers
      }
      return [piece.name, { shape: piece.shape, dtype, make }]
    })
  })
}

function pieceOf(numbers: Float32Array, { shape, begin, transposed }: Piece): Float32Array {
  const block = numbers.subarray(begin, begin + parameterCount(shape))
  if (!transposed) return block
  const [rows = 1, columns = 1] = shape
  const out = new Float32Array(block.length)
  transposeInto(block, columns, rows, out)
  return out
}

/** Files by name, each with its tensors, filled in order up to `shardBytes`. */
function splitShards(tensors: readonly NamedTensor[], shardBytes: number): ReadonlyMap<string, readonly NamedTensor[]> {
  const shards: NamedTensor[][] = [[]]
  let filled = 0
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor)
    if (filled > 0 && filled + bytes > shardBytes) {
      shards.push([])
      filled = 0
    }
    shards.at(-1)?.push(tensor)
    filled += bytes
  }
  if (shards.length === 1) return new Map([[WEIGHTS_FILE, shards[0] ?? []]])
  return new Map(shards.map((shard, i) => [`model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`, shard]))
}

/** 2 -> 00002 */
function digits(value: number): string {
  return String(value).padStart(5, '0')
}

function indexOf(shards: ReadonlyMap<string, readonly NamedTensor[]>) {
  const all = [...shards].flatMap(([file, tensors]) => tensors.map((tensor) => ({ file, tensor })))
  return {
    metadata: { total_size: sum(all.map(({ tensor }) => bytesOf(tensor))) },
    weight_map: Object.fromEntries(all.map(({ file, tensor: [name] }) => [name, file])),
  }
}

function bytesOf([, { shape, dtype }]: NamedTensor): number {
  return parameterCount(shape) * DTYPE_BYTES[dtype]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** Keys that transformers takes for floats, and refuses where they are written without a point. */
const FLOATS =
  /^(\s*"(?:attn_pdrop|embd_pdrop|resid_pdrop|summary_first_dropout|classifier_dropout|attention_dropout|hidden_dropout|router_jitter_noise|router_aux_loss_coef|rope_theta|factor|low_freq_factor|high_freq_factor|rotary_pct|partial_rotary_factor|rms_norm_eps|layer_norm_eps|layer_norm_epsilon|initializer_range)": -?\d+)(,?)$/gm

function configText(config: Readonly<Record<string, unknown>>): Uint8Array {
  return Buffer.from(`${JSON.stringify(config, null, 2).replaceAll(FLOATS, '$1.0$2')}\n`)
}

const TORCH_NAMES: Readonly<Record<FloatDtype, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }

/** What the model came with, as far as it is of the same class, with what it is now written over it. */
function configOf(
  { carried, model }: Pretrained,
  modelClass: ModelClass,
  dtype: FloatDtype,
  tokenizer: TokenizerToWrite | null,
): Record<string, unknown> {
  const file = carried.find((path) => basename(path) === CONFIG_FILE)
  const before: Record<string, unknown> = file === undefined ? {} : { ...(readJsonFile(file) as object) }
  const same = before['model_type'] === modelClass.modelType
  // transformers' classes have numbers of their own for these, which mean nothing in another vocabulary.
  const own: Record<string, unknown> = { bos_token_id: tokenizer?.begin ?? null, eos_token_id: tokenizer?.end ?? null }
  const { transformers_version: _, ...kept } = same ? before : own
  return {
    ...kept,
    architectures: [modelClass.name],
    model_type: modelClass.modelType,
    ...modelClass.writeConfig(modelClass.completed?.(model) ?? model),
    torch_dtype: TORCH_NAMES[dtype],
    ...('dtype' in kept ? { dtype: TORCH_NAMES[dtype] } : {}),
  }
}
