/** WebAssembly for every scalar op: what to emit to leave the result on the stack. */
import type { ScalarOpName } from '../../kernel/scalarOps.ts'
import type { Code, Local } from './code.ts'
import type { PlainInstruction } from './instructions.ts'

export interface OpSite {
  readonly args: readonly Local[]
  readonly immediate: number
  /** Whether the engine's relaxed multiply-add rounds once, and may be used. */
  readonly fused: boolean
  /** A vector local for use inside the op. */
  temporary(): Local
}

type Emit = (code: Code, site: OpSite) => void

const LANES = 4

/** Pushes the arguments, in order, then the instructions. */
const plain =
  (...names: readonly PlainInstruction[]): Emit =>
  (code, { args }) => {
    for (const arg of args) code.get(arg)
    for (const name of names) code.op(name)
  }

/** Pushes b, then a. `pmin(b, a)` is `a < b ? a : b` and `pmax(b, a)` is `b < a ? a : b`: our min and max, NaN and all. */
const swapped =
  (name: PlainInstruction): Emit =>
  (code, { args: [a, b] }) => {
    code.get(b!).get(a!).op(name)
  }

const withImmediate =
  (name: PlainInstruction): Emit =>
  (code, { args: [a], immediate }) => {
    code.get(a!).i32(immediate).op(name)
  }

/** Leaves `mask ? a : b`, lane by lane. */
const select: Emit = (code, { args: [mask, a, b] }) => {
  code.get(a!).get(b!).get(mask!).op('v128.bitselect')
}

/** Leaves the argument: another type for the same bits. */
const sameBits: Emit = (code, { args: [a] }) => {
  code.get(a!)
}

const constantLanes =
  (bits: (immediate: number) => number): Emit =>
  (code, { immediate }) => {
    const lane = bits(immediate)
    code.v128([lane, lane, lane, lane])
  }

const floatBits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!

/** Folds halves, x[k] = combine(x[k], x[k + w]) for w = 2, 1; then copies lane 0. */
const reduce =
  (combine: (code: Code, x: Local, shifted: () => void) => void): Emit =>
  (code, { args: [a], temporary }) => {
    const x = temporary()
    code.get(a!).set(x)
    combine(code, x, () => code.get(x).get(x).shuffle([2, 3, 2, 3]))
    code.set(x)
    combine(code, x, () => code.get(x).get(x).shuffle([1, 1, 1, 1]))
    code.set(x)
    code.get(x).get(x).shuffle([0, 0, 0, 0])
  }

/** High halves of the four 64-bit products, two of them in each of the two vectors. */
const mulHighUnsigned: Emit = (code, { args: [a, b] }) => {
  code.get(a!).get(b!).op('i64x2.extmul_low_i32x4_u')
  code.get(a!).get(b!).op('i64x2.extmul_high_i32x4_u')
  code.shuffle([1, 3, 5, 7])
}

/** Lanes 0 to 3 of the shuffle are a's, 4 to 7 b's. */
const merge =
  (fromA: number, fromB: number): Emit =>
  (code, { args: [a, b], immediate: w }) => {
    const lane = (k: number): number => ((k & w) === 0 ? k + fromA * w : LANES + k + fromB * w)
    code
      .get(a!)
      .get(b!)
      .shuffle([lane(0), lane(1), lane(2), lane(3)])
  }

/** `a < b ? a : b` (or `>`) for ints. */
const chooseInt =
  (comparison: PlainInstruction): Emit =>
  (code, { args: [a, b] }) => {
    code.get(a!).get(b!).get(a!).get(b!).op(comparison).op('select')
  }

/** No instruction of WebAssembly does this: a plan for it must not use the op. */
const absent =
  (op: ScalarOpName): Emit =>
  () => {
    throw new Error(`WebAssembly has no ${op}: plan for a target without bf16`)
  }

/** Total over the scalar ops. */
export const scalarCode: { readonly [K in ScalarOpName]: Emit } = {
  add: plain('f32x4.add'),
  sub: plain('f32x4.sub'),
  mul: plain('f32x4.mul'),
  div: plain('f32x4.div'),
  multiplyAdd: (code, { args: [a, b, c], fused }) => {
    code.get(a!).get(b!)
    if (fused) code.get(c!).op('f32x4.relaxed_madd')
    else code.op('f32x4.mul').get(c!).op('f32x4.add')
  },
  min: swapped('f32x4.pmin'),
  max: swapped('f32x4.pmax'),
  sqrt: plain('f32x4.sqrt'),
  neg: plain('f32x4.neg'),
  abs: plain('f32x4.abs'),
  round: plain('f32x4.nearest'),
  addInt: plain('i32x4.add'),
  subInt: plain('i32x4.sub'),
  mulInt: plain('i32x4.mul'),
  mulHighUnsigned,
  and: plain('v128.and'),
  or: plain('v128.or'),
  xor: plain('v128.xor'),
  shiftLeft: withImmediate('i32x4.shl'),
  shiftRight: withImmediate('i32x4.shr_u'),
  toInt: plain('i32x4.trunc_sat_f32x4_s'),
  toFloat: plain('f32x4.convert_i32x4_s'),
  asInt: sameBits,
  asFloat: sameBits,
  bf16Pair: absent('bf16Pair'),
  pairDot: absent('pairDot'),
  less: plain('f32x4.lt'),
  lessEqual: plain('f32x4.le'),
  equal: plain('f32x4.eq'),
  notEqual: plain('f32x4.ne'),
  lessInt: plain('i32x4.lt_s'),
  equalInt: plain('i32x4.eq'),
  select,
  selectInt: select,
  constant: constantLanes(floatBits),
  constantInt: constantLanes((value) => value),
  laneIndex: (code) => {
    code.v128([0, 1, 2, LANES - 1])
  },
  splat: plain('i32x4.splat'),
  mergeEven: merge(0, -1),
  mergeOdd: merge(1, 0),
  reduceAdd: reduce((code, x, shifted) => {
    code.get(x)
    shifted()
    code.op('f32x4.add')
  }),
  reduceMax: reduce((code, x, shifted) => {
    shifted()
    code.get(x).op('f32x4.pmax')
  }),
  intConstant: (code, { immediate }) => {
    code.i32(immediate)
  },
  intAdd: plain('i32.add'),
  intSub: plain('i32.sub'),
  intMul: plain('i32.mul'),
  intAddImmediate: withImmediate('i32.add'),
  intMulImmediate: withImmediate('i32.mul'),
  // Their arguments are never negative; unsigned also serves addresses from 2^31 on.
  intDivImmediate: withImmediate('i32.div_u'),
  intModImmediate: withImmediate('i32.rem_u'),
  intMin: chooseInt('i32.lt_s'),
  intMax: chooseInt('i32.gt_s'),
}
