// Just enough of WebAssembly's binary format to write one function over 128-bit vectors as an expression. A piece of code
// is the bytes that push a value; an operation takes pieces and is one. Opcodes are those of the specification
// (WebAssembly core 2.0, chapter 5, "Binary Format").

export type Piece = readonly number[]

const VECTOR_PREFIX = 0xfd

/** An unsigned integer in groups of 7 bits (LEB128). */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

/** A 32-bit integer in groups of 7 bits, the last one's sign extended. */
function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
}

const vector =
  (opcode: number) =>
  (...operands: readonly Piece[]): Piece => [...operands.flat(), VECTOR_PREFIX, ...unsigned(opcode)]
const vectorWith =
  (opcode: number) =>
  (operand: Piece, bits: number): Piece => [...operand, ...int(bits), VECTOR_PREFIX, ...unsigned(opcode)]

/** Operations on vectors of floats (f64x2), integers (i32x4), and on all bits. */
export const f64x2 = {
  splat: vector(0x14),
  add: vector(0xf0),
  sub: vector(0xf1),
  mul: vector(0xf2),
  div: vector(0xf3),
  sqrt: vector(0xef),
  /** Of the lower two integers. */
  fromSigned: vector(0xfe),
  fromUnsigned: vector(0xff),
  /** Rounds to f32 in the lower two lanes. */
  toSingle: vector(0x5e),
} as const
export const i32x4 = {
  splat: vector(0x11),
  add: vector(0xae),
  sub: vector(0xb1),
  mul: vector(0xb5),
  shiftRight: vectorWith(0xad),
  /** 64-bit products of the lower or the upper two lanes, unsigned. */
  wideLow: vector(0xde),
  wideHigh: vector(0xdf),
} as const
export const i64x2 = { shiftRight: vectorWith(0xcd) } as const
export const bits = { and: vector(0x4e), or: vector(0x50), xor: vector(0x51) } as const

/** 32-bit lanes picked from two vectors: 0 to 3 from the first, 4 to 7 from the second. */
export function shuffle(a: Piece, b: Piece, lanes: readonly [number, number, number, number]): Piece {
  return [...a, ...b, VECTOR_PREFIX, 0x0d, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte))]
}

function constant(buffer: ArrayBuffer): Piece {
  return [VECTOR_PREFIX, 0x0c, ...new Uint8Array(buffer)]
}
export function floats(value: number): Piece {
  return constant(new Float64Array(2).fill(value).buffer)
}
export function ints(value: number): Piece {
  return constant(new Int32Array(4).fill(value).buffer)
}
export function intLanes(lanes: readonly [number, number, number, number]): Piece {
  return constant(Int32Array.from(lanes).buffer)
}
export function longs(value: bigint): Piece {
  return constant(new BigInt64Array(2).fill(value).buffer)
}

export function int(value: number): Piece {
  return [0x41, ...signed(value | 0)]
}
export function addInt(a: Piece, b: Piece): Piece {
  return [...a, ...b, 0x6a]
}
/** Stores a vector at an address, on a multiple of 16. */
export function storeVector(address: Piece, offset: number, value: Piece): Piece {
  return [...address, ...value, VECTOR_PREFIX, 0x0b, 4, ...unsigned(offset)]
}

const typeCodes = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const
/** "\0asm", version 1 */
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}
function name(text: string): number[] {
  return [text.length, ...new TextEncoder().encode(text)]
}

export type WasmType = keyof typeof typeCodes

/** The body of a function, written from its first instruction to its last. */
export class FunctionBody {
  readonly #types: WasmType[]
  readonly #parameters: number
  readonly #bytes: number[] = []

  constructor(parameters: readonly WasmType[]) {
    this.#types = [...parameters]
    this.#parameters = parameters.length
  }

  parameter(index: number): Piece {
    return [0x20, ...unsigned(index)]
  }

  /** A new variable with that value. */
  keep(value: Piece, type: WasmType = 'v128'): Piece {
    this.#types.push(type)
    const variable = [0x20, ...unsigned(this.#types.length - 1)]
    this.set(variable, value)
    return variable
  }
  set(variable: Piece, value: Piece): void {
    this.#bytes.push(...value, 0x21, ...variable.slice(1))
  }
  do(...pieces: readonly Piece[]): void {
    this.#bytes.push(...pieces.flat())
  }

  /** Runs `body` once, and again as long as a < b, unsigned. */
  repeatWhileBelow(a: Piece, b: Piece, body: () => void): void {
    this.#bytes.push(0x03, 0x40)
    body()
    this.#bytes.push(...a, ...b, 0x49, 0x0d, 0, 0x0b)
  }

  /** A module with a memory of `pages` of 64 KiB, both exported: `memory`, and this function as `run`. */
  module(pages: number): Uint8Array<ArrayBuffer> {
    const locals = this.#types.slice(this.#parameters)
    const declared = locals.flatMap((type) => [1, typeCodes[type]])
    const code = [...unsigned(locals.length), ...declared, ...this.#bytes, 0x0b]
    const parameters = this.#types.slice(0, this.#parameters).map((type) => typeCodes[type])
    return Uint8Array.from([
      ...HEADER,
      ...section(1, [1, 0x60, parameters.length, ...parameters, 0]),
      ...section(3, [1, 0]),
      ...section(5, [1, 0, ...unsigned(pages)]),
      ...section(7, [2, ...name('memory'), 2, 0, ...name('run'), 0, 0]),
      ...section(10, [1, ...unsigned(code.length), ...code]),
    ])
  }
}
