/**
 * The header of a safetensors file (huggingface/safetensors, README "Format"): 8 bytes with the length N of the header,
 * little endian; N bytes of JSON, `{ name: { dtype, shape, data_offsets: [begin, end] }, __metadata__: { text: text } }`,
 * padded with spaces; then the tensors' bytes without gaps, to the end of the file.
 */
import { z } from 'zod'
import { CheckpointError } from './checkpointError.ts'
import { DTYPE_BYTES, isDtype, type Dtype } from './dtype.ts'

export const LENGTH_BYTES = 8
/** The format's own limit on N. */
export const LONGEST_HEADER = 100_000_000
const METADATA_KEY = '__metadata__'
const ALIGNMENT = 8

export interface TensorInfo {
  readonly dtype: Dtype
  /** `[]` is one number. */
  readonly shape: readonly number[]
  /** In elements. */
  readonly size: number
  /** From the end of the header, in bytes. */
  readonly begin: number
  readonly end: number
}

export interface Header {
  /** In the order of the bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
}

/** The first bytes of a file with these tensors in this order: length, JSON and padding. */
export function encodeHeader({ tensors, metadata }: Header): Uint8Array {
  const entries: [string, unknown][] = [...tensors].map(([name, { dtype, shape, begin, end }]) => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ])
  if (metadata.size > 0) entries.unshift([METADATA_KEY, Object.fromEntries(metadata)])
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(json, LENGTH_BYTES)
  return bytes
}

/** How long the header says it is; CheckpointError when a file of `fileSize` bytes cannot hold that. */
export function headerLength(first: Uint8Array, fileSize: number, path: string): number {
  if (fileSize < LENGTH_BYTES) {
    throw foreign(path, `it has ${fileSize} bytes, and the length of the header alone takes ${LENGTH_BYTES}`)
  }
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true)
  const room = fileSize - LENGTH_BYTES
  if (length > BigInt(LONGEST_HEADER)) {
    throw foreign(path, `its first eight bytes announce a header of ${length} bytes, and ${LONGEST_HEADER} are allowed`)
  }
  if (length > BigInt(room)) {
    throw cutOff(path, `its header should have ${length} bytes, and ${room} are there`)
  }
  return Number(length)
}

/** Parses and checks a header; `dataSize` is the number of bytes after it. Throws CheckpointError. */
export function decodeHeader(json: Uint8Array, dataSize: number, path: string): Header {
  const entries = parseObject(json, path)
  const metadata = parseMetadata(entries.get(METADATA_KEY), path)
  entries.delete(METADATA_KEY)
  const infos = [...entries].map(([name, entry]): [string, TensorInfo] => [name, parseTensor(name, entry, path)])
  infos.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
  checkContiguous(infos, dataSize, path)
  return { tensors: new Map(infos), metadata }
}

function parseObject(json: Uint8Array, path: string): Map<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json))
  } catch {
    throw foreign(path, 'its header is no JSON')
  }
  if (json[0] !== 0x7b || typeof value !== 'object' || value === null) {
    throw foreign(path, 'its header is no JSON object')
  }
  return new Map(Object.entries(value))
}

const metadataSchema = z.record(z.string(), z.string())

function parseMetadata(value: unknown, path: string): Map<string, string> {
  if (value === undefined) return new Map()
  const parsed = metadataSchema.safeParse(value)
  if (!parsed.success) throw corrupt(path, `its ${METADATA_KEY} must map texts to texts`)
  return new Map(Object.entries(parsed.data))
}

const place = z.int().min(0)
const tensorSchema = z.object({ dtype: z.string(), shape: z.array(place), data_offsets: z.tuple([place, place]) })

function parseTensor(name: string, entry: unknown, path: string): TensorInfo {
  const what = `tensor ${JSON.stringify(name)}`
  const parsed = tensorSchema.safeParse(entry)
  if (!parsed.success) throw corrupt(path, `${what} needs a dtype, a shape and two data_offsets`)
  const { dtype, shape, data_offsets } = parsed.data
  if (!isDtype(dtype)) {
    throw corrupt(path, `${what} has the unknown dtype ${JSON.stringify(dtype)}`)
  }
  const [begin, end] = data_offsets
  const size = shape.reduce((product, length) => product * length, 1)
  if (!Number.isSafeInteger(size * DTYPE_BYTES[dtype])) {
    throw corrupt(path, `${what} of shape [${shape.join(', ')}] is larger than any file`)
  }
  if (end - begin !== size * DTYPE_BYTES[dtype]) {
    throw corrupt(
      path,
      `${what}, ${dtype} of shape [${shape.join(', ')}], needs ${size * DTYPE_BYTES[dtype]} bytes, and its offsets ` +
        `${begin} to ${end} give ${end - begin}`,
    )
  }
  return { dtype, shape, size, begin, end }
}

function checkContiguous(infos: readonly [string, TensorInfo][], dataSize: number, path: string): void {
  let end = 0
  for (const [name, info] of infos) {
    if (info.begin !== end) {
      const fault =
        info.begin < end ? 'overlaps the one before it' : `leaves ${info.begin - end} bytes unused before it`
      throw corrupt(path, `tensor ${JSON.stringify(name)} ${fault}`)
    }
    end = info.end
  }
  if (end > dataSize) throw cutOff(path, `its tensors should have ${end} bytes, and ${dataSize} are there`)
  if (end < dataSize) throw corrupt(path, `${dataSize - end} bytes after the last tensor belong to nothing`)
}

function foreign(path: string, why: string): CheckpointError {
  return new CheckpointError(
    path,
    `${path} is no safetensors file: ${why}.`,
    'Give a .safetensors file, or the folder of a run or of one of its checkpoints.',
  )
}

function cutOff(path: string, why: string): CheckpointError {
  return new CheckpointError(
    path,
    `${path} is cut off: ${why}.`,
    'Copy or download it again, or use another checkpoint of the run (last, best).',
  )
}

function corrupt(path: string, why: string): CheckpointError {
  return new CheckpointError(
    path,
    `${path} is damaged: ${why}.`,
    'Copy or download it again, or use another checkpoint of the run (last, best).',
  )
}
