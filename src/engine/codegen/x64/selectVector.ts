/** Instructions of every scalar op on vectors and masks. */
import type { Statement, Value } from '../../kernel/kernel.ts'
import type { ScalarOpName } from '../../kernel/scalarOps.ts'
import { lanesOf } from './constants.ts'
import type { VirtualMemory, VirtualRegister } from './instruction.ts'
import { bitsOf, type Selection } from './selection.ts'
import { vectorRows, type VectorRow } from './vectorRows.ts'

export type OpStatement = Statement & { kind: 'op' }
export type OpRule = (s: Selection, statement: OpStatement) => void
export type VectorOp = Exclude<ScalarOpName, `int${string}`>

/** Round to the nearest, ties to even, without the inexact exception (immediate of vroundps and vrndscaleps). */
const nearestEven = 8
/** Predicates of vcmpps, quiet: less and lessEqual are false for NaN, notEqual is true. */
const predicates = { equal: 0x00, notEqual: 0x04, less: 0x11, lessEqual: 0x12 } as const
/** Predicates of vpcmpd. */
const intPredicates = { equal: 0, less: 1 } as const
/** vpermilps: exchange the 64-bit halves of 128 bits; exchange neighbours. */
const exchangeHalves = 0x4e
const exchangeNeighbours = 0xb1
const oddLanesOf8 = 0xaa
/** Lanes of 128 bits, by the width of stretches: vperm2f128's two; vshuff32x4's two from a, then two from b. */
const merged256 = { even: 0x20, odd: 0x31 } as const
const merged512 = { even: { 4: 0x88, 8: 0x44 }, odd: { 4: 0xdd, 8: 0xee } } as const
/** vshuff32x4: the two in the middle change places. */
const exchangeMiddle = 0xd8

const binary =
  (row: VectorRow, immediate = 0): OpRule =>
  (s, { target, args: [a, b] }) =>
    binaryOf(s, row, s.define(target), a!, b!, immediate)

/** `a` is a memory operand only if the op commutes, so the two may then change places. */
function binaryOf(s: Selection, row: VectorRow, target: VirtualRegister, a: Value, b: Value, immediate: number): void {
  const [memoryA, memoryB] = [s.foldedMemory(a), s.foldedMemory(b)]
  const { length } = s
  if (memoryB) s.emit('binary', { row, length, target, a: s.use(a), memory: memoryB, immediate })
  else if (memoryA) s.emit('binary', { row, length, target, a: s.use(b), memory: memoryA, immediate })
  else s.emit('binary', { row, length, target, a: s.use(a), b: s.use(b), immediate })
}

const unary =
  (row: VectorRow, immediate = 0): OpRule =>
  (s, { target, args: [a] }) => {
    const memory = s.foldedMemory(a!)
    const operand = memory ? { memory } : { b: s.use(a!) }
    s.emit('unary', { row, length: s.length, target: s.define(target), ...operand, immediate })
  }

const withBits =
  (row: VectorRow, bits: number): OpRule =>
  (s, { target, args: [a] }) =>
    s.emit('binary', {
      row,
      length: s.length,
      target: s.define(target),
      a: s.use(a!),
      b: s.constant({ kind: 'bits', bits }),
    })

const shift =
  (row: VectorRow): OpRule =>
  (s, { target, args: [a], immediate }) =>
    s.emit('shift', { row, length: s.length, target: s.define(target), a: s.use(a!), immediate })

const multiplyAdd: OpRule = (s, { target: result, args }) => {
  const [a, b, c] = args as readonly [Value, Value, Value]
  const { length } = s
  const memoryB = s.foldedMemory(b)
  const memoryA = memoryB ? undefined : s.foldedMemory(a)
  const memoryC = (memoryB ?? memoryA) ? undefined : s.foldedMemory(c)
  const target = s.define(result)
  if (memoryB) {
    s.emit('multiplyAdd', { length, target, a: s.use(a), c: s.use(c), memory: memoryB })
  } else if (memoryA) {
    s.emit('multiplyAdd', { length, target, a: s.use(b), c: s.use(c), memory: memoryA })
  } else if (memoryC) {
    s.emit('multiplyAdd', { length, target, a: s.use(a), b: s.use(b), memory: memoryC, memoryPlace: 'c' })
  } else {
    s.emit('multiplyAdd', { length, target, a: s.use(a), b: s.use(b), c: s.use(c) })
  }
}

/** Both converted, the first in the lower half of the vector; then the words of the halves take turns. */
const bf16Pair: OpRule = (s, { target, args }) => {
  const [low, high] = args as readonly [Value, Value]
  assertBf16(s)
  const { length } = s
  const halves = s.temporary('vector')
  const memory = s.foldedMemory(low)
  const second = memory ? { memory } : { b: s.use(low) }
  s.emit('binary', { row: vectorRows.narrowToBf16, length, target: halves, a: s.use(high), ...second })
  const a = s.constant({ kind: 'interleave' })
  s.emit('binary', { row: vectorRows.permuteWords, length, target: s.define(target), a, b: halves })
}

const pairDot: OpRule = (s, { target: result, args }) => {
  const [a, b, sum] = args as readonly [Value, Value, Value]
  assertBf16(s)
  const memoryB = s.foldedMemory(b)
  const memory = memoryB ?? s.foldedMemory(a)
  const target = s.define(result)
  const c = s.use(sum)
  if (c !== target) s.emit('moveVector', { target, a: c })
  const operands = memory ? { a: s.use(memoryB ? a : b), memory } : { a: s.use(a), b: s.use(b) }
  s.emit('accumulate', { row: vectorRows.pairDot, length: s.length, target, ...operands, c: target })
}

function assertBf16(s: Selection): void {
  if (s.features.bf16) return
  throw new Error(`kernel ${s.kernel.name} multiplies pairs of bf16 numbers, for which this target has no instruction`)
}

const select: OpRule = (s, { target, args }) => {
  const [mask, a, b] = args as readonly [Value, Value, Value]
  const memory = s.foldedMemory(a)
  const row = s.features.avx512 ? vectorRows.blendMasked : vectorRows.blend
  const chosen = memory ? { memory } : { b: s.use(a) }
  s.emit('blend', { row, length: s.length, target: s.define(target), a: s.use(b), ...chosen, c: s.use(mask) })
}

const lessInt: OpRule = (s, { target, args: [a, b] }) => {
  if (s.features.avx512) binaryOf(s, vectorRows.compareInt, s.define(target), a!, b!, intPredicates.less)
  else binaryOf(s, vectorRows.greaterInt, s.define(target), b!, a!, 0)
}

const equalInt: OpRule = (s, { target, args: [a, b] }) => {
  const row = s.features.avx512 ? vectorRows.compareInt : vectorRows.equalInt
  binaryOf(s, row, s.define(target), a!, b!, intPredicates.equal)
}

/** 64-bit products of the even lanes and of the odd ones; their upper halves, interleaved. */
const mulHighUnsigned: OpRule = (s, { target, args }) => {
  const [a, b] = args as readonly [Value, Value]
  const { length } = s
  const { oddToEven } = vectorRows
  const [even, odd, evenHigh] = [s.temporary('vector'), s.temporary('vector'), s.temporary('vector')]
  s.emit('binary', { row: vectorRows.mulWide, length, target: even, a: s.use(a), b: s.use(b) })
  s.emit('binary', {
    row: vectorRows.mulWide,
    length,
    target: odd,
    a: moved(s, oddToEven, a),
    b: moved(s, oddToEven, b),
  })
  s.emit('unary', { row: oddToEven, length, target: evenHigh, b: even })
  blendOdd(s, s.define(target), evenHigh, odd)
}

/** The even lanes of a, the odd ones of b. */
function blendOdd(s: Selection, target: VirtualRegister, a: VirtualRegister, b: VirtualRegister): void {
  const fields = { length: s.length, target, a, b }
  if (s.features.avx512) {
    s.emit('blend', { row: vectorRows.blendMasked, ...fields, c: s.constant({ kind: 'oddLanes' }) })
  } else {
    s.emit('binary', { row: vectorRows.blendConstant, ...fields, immediate: oddLanesOf8 })
  }
}

const merge =
  (parity: 'even' | 'odd'): OpRule =>
  (s, { target: result, args, immediate: width }) => {
    const { length } = s
    const [first, second] = args as readonly [Value, Value]
    const [a, b] = [s.use(first), s.use(second)]
    const target = s.define(result)
    if (width === 1) {
      if (parity === 'even') return blendOdd(s, target, a, moved(s, vectorRows.evenToOdd, second))
      return blendOdd(s, target, moved(s, vectorRows.oddToEven, first), b)
    }
    if (width === 2) {
      const row = parity === 'even' ? vectorRows.mergeEvenPairs : vectorRows.mergeOddPairs
      return s.emit('binary', { row, length, target, a, b })
    }
    if (!s.features.avx512) {
      return s.emit('binary', { row: vectorRows.choose128, length, target, a, b, immediate: merged256[parity] })
    }
    const row = vectorRows.choose128Of512
    const immediate = merged512[parity][width as 4 | 8]
    if (width === 8) return s.emit('binary', { row, length, target, a, b, immediate })
    const chosen = s.temporary('vector')
    s.emit('binary', { row, length, target: chosen, a, b, immediate })
    s.emit('binary', { row, length, target, a: chosen, b: chosen, immediate: exchangeMiddle })
  }

/**
 * The lanes of `value` moved to their neighbours by a row that has no form for a constant copied to all lanes; nor needs it:
 * a constant is the same in all lanes.
 */
function moved(s: Selection, row: VectorRow, value: Value): VirtualRegister {
  if (s.originOf(value)?.kind === 'bits') return s.use(value)
  const target = s.temporary('vector')
  s.emit('unary', { row, length: s.length, target, b: s.use(value) })
  return target
}

/** Folds the upper half onto the lower until one element is left, then copies it to every lane. */
const reduce =
  (row: VectorRow): OpRule =>
  (s, { target, args: [a] }) => {
    let low = s.use(a!)
    const fold = (length: 0 | 1, high: VirtualRegister): void => {
      const sum = s.temporary('vector')
      s.emit('binary', { row, length, target: sum, a: low, b: high })
      low = sum
    }
    if (s.features.avx512) {
      const upper = s.temporary('vector')
      s.emit('extract', { row: vectorRows.extract256, length: 2, target: upper, a: low, immediate: 1 })
      fold(1, upper)
    }
    const upper = s.temporary('vector')
    s.emit('extract', { row: vectorRows.extract128, length: 1, target: upper, a: low, immediate: 1 })
    fold(0, upper)
    for (const immediate of [exchangeHalves, exchangeNeighbours]) {
      const exchanged = s.temporary('vector')
      s.emit('unary', { row: vectorRows.permute, length: 0, target: exchanged, b: low, immediate })
      fold(0, exchanged)
    }
    s.emit('unary', { row: vectorRows.broadcast, length: s.length, target: s.define(target), b: low })
  }

/** Values that are renamed or made where they are used: nothing to emit here. */
const sameBits: OpRule = (s, { target, args: [a] }) => s.emit('moveVector', { target: s.define(target), a: s.use(a!) })

export const vectorRules: { readonly [K in VectorOp]: OpRule } = {
  add: binary(vectorRows.add),
  sub: binary(vectorRows.sub),
  mul: binary(vectorRows.mul),
  div: binary(vectorRows.div),
  multiplyAdd,
  min: binary(vectorRows.min),
  max: binary(vectorRows.max),
  sqrt: unary(vectorRows.sqrt),
  neg: withBits(vectorRows.xor, 0x80000000 | 0),
  abs: withBits(vectorRows.and, 0x7fffffff),
  round: unary(vectorRows.round, nearestEven),
  addInt: binary(vectorRows.addInt),
  subInt: binary(vectorRows.subInt),
  mulInt: binary(vectorRows.mulInt),
  mulHighUnsigned,
  and: binary(vectorRows.and),
  or: binary(vectorRows.or),
  xor: binary(vectorRows.xor),
  shiftLeft: shift(vectorRows.shiftLeft),
  shiftRight: shift(vectorRows.shiftRight),
  toInt: unary(vectorRows.toInt),
  toFloat: unary(vectorRows.toFloat),
  asInt: sameBits,
  asFloat: sameBits,
  bf16Pair,
  pairDot,
  less: binary(vectorRows.compare, predicates.less),
  lessEqual: binary(vectorRows.compare, predicates.lessEqual),
  equal: binary(vectorRows.compare, predicates.equal),
  notEqual: binary(vectorRows.compare, predicates.notEqual),
  lessInt,
  equalInt,
  select,
  selectInt: select,
  constant: (s, { target, immediate }) => s.setOrigin(target, { kind: 'bits', bits: bitsOf(immediate) }),
  constantInt: (s, { target, immediate }) => s.setOrigin(target, { kind: 'bits', bits: immediate | 0 }),
  laneIndex: (s, { target }) => s.setOrigin(target, { kind: 'laneIndex' }),
  splat: (s, { target, args: [a] }) => s.emit('splat', { length: s.length, target: s.define(target), b: s.use(a!) }),
  mergeEven: merge('even'),
  mergeOdd: merge('odd'),
  reduceAdd: reduce(vectorRows.add),
  reduceMax: reduce(vectorRows.max),
}

/** Rows that move exactly this many elements, and zero the others when loading; other counts need a mask. */
const exactRows: ReadonlyMap<number, { load: VectorRow; store: VectorRow; length: 0 | 1 }> = new Map([
  [1, { load: vectorRows.loadOne, store: vectorRows.storeOne, length: 0 }],
  [2, { load: vectorRows.loadTwo, store: vectorRows.storeTwo, length: 0 }],
  [4, { load: vectorRows.load, store: vectorRows.store, length: 0 }],
  [8, { load: vectorRows.load, store: vectorRows.store, length: 1 }],
])

export function selectLoad(s: Selection, { target, address, lanes }: Statement & { kind: 'load' }): void {
  const memory = s.address(address)
  const exact = exactRows.get(lanes)
  if (lanes <= 0) {
    s.emit('zero', { target: s.define(target) })
  } else if (lanes === lanesOf(s.features)) {
    s.emit('unary', { row: vectorRows.load, length: s.length, target: s.define(target), memory })
  } else if (exact) {
    s.emit('unary', { row: exact.load, length: exact.length, target: s.define(target), memory })
  } else {
    const row = s.features.avx512 ? vectorRows.load : vectorRows.loadMasked
    s.emit('loadMasked', {
      row,
      length: s.length,
      target: s.define(target),
      c: s.constant({ kind: 'tail', lanes }),
      memory,
    })
  }
}

export function selectStore(s: Selection, { value, address, lanes }: Statement & { kind: 'store' }): void {
  if (lanes <= 0) return
  const memory = s.address(address)
  const exact = exactRows.get(lanes)
  const a = s.use(value)
  if (lanes === lanesOf(s.features)) {
    s.emit('store', { row: vectorRows.store, length: s.length, a, memory })
  } else if (exact) {
    s.emit('store', { row: exact.store, length: exact.length, a, memory })
  } else if (s.features.avx512) {
    const c = s.constant({ kind: 'tail', lanes })
    s.emit('storeMasked', { row: vectorRows.store, length: s.length, a, c, memory })
  } else {
    storePieces(s, a, memory, lanes)
  }
}

/**
 * 3, 5, 6 or 7 of 8 lanes as stores of four, two and one: vmaskmovps to memory takes some dozens of micro-operations on
 * AMD's cores (Agner Fog's instruction tables).
 */
function storePieces(s: Selection, value: VirtualRegister, memory: VirtualMemory, lanes: number): void {
  let rest = value
  let stored = 0
  for (const count of [4, 2, 1]) {
    if ((lanes & count) === 0) continue
    const { store, length } = exactRows.get(count)!
    s.emit('store', {
      row: store,
      length,
      a: rest,
      memory: { ...memory, displacement: memory.displacement + 4 * stored },
    })
    stored += count
    if (stored === lanes) return
    const next = s.temporary('vector')
    if (count === 4) s.emit('extract', { row: vectorRows.extract128, length: 1, target: next, a: rest, immediate: 1 })
    else s.emit('unary', { row: vectorRows.permute, length: 0, target: next, b: rest, immediate: exchangeHalves })
    rest = next
  }
}
