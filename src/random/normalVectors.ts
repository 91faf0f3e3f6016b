// The arithmetic of `fillNormal` over vectors: four Philox blocks at a time in WebAssembly, whose operations on f64 are the
// same as JavaScript's to the last bit. `normal.ts` says what is computed; each line here has its twin there.
import { PHILOX_M0, PHILOX_M1, PHILOX_ROUNDS, PHILOX_W0, PHILOX_W1 } from './philox.ts'
import {
  addInt,
  bits,
  f64x2,
  floats,
  FunctionBody,
  i32x4,
  i64x2,
  int,
  intLanes,
  ints,
  longs,
  shuffle,
  storeVector,
  type Piece,
} from './wasmText.ts'

/** Numbers of four blocks. */
const STRIDE = 16
const PAGE_BYTES = 65536
/** Numbers that one call makes at most: they stay in the level-2 cache until they are copied. */
const CHUNK = PAGE_BYTES / 4

/** Fills `out`, whose length is a multiple of 16, from the first block on. */
export type FillVectors = (
  out: Float32Array,
  mean: number,
  std: number,
  key0: number,
  key1: number,
  stream: number,
) => void

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  run(block: number, end: number, mean: number, std: number, key0: number, key1: number, stream: number): void
}
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object) => { readonly exports: Exports }
  validate(bytes: Uint8Array<ArrayBuffer>): boolean
}

let made: FillVectors | null | undefined

/** Null where the JavaScript engine has no WebAssembly with vectors. */
export function fillVectors(): FillVectors | null {
  return (made ??= instantiate() ?? null)
}

function instantiate(): FillVectors | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyInterface }
  const bytes = normalModule()
  if (WebAssembly?.validate(bytes) !== true) return undefined
  const { memory, run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports
  const chunk = new Float32Array(memory.buffer)
  return (out, mean, std, key0, key1, stream) => {
    for (let at = 0; at < out.length; at += CHUNK) {
      const count = Math.min(CHUNK, out.length - at)
      const block = at / 4
      run(block, block + count / 4, mean, std, key0, key1, stream)
      out.set(chunk.subarray(0, count), at)
    }
  }
}

/** A module whose `run(block, end, mean, std, key0, key1, stream)` writes blocks [block, end) from address 0 on. */
function normalModule(): Uint8Array<ArrayBuffer> {
  const body = new FunctionBody(['i32', 'i32', 'f64', 'f64', 'i32', 'i32', 'i32'])
  const [block, end, mean, std, key0, key1, stream] = [0, 1, 2, 3, 4, 5, 6].map((k) => body.parameter(k)) as [
    Piece,
    Piece,
    Piece,
    Piece,
    Piece,
    Piece,
    Piece,
  ]
  const address = body.keep(int(0), 'i32')
  const [means, stds] = [body.keep(f64x2.splat(mean)), body.keep(f64x2.splat(std))]
  const streams = body.keep(i32x4.splat(stream))
  const keys = [body.keep(i32x4.splat(key0)), body.keep(i32x4.splat(key1))] as const
  const words = [0, 1, 2, 3].map(() => body.keep(ints(0))) as [Piece, Piece, Piece, Piece]
  const emitter = new Emitter(body)
  body.repeatWhileBelow(block, end, () => {
    body.set(words[0], i32x4.add(i32x4.splat(block), intLanes([0, 1, 2, 3])))
    body.set(words[1], ints(0))
    body.set(words[2], streams)
    body.set(words[3], ints(1))
    emitter.philox(words, keys)
    for (const half of [0, 1] as const) {
      const [w0, w1, w2, w3] = words.map((word) => (half === 0 ? word : shuffle(word, word, [2, 3, 2, 3])))
      const draws = [...emitter.boxMuller(w0!, w1!), ...emitter.boxMuller(w2!, w3!)]
      const [d0, d1, d2, d3] = draws.map((x) => body.keep(f64x2.toSingle(f64x2.add(means, f64x2.mul(stds, x)))))
      const [left, right] = [shuffle(d0!, d1!, [0, 4, 1, 5]), shuffle(d2!, d3!, [0, 4, 1, 5])].map((x) => body.keep(x))
      body.do(storeVector(address, 32 * half, shuffle(left!, right!, [0, 1, 4, 5])))
      body.do(storeVector(address, 32 * half + 16, shuffle(left!, right!, [2, 3, 6, 7])))
    }
    body.set(address, addInt(address, int(4 * STRIDE)))
    body.set(block, addInt(block, int(STRIDE / 4)))
  })
  return body.module(1)
}

class Emitter {
  readonly #body: FunctionBody

  constructor(body: FunctionBody) {
    this.#body = body
  }

  /** Runs the rounds of Philox on four counters at once. */
  philox(words: readonly [Piece, Piece, Piece, Piece], keys: readonly [Piece, Piece]): void {
    const body = this.#body
    const [c0, c1, c2, c3] = words
    const [k0, k1] = keys.map((key) => body.keep(key)) as [Piece, Piece]
    for (let round = 0; round < PHILOX_ROUNDS; round++) {
      const [high0, low0] = this.#product(c0, PHILOX_M0)
      const [high1, low1] = this.#product(c2, PHILOX_M1)
      body.set(c0, bits.xor(bits.xor(high1, c1), k0))
      body.set(c1, low1)
      body.set(c2, bits.xor(bits.xor(high0, c3), k1))
      body.set(c3, low0)
      body.set(k0, i32x4.add(k0, ints(PHILOX_W0)))
      body.set(k1, i32x4.add(k1, ints(PHILOX_W1)))
    }
  }

  /** The upper and the lower words of the products with a constant. */
  #product(word: Piece, factor: number): [Piece, Piece] {
    const body = this.#body
    const low = body.keep(i32x4.wideLow(word, ints(factor)))
    const high = body.keep(i32x4.wideHigh(word, ints(factor)))
    return [body.keep(shuffle(low, high, [1, 3, 5, 7])), body.keep(shuffle(low, high, [0, 2, 4, 6]))]
  }

  /** r·cos and r·sin of the lower two words. */
  boxMuller(wordU: Piece, wordV: Piece): [Piece, Piece] {
    const body = this.#body
    const { add, sub, mul, sqrt, fromSigned } = f64x2
    const radius = body.keep(sqrt(mul(floats(-2), this.#logOfUnit(wordU))))
    const fraction = fromSigned(bits.and(wordV, ints(0x3fffffff)))
    const angle = sub(add(fraction, floats(0.5)), floats(0x20000000))
    const x = body.keep(mul(angle, floats(Math.PI / 2 / 0x40000000)))
    const z = body.keep(mul(x, x))
    const sine = body.keep(mul(x, series(z, [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800])))
    const cosine = body.keep(series(z, [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800]))
    const quadrant = body.keep(i32x4.shiftRight(wordV, 30))
    const odd = body.keep(bits.and(quadrant, ints(1)))
    // 1, 0, -1, 0 and 0, 1, 0, -1
    const turnCosine = body.keep(fromSigned(i32x4.mul(i32x4.sub(ints(1), odd), i32x4.sub(ints(1), quadrant))))
    const turnSine = body.keep(fromSigned(i32x4.mul(odd, i32x4.sub(ints(2), quadrant))))
    return [
      body.keep(mul(radius, sub(mul(cosine, turnCosine), mul(sine, turnSine)))),
      body.keep(mul(radius, add(mul(sine, turnCosine), mul(cosine, turnSine)))),
    ]
  }

  #logOfUnit(word: Piece): Piece {
    const body = this.#body
    const { add, sub, mul, div, fromUnsigned } = f64x2
    const value = body.keep(add(fromUnsigned(word), floats(0.5)))
    // The same number with the exponent of [1/2, 1); its own exponent, a small integer, in the low bits of 2^52.
    const m = body.keep(bits.or(bits.and(value, longs(0x000fffffffffffffn)), longs(0x3fe0000000000000n)))
    const biased = bits.or(i64x2.shiftRight(value, 52), longs(0x4330000000000000n))
    const exponent = sub(biased, floats(2 ** 52 + 1022))
    const s = body.keep(div(sub(m, floats(Math.SQRT1_2)), add(m, floats(Math.SQRT1_2))))
    const z = body.keep(mul(s, s))
    const artanh = series(z, [1, 1 / 3, 1 / 5, 1 / 7, 1 / 9, 1 / 11, 1 / 13, 1 / 15])
    return add(mul(mul(floats(2), s), artanh), mul(sub(exponent, floats(32.5)), floats(Math.LN2)))
  }
}

/** c0 + z (c1 + z (c2 + …)) */
function series(z: Piece, [first, ...others]: readonly number[]): Piece {
  if (others.length === 0) return floats(first!)
  return f64x2.add(floats(first!), f64x2.mul(z, series(z, others)))
}
