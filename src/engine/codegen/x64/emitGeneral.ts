/** Bytes of the instructions on general registers, which have two operands where ours have three. */
import { memoryAt, type MemoryOperand } from './encoder.ts'
import { registers, type GeneralEncoder } from './general.ts'

const { rax, rdx } = registers

/** `b` is a register or memory. */
export type Operand = number | MemoryOperand

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0
}

function moved(g: GeneralEncoder, target: number, source: number): void {
  if (target !== source) g.move(target, source)
}

export function emitAdd(g: GeneralEncoder, target: number, a: number, b: Operand): void {
  if (typeof b !== 'number') {
    moved(g, target, a)
    g.arithmeticMemory('add', target, b)
  } else if (target === a) {
    g.arithmetic('add', target, b)
  } else if (target === b) {
    g.arithmetic('add', target, a)
  } else {
    g.address(target, memoryAt(a, 0, b))
  }
}

export function emitAddImmediate(g: GeneralEncoder, target: number, a: number, immediate: number): void {
  if (immediate === 0) moved(g, target, a)
  else if (target === a) g.arithmeticImmediate('add', target, immediate)
  else g.address(target, memoryAt(a, immediate))
}

export function emitSub(g: GeneralEncoder, target: number, a: number, b: Operand): void {
  if (typeof b !== 'number') {
    moved(g, target, a)
    g.arithmeticMemory('sub', target, b)
  } else if (target === b && target !== a) {
    g.negate(target)
    g.arithmetic('add', target, a)
  } else {
    moved(g, target, a)
    g.arithmetic('sub', target, b)
  }
}

export function emitMul(g: GeneralEncoder, target: number, a: number, b: Operand): void {
  if (typeof b !== 'number') {
    moved(g, target, a)
    g.multiplyMemory(target, b)
  } else if (target === b) {
    g.multiply(target, a)
  } else {
    moved(g, target, a)
    g.multiply(target, b)
  }
}

export function emitMulImmediate(g: GeneralEncoder, target: number, a: number, immediate: number): void {
  if (isPowerOfTwo(immediate)) {
    moved(g, target, a)
    if (immediate > 1) g.shiftLeft(target, 31 - Math.clz32(immediate))
  } else {
    g.multiplyImmediate(target, a, immediate)
  }
}

/** `replaced` says when the other operand takes the target's place. */
export function emitChoice(
  g: GeneralEncoder,
  replaced: 'greater' | 'less',
  target: number,
  a: number,
  b: number,
): void {
  const other = target === b ? a : b
  if (target !== b) moved(g, target, a)
  g.arithmetic('cmp', target, other)
  g.moveIf(replaced, target, other)
}

export function emitDivide(g: GeneralEncoder, target: number, a: number, divisor: number): void {
  if (isPowerOfTwo(divisor)) {
    moved(g, target, a)
    if (divisor > 1) g.shiftRight(target, 31 - Math.clz32(divisor))
  } else {
    quotientInRdx(g, a, divisor)
    g.move(target, rdx)
  }
}

export function emitModulo(g: GeneralEncoder, target: number, a: number, divisor: number): void {
  if (divisor === 1) {
    g.moveImmediate(target, 0)
  } else if (isPowerOfTwo(divisor)) {
    moved(g, target, a)
    g.arithmeticImmediate('and', target, divisor - 1)
  } else {
    quotientInRdx(g, a, divisor)
    g.multiplyImmediate(rdx, rdx, divisor)
    moved(g, target, a)
    g.arithmetic('sub', target, rdx)
  }
}

/**
 * floor(a / d) = (a * m) >> (63 + s) with s = ceil(log2 d), m = ceil(2^(63 + s) / d) < 2^64: exact for 0 <= a < 2^63, as
 * m * d exceeds 2^(63 + s) by less than d <= 2^s (Granlund and Montgomery, "Division by Invariant Integers", 1994).
 */
function quotientInRdx(g: GeneralEncoder, a: number, divisor: number): void {
  const s = 32 - Math.clz32(divisor - 1)
  const d = BigInt(divisor)
  const m = ((1n << BigInt(63 + s)) + d - 1n) / d
  g.moveImmediate64(rax, m)
  g.multiplyWide(a)
  g.shiftRight(rdx, s - 1)
}
