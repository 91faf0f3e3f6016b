/**
 * The GGUF container, version 3 (ggml-org/ggml docs/gguf.md), little endian: magic, version, numbers of tensors and of
 * values; the values, each a key, a type and its bytes; a description per tensor; then the tensors, each at a multiple of
 * the alignment.
 */
import { DTYPE_BYTES, narrowTo, writeWholeFile, type Disk, type TensorToMake } from '../../checkpoint/index.ts'
import { parameterCount } from '../../nn/parameter.ts'

const MAGIC = 'GGUF'
const VERSION = 3
/** `general.alignment`'s default. */
const ALIGNMENT = 32

/** Numbers of the types in the file. */
const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const
const TENSOR_TYPES = { F32: 0, F16: 1, BF16: 30 } as const

/** A value under a key; an array has one type for all of its elements. */
export type GgufValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] }
  | { readonly type: 'array'; readonly of: 'i32' | 'f32'; readonly value: readonly number[] }

export interface GgufFile {
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Shapes as everywhere here, the slowest dimension first; the file has them the other way round. */
  readonly tensors: ReadonlyMap<string, TensorToMake>
}

/** Writes a file, tensor by tensor, under its name only when it is complete. Throws CheckpointError. */
export function writeGguf(path: string, file: GgufFile, disk: Disk): void {
  writeWholeFile(path, chunksOf(file), disk)
}

function* chunksOf({ metadata, tensors }: GgufFile): Generator<Uint8Array> {
  const parts: Uint8Array[] = [Buffer.from(MAGIC), u32(VERSION), u64(tensors.size), u64(metadata.size)]
  for (const [key, value] of metadata) parts.push(text(key), valueType(value), valueBytes(value))
  let offset = 0
  for (const [name, { shape, dtype }] of tensors) {
    parts.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(TENSOR_TYPES[dtype]), u64(offset))
    offset = aligned(offset + parameterCount(shape) * DTYPE_BYTES[dtype])
  }
  const header = Buffer.concat(parts)
  yield header
  yield new Uint8Array(aligned(header.length) - header.length)
  for (const { dtype, make } of tensors.values()) {
    const numbers = narrowTo(dtype, make())
    yield new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
    yield new Uint8Array(aligned(numbers.byteLength) - numbers.byteLength)
  }
}

function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT
}

function valueType({ type }: GgufValue): Uint8Array {
  return u32(VALUE_TYPES[type])
}

function valueBytes(value: GgufValue): Uint8Array {
  switch (value.type) {
    case 'string':
      return text(value.value)
    case 'bool':
      return Uint8Array.of(value.value ? 1 : 0)
    case 'array': {
      const head = [u32(VALUE_TYPES[value.of]), u64(value.value.length)]
      const { of } = value
      return Buffer.concat([
        ...head,
        ...value.value.map((each) => (typeof each === 'string' ? text(each) : number(of, each))),
      ])
    }
    default:
      return number(value.type, value.value)
  }
}

function number(type: string, value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  if (type === 'f32') bytes.writeFloatLE(value)
  else if (type === 'i32') bytes.writeInt32LE(value)
  else bytes.writeUInt32LE(value)
  return bytes
}

function u32(value: number): Uint8Array {
  return number('u32', value)
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}
