/**
 * The closed vocabulary of scalar ops that every code generator is total over. One row each: types and exact meaning.
 *
 * f32 results are rounded to nearest even after each op; `multiplyAdd` is rounded once where the target fuses it
 * (x64 FMA) and twice where it does not (WebAssembly without relaxed SIMD).
 */
import type { ValueType } from './kernel.ts'

export interface ScalarOp {
  readonly args: readonly ValueType[]
  readonly result: ValueType
  /** What `immediate` means, where the op reads one. */
  readonly immediate?: string
  readonly meaning: string
  /** Only for targets that have this; all other ops are for every target. */
  readonly feature?: 'bf16'
}

const row = (args: readonly ValueType[], result: ValueType, meaning: string, immediate?: string): ScalarOp =>
  immediate === undefined ? { args, result, meaning } : { args, result, meaning, immediate }

/** A row for targets with instructions on pairs of bf16 numbers: an i32 lane holds two, the first in its low 16 bits. */
const pairRow = (args: readonly ValueType[], result: ValueType, meaning: string): ScalarOp => ({
  ...row(args, result, meaning),
  feature: 'bf16',
})

const f = 'f32' as const
const i = 'i32' as const
const m = 'mask' as const
const n = 'int' as const

export const scalarOps = {
  // vectors of f32
  add: row([f, f], f, 'a + b'),
  sub: row([f, f], f, 'a - b'),
  mul: row([f, f], f, 'a * b'),
  div: row([f, f], f, 'a / b'),
  multiplyAdd: row([f, f, f], f, 'a * b + c'),
  min: row([f, f], f, 'a < b ? a : b'),
  max: row([f, f], f, 'a > b ? a : b'),
  sqrt: row([f], f, 'square root'),
  neg: row([f], f, 'flip the sign bit'),
  abs: row([f], f, 'clear the sign bit'),
  round: row([f], f, 'nearest integer, ties to even'),
  // vectors of i32 (two's complement, wrapping)
  addInt: row([i, i], i, 'a + b'),
  subInt: row([i, i], i, 'a - b'),
  mulInt: row([i, i], i, 'low 32 bits of a * b'),
  mulHighUnsigned: row([i, i], i, 'high 32 bits of the unsigned product'),
  and: row([i, i], i, 'a & b'),
  or: row([i, i], i, 'a | b'),
  xor: row([i, i], i, 'a ^ b'),
  shiftLeft: row([i], i, 'a << immediate', 'bits, 0 to 31'),
  shiftRight: row([i], i, 'a >>> immediate (logical)', 'bits, 0 to 31'),
  // between the two
  toInt: row([f], i, 'truncate toward zero; |a| < 2^31'),
  toFloat: row([i], f, 'signed integer to the nearest f32'),
  asInt: row([f], i, 'the same bits'),
  asFloat: row([i], f, 'the same bits'),
  // pairs of bf16 numbers (`bf16.ts`)
  bf16Pair: pairRow([f, f], i, 'a rounded to bf16 in the low half, b in the high half; denormals become zeros'),
  pairDot: pairRow(
    [i, i, f],
    f,
    'c + a.high * b.high, rounded once, then + a.low * b.low, rounded once; denormals are zeros, read or written',
  ),
  // comparisons and choice; comparisons with NaN are false, except notEqual
  less: row([f, f], m, 'a < b'),
  lessEqual: row([f, f], m, 'a <= b'),
  equal: row([f, f], m, 'a == b'),
  notEqual: row([f, f], m, 'a != b (true for NaN)'),
  lessInt: row([i, i], m, 'a < b, signed'),
  equalInt: row([i, i], m, 'a == b'),
  select: row([m, f, f], f, 'mask ? a : b'),
  selectInt: row([m, i, i], i, 'mask ? a : b'),
  // making vectors
  constant: row([], f, 'immediate in every lane', 'the f32 value'),
  constantInt: row([], i, 'immediate in every lane', 'the i32 value'),
  laneIndex: row([], i, '0, 1, 2 … lanes - 1'),
  splat: row([n], i, 'the low 32 bits of an int in every lane'),
  // across lanes, in stretches of w = immediate lanes: two halves of a transposition of 2 x 2 blocks (`transpose.ts`)
  mergeEven: row([f, f], f, '(k & w) == 0 ? a[k] : b[k - w]', 'lanes, a power of two below all'),
  mergeOdd: row([f, f], f, '(k & w) == 0 ? a[k + w] : b[k]', 'lanes, a power of two below all'),
  // across lanes: halves are folded, x[k] op= x[k + w] for w = lanes/2, lanes/4 … 1; the result fills every lane
  reduceAdd: row([f], f, 'sum over the lanes'),
  reduceMax: row([f], f, 'maximum over the lanes'),
  // ints
  intConstant: row([], n, 'immediate', 'an integer, |value| < 2^31'),
  intAdd: row([n, n], n, 'a + b'),
  intSub: row([n, n], n, 'a - b'),
  intMul: row([n, n], n, 'a * b'),
  intAddImmediate: row([n], n, 'a + immediate', 'an integer, |value| < 2^31'),
  intMulImmediate: row([n], n, 'a * immediate', 'an integer, |value| < 2^31'),
  intDivImmediate: row([n], n, 'floor(a / immediate), a >= 0', 'an integer from 1'),
  intModImmediate: row([n], n, 'a mod immediate, a >= 0', 'an integer from 1'),
  intMin: row([n, n], n, 'smaller, signed'),
  intMax: row([n, n], n, 'larger, signed'),
} satisfies Record<string, ScalarOp>

export type ScalarOpName = keyof typeof scalarOps

/** The ops that every target has, and those that need `bf16` where a target has it. */
export function opsOf({ bf16 = false }: { readonly bf16?: boolean }): ScalarOpName[] {
  return (Object.keys(scalarOps) as ScalarOpName[]).filter((op) => {
    const { feature }: ScalarOp = scalarOps[op]
    return feature === undefined || bf16
  })
}
