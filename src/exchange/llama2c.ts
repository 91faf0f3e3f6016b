/**
 * Models of karpathy/llama2.c (export.py, versions 0 and 1): one .bin file of float32.
 *
 *     version 0   7 numbers i32; embedding, norms and matrices; two tables of angles; the output layer where it has one
 *     version 1   "ak42", 1, the 7 numbers, whether the output layer is shared, zeros up to 256; norms first, no angles
 *
 * Matrices are [out, in] for all layers one after the other; queries and keys turn neighbours (rotaryRows.ts).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { reading } from '../checkpoint/index.ts'
import { findTokenizerFile, openTokenizerFile } from '../data/index.ts'
import { llama } from '../models/index.ts'
import { parameterCount, type ParameterSpec } from '../nn/parameter.ts'
import { ExchangeError } from './exchangeError.ts'
import type { ModelSettings, Pretrained } from './pretrained.ts'
import { neighboursToHalves } from './rotaryRows.ts'
import { transposeInto } from './transpose.ts'

const MAGIC = 0x616b3432
const PADDED_HEADER = 256
/** llama2.c model.py: ModelArgs.norm_eps, and precompute_freqs_cis. */
const NORM_EPS = 1e-5
const ROPE_THETA = 10_000

interface Header {
  readonly version: 0 | 1
  readonly bytes: number
  readonly model: ModelSettings
}

/** One of our modules in the file: `rows` × `columns` numbers, for each layer where the name has a `#`. */
interface Part {
  readonly module: string
  readonly rows: number
  readonly columns: number
}

/** Opens a file whose size is what its header says. Throws ExchangeError or CheckpointError; then nothing is left open. */
export function openLlama2c(path: string): Pretrained {
  const file = reading(path, () => openSync(path, 'r'))
  try {
    const { size } = reading(path, () => fstatSync(file))
    const header = readHeader(file, path, size)
    const places = placeParts(header)
    if (size !== places.end) throw cutOff(path, size, places.end)
    const tokenizerFile = findTokenizerFile(dirname(path))
    const parameters = llama.declareParameters(header.model)
    return {
      path,
      format: `llama2.c, version ${header.version}`,
      dtypes: 'F32',
      model: header.model,
      parameters,
      tokenizer: tokenizerFile === undefined ? null : openTokenizerFile(tokenizerFile).describe(),
      carried: tokenizerFile === undefined ? [] : [tokenizerFile],
      notices: [],
      read: (parameter, out) => readParameter(file, path, header.model, places, parameter, out),
      close: () => closeSync(file),
    }
  } catch (error) {
    closeSync(file)
    throw error
  }
}

function readHeader(file: number, path: string, size: number): Header {
  const bytes = new DataView(new ArrayBuffer(PADDED_HEADER))
  reading(path, () => readSync(file, new Uint8Array(bytes.buffer), 0, Math.min(size, PADDED_HEADER), 0))
  const isNew = bytes.getUint32(0, true) === MAGIC
  const version = isNew ? bytes.getInt32(4, true) : 0
  if (version !== 0 && version !== 1) {
    throw new ExchangeError(
      path,
      `${path} is of version ${version} of llama2.c, which is not read.`,
      'Versions 0 and 1 are, of float32: export the model again with --version 0.',
    )
  }
  const at = isNew ? 8 : 0
  const [width = 0, feedForward = 0, layers = 0, heads = 0, kvHeads = 0, rows = 0, context = 0] = Array.from(
    { length: 7 },
    (_, i) => bytes.getInt32(at + 4 * i, true),
  )
  const vocab = Math.abs(rows)
  const tied = isNew ? bytes.getUint8(at + 28) !== 0 : rows > 0
  const whole = [width, feedForward, layers, heads, kvHeads, vocab, context].every((value) => value > 0)
  if (!whole || width % heads !== 0 || heads % kvHeads !== 0 || (width / heads) % 2 !== 0) {
    throw new ExchangeError(
      path,
      `${path} is no model of llama2.c: its first numbers are ${[width, feedForward, layers, heads, kvHeads, rows, context].join(', ')}.`,
      'They should be width, hidden width, layers, heads, heads of keys, vocabulary and context.',
    )
  }
  const sizes = { layers, heads, width, context, vocab, kvHeads, feedForward, tied }
  const rest = { dropout: 0, stochasticDepth: 0, normEps: NORM_EPS, ropeTheta: ROPE_THETA }
  return { version, bytes: isNew ? PADDED_HEADER : 28, model: { architecture: llama.name, ...sizes, ...rest } }
}

function matrix(module: string, rows: number, columns: number): Part {
  return { module: `layers.#.${module}`, rows, columns }
}

/** The parts in the order of the file. The angles of version 0 are a part that no parameter asks for. */
function partsOf({ version, model }: Header): readonly Part[] {
  const { width, heads, vocab, context, kvHeads = heads, feedForward: hidden = width, tied } = model
  const kv = (width / heads) * (kvHeads ?? heads)
  const norm = (module: string): Part => ({ module, rows: 1, columns: width })
  const embedding = { module: 'embed_tokens', rows: vocab, columns: width }
  const inner = norm('layers.#.input_layernorm')
  const outer = norm('layers.#.post_attention_layernorm')
  const attention = [
    matrix('self_attn.q_proj', width, width),
    matrix('self_attn.k_proj', kv, width),
    matrix('self_attn.v_proj', kv, width),
    matrix('self_attn.o_proj', width, width),
  ]
  const feedForward = hidden ?? width
  const mlp = [
    matrix('mlp.gate_proj', feedForward, width),
    matrix('mlp.down_proj', width, feedForward),
    matrix('mlp.up_proj', feedForward, width),
  ]
  const head = tied === true ? [] : [{ module: 'lm_head', rows: vocab, columns: width }]
  if (version === 1) return [inner, outer, norm('norm'), embedding, ...attention, ...mlp, ...head]
  const angles = { module: 'angles', rows: context, columns: width / heads }
  return [embedding, inner, ...attention, outer, ...mlp, norm('norm'), angles, ...head]
}

interface Places {
  /** Module -> its part, and the byte at which the first layer's begins. */
  readonly parts: ReadonlyMap<string, Part & { readonly begin: number }>
  /** In bytes. */
  readonly end: number
}

function placeParts(header: Header): Places {
  let end = header.bytes
  const parts = new Map<string, Part & { readonly begin: number }>()
  for (const { module, rows, columns } of partsOf(header)) {
    parts.set(module, { module, rows, columns, begin: end })
    end += 4 * rows * columns * (module.includes('#') ? header.model.layers : 1)
  }
  return { parts, end }
}

function readParameter(
  file: number,
  path: string,
  { heads, kvHeads }: ModelSettings,
  { parts }: Places,
  { name, role }: ParameterSpec,
  out: Float32Array,
): void {
  const module = name.replace(/\.weight$/, '')
  const layer = Number(/^layers\.(\d+)\./.exec(module)?.[1] ?? 0)
  const part = parts.get(module.replace(/^layers\.\d+\./, 'layers.#.'))
  if (part === undefined) throw new Error(`llama2.c has no ${name}.`)
  const { rows, columns, begin } = part
  const stored = role === 'matrix' ? new Float32Array(parameterCount([rows, columns])) : out
  readNumbers(file, path, stored, begin + 4 * layer * rows * columns)
  if (role !== 'matrix') return
  const turned = module.endsWith('q_proj') ? heads : module.endsWith('k_proj') ? (kvHeads ?? heads) : undefined
  transposeInto(turned === undefined ? stored : neighboursToHalves(stored, turned, rows), rows, columns, out)
}

/** Per call to the system. */
const CHUNK_BYTES = 2 ** 26

function readNumbers(file: number, path: string, out: Float32Array, position: number): void {
  const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength)
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(CHUNK_BYTES, bytes.length - at)
    const read = reading(path, () => readSync(file, bytes, at, length, position + at))
    if (read === 0) throw cutOff(path, position + at, position + bytes.length)
    at += read
  }
}

function cutOff(path: string, size: number, expected: number): ExchangeError {
  return new ExchangeError(
    path,
    `${path} has ${size} bytes; a model of llama2.c with its header has ${expected}.`,
    'It is cut off, damaged, or no model of llama2.c; copy or download it again.',
  )
}
