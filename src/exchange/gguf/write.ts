/** Writing a model for llama.cpp. */
import { basename, dirname } from 'node:path'
import { existsSync } from 'node:fs'
import { nodeDisk, type Disk, type FloatDtype, type TensorToMake } from '../../checkpoint/index.ts'
import { findModel } from '../../models/index.ts'
import { parameterCount, type ParameterSpec } from '../../nn/parameter.ts'
import { ExchangeError } from '../exchangeError.ts'
import type { WrittenModel } from '../huggingface/write.ts'
import { checkRange } from '../numbers.ts'
import type { ModelSettings, Pretrained } from '../pretrained.ts'
import { halvesToNeighbours } from '../rotaryRows.ts'
import { transposeInto } from '../transpose.ts'
import { taken } from '../writeFolder.ts'
import { writeGguf, type GgufValue } from './container.ts'
import { GGUF_SHAPES, type GgufShape } from './shapes.ts'
import type { TokenizerToWrite } from '../tokenizerToWrite.ts'
import { tokenizerNotices, tokenizerValues } from './tokenizer.ts'

export interface GgufOptions {
  /** Of matrices and tables; norms, biases and positions stay F32, as llama.cpp computes them. */
  readonly dtype: FloatDtype
  /** What `tokenizerToWrite` gives; null where nobody knows the tokenizer. */
  readonly tokenizer: TokenizerToWrite | null
  readonly disk?: Disk
}

/** `general.file_type` (LlamaFileType of gguf-py). */
const FILE_TYPES: Readonly<Record<FloatDtype, number>> = { F32: 0, F16: 1, BF16: 32 }

/**
 * Writes a .gguf file. Tensors are read, transposed and rounded one at a time.
 * Throws ExchangeError where llama.cpp has no such model, where something is in the way, and where numbers are too large
 * for F16; CheckpointError where the disk refuses. Then no file is left.
 */
export function writeGgufModel(
  source: Pretrained,
  path: string,
  { dtype, tokenizer, disk = nodeDisk }: GgufOptions,
): WrittenModel {
  const shape = shapeOf(source)
  if (existsSync(path)) throw taken(path)
  const own = new Map(source.parameters.map((parameter) => [parameter.name, parameter]))
  const model = shape.completed?.(source.model) ?? source.model
  const declared = findModel(model.architecture).declareParameters(model)
  const parameters = new Map<string, TensorToMake>(
    declared.map((parameter) => {
      const name = nameOf(shape, parameter.name)
      const type = staysSingle(parameter) ? 'F32' : dtype
      const make = (): Float32Array => {
        const numbers = new Float32Array(parameterCount(parameter.shape))
        if (own.has(parameter.name)) source.read(parameter, numbers)
        checkRange(numbers, type, parameter.name, source.path)
        return laidOut(shape, model, parameter, numbers)
      }
      const size = parameter.role === 'matrix' ? parameter.shape.toReversed() : parameter.shape
      return [name, { shape: size, dtype: type, make } satisfies TensorToMake] as const
    }),
  )
  const tensors = new Map([...parameters, ...(shape.tables?.(model) ?? [])])
  const vocabulary = tokenizerValues(source, tokenizer)
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: shape.name }],
    ['general.name', { type: 'string', value: basename(source.path) }],
    ['general.file_type', { type: 'u32', value: FILE_TYPES[dtype] }],
    ...[...shape.values(model)].map(([key, value]) => [`${shape.name}.${key}`, value] as const),
    ...vocabulary,
  ])
  disk.makeFolder(dirname(path))
  writeGguf(path, { metadata, tensors }, disk)
  const bytes = [...tensors.values()].reduce(
    (sum, tensor) => sum + parameterCount(tensor.shape) * (tensor.dtype === 'F32' ? 4 : 2),
    0,
  )
  return { format: `GGUF (${shape.name})`, files: [basename(path)], bytes, notices: tokenizerNotices(vocabulary) }
}

function shapeOf({ model, path }: Pretrained): GgufShape {
  const shape = GGUF_SHAPES.get(model.architecture)
  const reason = shape === undefined ? `${model.architecture} is not written as GGUF` : shape.refuses?.(model)
  if (shape !== undefined && reason === undefined) return shape
  throw new ExchangeError(
    path,
    `This model cannot be written as GGUF: ${reason}.`,
    `The architectures are ${[...GGUF_SHAPES.keys()].join(', ')}; for others write the folder of transformers.`,
  )
}

/** `h.3.ln_1.weight` -> `blk.3.attn_norm.weight` */
function nameOf({ modules }: GgufShape, name: string): string {
  const [, module = '', part = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? []
  const block = /\.(\d+)\./.exec(module)?.[1] ?? ''
  const found = modules.get(module.replace(/\.\d+\./, '.#.'))
  if (found === undefined) throw new Error(`The parameter ${name} has no name in GGUF.`)
  return `${found.replace('#', block)}.${part}`
}

function staysSingle({ shape, role }: ParameterSpec): boolean {
  return shape.length < 2 || role === 'position'
}

/** Matrices become [out, in], with the rows of queries and keys where llama.cpp turns them. */
function laidOut(
  { turnsNeighbours }: GgufShape,
  { heads, kvHeads }: ModelSettings,
  { name, role, shape }: ParameterSpec,
  numbers: Float32Array,
): Float32Array {
  if (role !== 'matrix') return numbers
  const [from = 1, to = 1] = shape
  const out = new Float32Array(numbers.length)
  transposeInto(numbers, from, to, out)
  if (turnsNeighbours && name.includes('.q_proj.')) return halvesToNeighbours(out, heads, to)
  if (turnsNeighbours && name.includes('.k_proj.')) return halvesToNeighbours(out, kvHeads ?? heads, to)
  return out
}
