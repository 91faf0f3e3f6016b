/** Instructions on the general registers: 64-bit arithmetic, comparisons, jumps, and what threads need. */
import type { PrefetchPurpose } from '../../kernel/kernel.ts'
import type { Label } from './codeBuffer.ts'
import { type Encoder, type MemoryOperand } from './encoder.ts'

export const registers = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
  r12: 12,
  r13: 13,
  r14: 14,
  r15: 15,
} as const

export const registerNames: readonly string[] = Object.keys(registers)

/** Condition codes of jumps and conditional moves; `below` and `above` are unsigned, the others signed. */
export const conditions = {
  below: 0x2,
  notBelow: 0x3,
  equal: 0x4,
  notEqual: 0x5,
  above: 0x7,
  less: 0xc,
  notLess: 0xd,
  notGreater: 0xe,
  greater: 0xf,
} as const
export type Condition = keyof typeof conditions

/** Two-operand arithmetic: the extension for immediates; the opcode `target op= source` is 8 * extension + 3. */
const arithmetic = { add: 0, or: 1, and: 4, sub: 5, xor: 6, cmp: 7 } as const
export type Arithmetic = keyof typeof arithmetic

const fitsByte = (value: number): boolean => value >= -128 && value <= 127

export class GeneralEncoder {
  readonly #encoder: Encoder

  constructor(encoder: Encoder) {
    this.#encoder = encoder
  }

  get #code(): Encoder['code'] {
    return this.#encoder.code
  }

  move(target: number, source: number): void {
    this.#registers(0x8b, target, source)
  }
  /** Sign-extends to 64 bits. */
  moveImmediate(target: number, value: number): void {
    if (value === 0) {
      this.#short(0x31, target, target)
    } else if (value > 0) {
      if (target > 7) this.#code.byte(0x41)
      this.#code.byte(0xb8 | (target & 7))
      this.#code.int32(value)
    } else {
      this.#code.byte(0x48 | (target >> 3))
      this.#code.byte(0xc7)
      this.#code.byte(0xc0 | (target & 7))
      this.#code.int32(value)
    }
  }
  moveImmediate64(target: number, value: bigint): void {
    this.#code.byte(0x48 | (target >> 3))
    this.#code.byte(0xb8 | (target & 7))
    this.#code.int64(value)
  }
  load(target: number, from: MemoryOperand): void {
    this.#memory(0x8b, target, from)
  }
  load32(target: number, from: MemoryOperand): void {
    this.#memory(0x8b, target, from, 0, false)
  }
  /** A signed 32-bit integer from memory. */
  loadSigned32(target: number, from: MemoryOperand): void {
    this.#memory(0x63, target, from)
  }
  store(source: number, to: MemoryOperand): void {
    this.#memory(0x89, source, to)
  }
  store32(source: number, to: MemoryOperand): void {
    this.#memory(0x89, source, to, 0, false)
  }
  /** prefetcht0, prefetcht1 or prefetchw. */
  prefetch(purpose: PrefetchPurpose, of: MemoryOperand): void {
    const rex = rexOf(0, of, false)
    if (rex !== 0x40) this.#code.byte(rex)
    this.#code.bytes([0x0f, purpose === 'write' ? 0x0d : 0x18])
    this.#encoder.modRm(purpose === 'readLater' ? 2 : 1, of, 1, 0)
  }
  /** The address itself. */
  address(target: number, of: MemoryOperand): void {
    this.#memory(0x8d, target, of)
  }
  push(register: number): void {
    if (register > 7) this.#code.byte(0x41)
    this.#code.byte(0x50 | (register & 7))
  }
  pop(register: number): void {
    if (register > 7) this.#code.byte(0x41)
    this.#code.byte(0x58 | (register & 7))
  }

  arithmetic(op: Arithmetic, target: number, source: number): void {
    this.#registers(8 * arithmetic[op] + 3, target, source)
  }
  arithmeticMemory(op: Arithmetic, target: number, source: MemoryOperand): void {
    this.#memory(8 * arithmetic[op] + 3, target, source)
  }
  arithmeticImmediate(op: Arithmetic, target: number, value: number): void {
    this.#code.byte(0x48 | (target >> 3))
    this.#code.byte(fitsByte(value) ? 0x83 : 0x81)
    this.#code.byte(0xc0 | (arithmetic[op] << 3) | (target & 7))
    this.#immediate(value)
  }
  /** On a 32-bit word of memory. */
  arithmeticMemoryImmediate32(op: Arithmetic, target: MemoryOperand, value: number): void {
    const trailing = fitsByte(value) ? 1 : 4
    this.#memory(trailing === 1 ? 0x83 : 0x81, arithmetic[op], target, trailing, false)
    this.#immediate(value)
  }
  compare32(a: number, b: MemoryOperand): void {
    this.#memory(0x3b, a, b, 0, false)
  }
  test(a: number, b: number): void {
    this.#registers(0x85, b, a)
  }
  /** target *= source */
  multiply(target: number, source: number): void {
    this.#prefixed(0xaf, target, source)
  }
  multiplyMemory(target: number, source: MemoryOperand): void {
    const rex = rexOf(target, source, true)
    this.#code.bytes([rex, 0x0f, 0xaf])
    this.#encoder.modRm(target, source, 1, 0)
  }
  /** target = source * value */
  multiplyImmediate(target: number, source: number, value: number): void {
    this.#registers(fitsByte(value) ? 0x6b : 0x69, target, source)
    this.#immediate(value)
  }
  negate(target: number): void {
    this.#registers(0xf7, 3, target)
  }
  /** rdx:rax = rax * source, unsigned. */
  multiplyWide(source: number): void {
    this.#registers(0xf7, 4, source)
  }
  /** rax = rdx:rax / source, rdx = the rest, unsigned. */
  divideWide(source: number): void {
    this.#registers(0xf7, 6, source)
  }
  shiftLeft(target: number, bits: number): void {
    this.#registers(0xc1, 4, target)
    this.#code.byte(bits)
  }
  shiftRight(target: number, bits: number): void {
    this.#registers(0xc1, 5, target)
    this.#code.byte(bits)
  }
  moveIf(condition: Condition, target: number, source: number): void {
    this.#prefixed(0x40 | conditions[condition], target, source)
  }

  jump(to: Label): void {
    const back = this.#backDistance(to, 2)
    if (back !== undefined) {
      this.#code.bytes([0xeb, back])
    } else {
      this.#code.byte(0xe9)
      this.#code.labelDisplacement(to)
    }
  }
  jumpIf(condition: Condition, to: Label): void {
    const back = this.#backDistance(to, 2)
    if (back !== undefined) {
      this.#code.bytes([0x70 | conditions[condition], back])
    } else {
      this.#code.bytes([0x0f, 0x80 | conditions[condition]])
      this.#code.labelDisplacement(to)
    }
  }
  call(to: Label): void {
    this.#code.byte(0xe8)
    this.#code.labelDisplacement(to)
  }
  callMemory(target: MemoryOperand): void {
    this.#memory(0xff, 2, target, 0, false)
  }
  return(): void {
    this.#code.byte(0xc3)
  }

  /** Atomically adds `source` to a 32-bit word; `source` becomes the word's earlier value. */
  exchangeAdd32(source: number, word: MemoryOperand): void {
    this.#code.byte(0xf0)
    const rex = rexOf(source, word, false)
    if (rex !== 0x40) this.#code.byte(rex)
    this.#code.bytes([0x0f, 0xc1])
    this.#encoder.modRm(source, word, 1, 0)
  }
  /** Atomically adds 1 to, or takes 1 from, a 32-bit word. */
  increment32(word: MemoryOperand): void {
    this.#code.byte(0xf0)
    this.#memory(0xff, 0, word, 0, false)
  }
  decrement32(word: MemoryOperand): void {
    this.#code.byte(0xf0)
    this.#memory(0xff, 1, word, 0, false)
  }
  pause(): void {
    this.#code.bytes([0xf3, 0x90])
  }
  syscall(): void {
    this.#code.bytes([0x0f, 0x05])
  }
  loadFence(): void {
    this.#code.bytes([0x0f, 0xae, 0xe8])
  }
  /** edx:eax = the time-stamp counter. */
  readTimeStamp(): void {
    this.#code.bytes([0x0f, 0x31])
  }
  cpuid(): void {
    this.#code.bytes([0x0f, 0xa2])
  }
  xgetbv(): void {
    this.#code.bytes([0x0f, 0x01, 0xd0])
  }

  #immediate(value: number): void {
    if (fitsByte(value)) this.#code.byte(value)
    else this.#code.int32(value)
  }

  #backDistance(to: Label, size: number): number | undefined {
    const position = this.#code.positionOf(to)
    const distance = position - (this.#code.length + size)
    return position >= 0 && distance >= -128 ? distance & 255 : undefined
  }

  #registers(opcode: number, reg: number, rm: number): void {
    this.#code.byte(0x48 | ((reg >> 3) << 2) | (rm >> 3))
    this.#code.byte(opcode)
    this.#code.byte(0xc0 | ((reg & 7) << 3) | (rm & 7))
  }
  #prefixed(opcode: number, reg: number, rm: number): void {
    this.#code.byte(0x48 | ((reg >> 3) << 2) | (rm >> 3))
    this.#code.bytes([0x0f, opcode])
    this.#code.byte(0xc0 | ((reg & 7) << 3) | (rm & 7))
  }
  /** The 32-bit form: the upper half of the target becomes zero. */
  #short(opcode: number, reg: number, rm: number): void {
    const rex = 0x40 | ((reg >> 3) << 2) | (rm >> 3)
    if (rex !== 0x40) this.#code.byte(rex)
    this.#code.byte(opcode)
    this.#code.byte(0xc0 | ((reg & 7) << 3) | (rm & 7))
  }
  #memory(opcode: number, reg: number, memory: MemoryOperand, trailing = 0, wide = true): void {
    const rex = rexOf(reg, memory, wide)
    if (rex !== 0x40) this.#code.byte(rex)
    this.#code.byte(opcode)
    this.#encoder.modRm(reg, memory, 1, trailing)
  }
}

function rexOf(reg: number, memory: MemoryOperand, wide: boolean): number {
  const inPool = memory.pool >= 0
  const x = !inPool && memory.index > 7 ? 2 : 0
  const b = !inPool && memory.base > 7 ? 1 : 0
  return 0x40 | (wide ? 8 : 0) | (reg > 7 ? 4 : 0) | x | b
}
