/** The executable meaning of every scalar op: what `scalarOps.ts` says in words, as plain TypeScript. */
import { bf16Bits, flushDenormal, fromBf16Bits } from './bf16.ts'
import type { ScalarOpName } from './scalarOps.ts'

/**
 * The content of one value: `n` for an int; for vectors the same 32-bit lanes seen as floats `f` and integers `i`.
 * A mask lane is -1 or 0 in `i`.
 */
export interface Register {
  n: number
  readonly f: Float32Array
  readonly i: Int32Array
}

export function newRegister(lanes: number): Register {
  const buffer = new ArrayBuffer(4 * lanes)
  return { n: 0, f: new Float32Array(buffer), i: new Int32Array(buffer) }
}

export interface OpSite {
  readonly args: readonly Register[]
  readonly immediate: number
  /** Whether `multiplyAdd` rounds once. */
  readonly fusedMultiplyAdd: boolean
}

export type Meaning = (target: Register, site: OpSite) => void

const { fround } = Math

/** 1.5 * 2^52: adding and subtracting it rounds a small double to the nearest integer, ties to even. */
const ROUNDER = 6755399441055744

/** Nearest integer, ties to even; the sign of zero is the sign of `a`. */
function roundTiesToEven(a: number): number {
  if (!(Math.abs(a) < 8388608)) return a // from 2^23 on, every f32 is an integer
  const magnitude = Math.abs(a) + ROUNDER - ROUNDER
  return a < 0 || Object.is(a, -0) ? -magnitude : magnitude
}

const double = new Float64Array(1)
const doubleBits = new BigInt64Array(double.buffer)

/**
 * a * b + c for f32 operands, rounded once.
 *
 * The product is exact in double. The sum is rounded to odd (Boldo and Melquiond, "Emulation of FMA and correctly
 * rounded sums", 2008), so that the second rounding, to f32, gives the correctly rounded result.
 */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b
  const sum = product + c
  const part = sum - product
  const error = product - (sum - part) + (c - part)
  if (error === 0 || !Number.isFinite(sum)) return fround(sum)
  double[0] = sum
  const bits = doubleBits[0]!
  if ((bits & 1n) === 0n) doubleBits[0] = error > 0 === sum > 0 ? bits + 1n : bits - 1n
  return fround(double[0])
}

const floats1 =
  (f: (a: number) => number): Meaning =>
  (target, { args: [a] }) => {
    for (let k = 0; k < target.f.length; k++) target.f[k] = f(a!.f[k]!)
  }
const floats2 =
  (f: (a: number, b: number) => number): Meaning =>
  (target, { args: [a, b] }) => {
    for (let k = 0; k < target.f.length; k++) target.f[k] = f(a!.f[k]!, b!.f[k]!)
  }
const bits1 =
  (f: (a: number, immediate: number) => number): Meaning =>
  (target, { args: [a], immediate }) => {
    for (let k = 0; k < target.i.length; k++) target.i[k] = f(a!.i[k]!, immediate)
  }
const bits2 =
  (f: (a: number, b: number) => number): Meaning =>
  (target, { args: [a, b] }) => {
    for (let k = 0; k < target.i.length; k++) target.i[k] = f(a!.i[k]!, b!.i[k]!)
  }
const compareFloats =
  (f: (a: number, b: number) => boolean): Meaning =>
  (target, { args: [a, b] }) => {
    for (let k = 0; k < target.i.length; k++) target.i[k] = f(a!.f[k]!, b!.f[k]!) ? -1 : 0
  }
const compareInts =
  (f: (a: number, b: number) => boolean): Meaning =>
  (target, { args: [a, b] }) => {
    for (let k = 0; k < target.i.length; k++) target.i[k] = f(a!.i[k]!, b!.i[k]!) ? -1 : 0
  }
const choose: Meaning = (target, { args: [mask, a, b] }) => {
  for (let k = 0; k < target.i.length; k++) target.i[k] = mask!.i[k] === 0 ? b!.i[k]! : a!.i[k]!
}
/** Bits move unchanged, those of NaN too. */
const merge =
  (fromA: number, fromB: number): Meaning =>
  (target, { args: [a, b], immediate: w }) => {
    for (let k = 0; k < target.i.length; k++) {
      target.i[k] = (k & w) === 0 ? a!.i[k + fromA * w]! : b!.i[k + fromB * w]!
    }
  }
const copyBits = bits1((a) => a)

/** Folds halves: x[k] = f(x[k], x[k + w]) for w = lanes/2, lanes/4 … 1; lane 0 then fills every lane. */
const reduce =
  (f: (a: number, b: number) => number): Meaning =>
  (target, { args: [a] }) => {
    const x = Float32Array.from(a!.f)
    for (let w = x.length / 2; w >= 1; w /= 2) {
      for (let k = 0; k < w; k++) x[k] = f(x[k]!, x[k + w]!)
    }
    target.f.fill(x[0]!)
  }

const ints =
  (f: (a: number, b: number) => number): Meaning =>
  (target, { args: [a, b] }) => {
    target.n = f(a!.n, b!.n)
  }
const intImmediate =
  (f: (a: number, immediate: number) => number): Meaning =>
  (target, { args: [a], immediate }) => {
    target.n = f(a!.n, immediate)
  }

/** High 32 bits of the unsigned product. */
const mulHighUnsigned = (a: number, b: number): number => Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n) | 0

/** sum + a * b as VDPBF16PS adds up: the odd numbers of the pairs come first. */
function addProduct(sum: number, a: number, b: number): number {
  const [left, right] = [flushDenormal(fromBf16Bits(a)), flushDenormal(fromBf16Bits(b))]
  return flushDenormal(fusedMultiplyAdd(left, right, flushDenormal(sum)))
}

/** Total over the scalar ops. A stored float is rounded to f32 by the register that it is stored in. */
export const scalarMeaning: { readonly [K in ScalarOpName]: Meaning } = {
  add: floats2((a, b) => a + b),
  sub: floats2((a, b) => a - b),
  mul: floats2((a, b) => a * b),
  div: floats2((a, b) => a / b),
  multiplyAdd: (target, { args: [a, b, c], fusedMultiplyAdd: fused }) => {
    for (let k = 0; k < target.f.length; k++) {
      const [x, y, z] = [a!.f[k]!, b!.f[k]!, c!.f[k]!]
      target.f[k] = fused ? fusedMultiplyAdd(x, y, z) : fround(x * y) + z
    }
  },
  min: floats2((a, b) => (a < b ? a : b)),
  max: floats2((a, b) => (a > b ? a : b)),
  sqrt: floats1(Math.sqrt),
  neg: bits1((a) => a ^ 0x80000000),
  abs: bits1((a) => a & 0x7fffffff),
  round: floats1(roundTiesToEven),
  addInt: bits2((a, b) => a + b),
  subInt: bits2((a, b) => a - b),
  mulInt: bits2(Math.imul),
  mulHighUnsigned: bits2(mulHighUnsigned),
  and: bits2((a, b) => a & b),
  or: bits2((a, b) => a | b),
  xor: bits2((a, b) => a ^ b),
  shiftLeft: bits1((a, immediate) => a << immediate),
  shiftRight: bits1((a, immediate) => a >>> immediate),
  // Outside |a| < 2^31 a target may give anything; here it saturates, and NaN gives 0.
  toInt: (target, { args: [a] }) => {
    for (let k = 0; k < target.i.length; k++) {
      target.i[k] = Math.max(-2147483648, Math.min(2147483647, Math.trunc(a!.f[k]!)))
    }
  },
  toFloat: (target, { args: [a] }) => {
    for (let k = 0; k < target.f.length; k++) target.f[k] = a!.i[k]!
  },
  asInt: copyBits,
  asFloat: copyBits,
  bf16Pair: (target, { args: [a, b] }) => {
    for (let k = 0; k < target.i.length; k++) target.i[k] = bf16Bits(a!.f[k]!) | (bf16Bits(b!.f[k]!) << 16)
  },
  pairDot: (target, { args: [a, b, c] }) => {
    for (let k = 0; k < target.f.length; k++) {
      const [x, y] = [a!.i[k]!, b!.i[k]!]
      const sum = addProduct(c!.f[k]!, x >>> 16, y >>> 16)
      target.f[k] = addProduct(sum, x & 0xffff, y & 0xffff)
    }
  },
  less: compareFloats((a, b) => a < b),
  lessEqual: compareFloats((a, b) => a <= b),
  equal: compareFloats((a, b) => a === b),
  notEqual: compareFloats((a, b) => a !== b),
  lessInt: compareInts((a, b) => a < b),
  equalInt: compareInts((a, b) => a === b),
  select: choose,
  selectInt: choose,
  constant: (target, { immediate }) => target.f.fill(immediate),
  constantInt: (target, { immediate }) => target.i.fill(immediate),
  laneIndex: (target) => {
    for (let k = 0; k < target.i.length; k++) target.i[k] = k
  },
  splat: (target, { args: [a] }) => target.i.fill(a!.n),
  mergeEven: merge(0, -1),
  mergeOdd: merge(1, 0),
  reduceAdd: reduce((a, b) => a + b),
  reduceMax: reduce((a, b) => (a > b ? a : b)),
  intConstant: (target, { immediate }) => {
    target.n = immediate
  },
  intAdd: ints((a, b) => a + b),
  intSub: ints((a, b) => a - b),
  intMul: ints((a, b) => a * b),
  intAddImmediate: intImmediate((a, immediate) => a + immediate),
  intMulImmediate: intImmediate((a, immediate) => a * immediate),
  intDivImmediate: intImmediate((a, immediate) => Math.floor(a / immediate)),
  intModImmediate: intImmediate((a, immediate) => a % immediate),
  intMin: ints(Math.min),
  intMax: ints(Math.max),
}
