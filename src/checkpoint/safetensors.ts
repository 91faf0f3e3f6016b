/** Safetensors files: written in pieces without a copy, read with every claim of the header checked. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { CheckpointError, reading } from './checkpointError.ts'
import { nodeDisk, type Disk } from './disk.ts'
import { DTYPE_BYTES, isFloatDtype, narrowTo, widenBf16, widenF16, type Dtype, type FloatDtype } from './dtype.ts'
import {
  decodeHeader,
  encodeHeader,
  headerLength,
  LENGTH_BYTES,
  type Header,
  type TensorInfo,
} from './safetensorsHeader.ts'
import { writeWholeFile } from './wholeFile.ts'

/** Per call to the system. */
const CHUNK_BYTES = 16 * 2 ** 20

/** Half precision types, and how they become float32. */
const WIDEN = { F16: widenF16, BF16: widenBf16 } as const

/** A tensor in memory; the numbers are in row-major order. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A tensor to write; its dtype follows from the array (F32, F64, I32, I64), except for half precision. */
export type TensorToWrite =
  | { readonly shape: readonly number[]; readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array }
  | { readonly shape: readonly number[]; readonly data: Uint16Array; readonly dtype: 'F16' | 'BF16' }
  | TensorToMake

/** A tensor whose numbers are made when its turn to be written comes, so that only one of them is in memory. */
export interface TensorToMake {
  readonly shape: readonly number[]
  /** The numbers are rounded to it, to the nearest and half-way cases to even. */
  readonly dtype: FloatDtype
  readonly make: () => Float32Array
}

export interface WriteOptions {
  /** Goes into `__metadata__`. */
  readonly metadata?: Readonly<Record<string, string>>
  readonly disk?: Disk
}

/**
 * Writes a whole file or leaves what was there (see writeWholeFile). Tensors stand in the order given, larger elements
 * first so that each is aligned. Arrays may lie in shared memory; they are read while they are written.
 * Throws RangeError when a shape does not fit its array or a name is taken, CheckpointError when the disk refuses.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorToWrite]>,
  { metadata = {}, disk = nodeDisk }: WriteOptions = {},
): void {
  const ordered = [...tensors].toSorted(([, a], [, b]) => DTYPE_BYTES[dtypeOf(b)] - DTYPE_BYTES[dtypeOf(a)])
  const infos = new Map<string, TensorInfo>()
  let begin = 0
  for (const [name, tensor] of ordered) {
    const size = tensor.shape.reduce((product, length) => product * length, 1)
    if ('data' in tensor) checkSize(name, tensor.shape, tensor.data.length)
    if (infos.has(name) || name === '__metadata__') throw new RangeError(`The tensor name "${name}" is taken.`)
    const dtype = dtypeOf(tensor)
    const end = begin + size * DTYPE_BYTES[dtype]
    infos.set(name, { dtype, shape: tensor.shape, size, begin, end })
    begin = end
  }
  const header = encodeHeader({ tensors: infos, metadata: new Map(Object.entries(metadata)) })
  writeWholeFile(path, chunksOf(header, ordered), disk)
}

function* chunksOf(header: Uint8Array, tensors: readonly (readonly [string, TensorToWrite])[]): Generator<Uint8Array> {
  yield header
  for (const [name, tensor] of tensors) {
    const data = 'data' in tensor ? tensor.data : madeData(name, tensor)
    for (let at = 0; at < data.byteLength; at += CHUNK_BYTES) {
      yield new Uint8Array(data.buffer, data.byteOffset + at, Math.min(CHUNK_BYTES, data.byteLength - at))
    }
  }
}

function madeData(name: string, { shape, dtype, make }: TensorToMake): Float32Array | Uint16Array {
  const numbers = make()
  checkSize(name, shape, numbers.length)
  return narrowTo(dtype, numbers)
}

function checkSize(name: string, shape: readonly number[], length: number): void {
  if (shape.reduce((product, size) => product * size, 1) === length) return
  throw new RangeError(`Tensor "${name}" of shape [${shape.join(', ')}] has ${length} numbers.`)
}

function dtypeOf(tensor: TensorToWrite): Dtype {
  if ('dtype' in tensor) return tensor.dtype
  if (tensor.data instanceof Float32Array) return 'F32'
  if (tensor.data instanceof Float64Array) return 'F64'
  return tensor.data instanceof Int32Array ? 'I32' : 'I64'
}

/** An open file whose header has been checked against its size. */
export interface SafetensorsFile extends Header {
  readonly path: string
  /**
   * The numbers of a tensor as float32: F32 as they are, F16 and BF16 widened exactly. Into `out` when it is given, which
   * must have the tensor's size. Throws CheckpointError for an unknown name, another dtype, or a read that fails.
   */
  read(name: string, out?: Float32Array): Float32Array
  close(): void
}

/** Opens a file and checks its header. Throws CheckpointError; then nothing is left open. */
export function openSafetensors(path: string): SafetensorsFile {
  const file = reading(path, () => openSync(path, 'r'))
  try {
    const { size } = reading(path, () => fstatSync(file))
    const first = new Uint8Array(LENGTH_BYTES)
    if (size >= LENGTH_BYTES) readBytes(file, path, first, 0)
    const length = headerLength(first, size, path)
    const json = new Uint8Array(length)
    readBytes(file, path, json, LENGTH_BYTES)
    const dataStart = LENGTH_BYTES + length
    const header = decodeHeader(json, size - dataStart, path)
    return {
      ...header,
      path,
      read: (name, out) => readTensor(file, path, header, dataStart, name, out),
      close: () => closeSync(file),
    }
  } catch (error) {
    closeSync(file)
    throw error
  }
}

/** All tensors of a file as float32, with its metadata. Throws CheckpointError. */
export function readSafetensors(path: string): {
  tensors: Map<string, Tensor>
  metadata: ReadonlyMap<string, string>
} {
  const file = openSafetensors(path)
  try {
    const tensors = new Map<string, Tensor>()
    for (const [name, { shape }] of file.tensors) tensors.set(name, { shape, data: file.read(name) })
    return { tensors, metadata: file.metadata }
  } finally {
    file.close()
  }
}

function readTensor(
  file: number,
  path: string,
  header: Header,
  dataStart: number,
  name: string,
  given: Float32Array | undefined,
): Float32Array {
  const info = header.tensors.get(name)
  if (info === undefined) {
    const known = [...header.tensors.keys()].slice(0, 5).join(', ')
    throw new CheckpointError(path, `${path} has no tensor "${name}".`, `It begins with: ${known || 'nothing at all'}.`)
  }
  const { dtype, size } = info
  if (!isFloatDtype(dtype)) {
    throw new CheckpointError(
      path,
      `Tensor "${name}" of ${path} has dtype ${dtype}, which is not read as float32.`,
      'Convert it to F32, F16 or BF16 first.',
    )
  }
  const out = given ?? new Float32Array(size)
  if (out.length !== size) {
    throw new RangeError(`Tensor "${name}" has ${size} numbers; the array for it has ${out.length}.`)
  }
  const at = dataStart + info.begin
  if (dtype === 'F32') {
    readBytes(file, path, new Uint8Array(out.buffer, out.byteOffset, out.byteLength), at)
    return out
  }
  const perChunk = CHUNK_BYTES / DTYPE_BYTES[dtype]
  for (let i = 0; i < size; i += perChunk) {
    const half = new Uint16Array(Math.min(perChunk, size - i))
    readBytes(file, path, new Uint8Array(half.buffer), at + 2 * i)
    WIDEN[dtype](half, out.subarray(i, i + half.length))
  }
  return out
}

function readBytes(file: number, path: string, out: Uint8Array, position: number): void {
  for (let at = 0; at < out.length;) {
    const length = Math.min(CHUNK_BYTES, out.length - at)
    const read = reading(path, () => readSync(file, out, at, length, position + at))
    if (read === 0) {
      throw new CheckpointError(path, `${path} became shorter while it was read.`, 'Read it when it is complete.')
    }
    at += read
  }
}
