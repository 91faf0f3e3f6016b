/** The one place where x86-64 instructions become bytes: memory operands, VEX and EVEX vector instructions. */
import { CodeBuffer, type PoolEntry } from './codeBuffer.ts'
import type { VectorRow } from './vectorRows.ts'

/** 0: 128 bits, 1: 256, 2: 512. */
export type VectorLength = 0 | 1 | 2

/** `[base + index*scale + displacement]`, or a constant of the pool, addressed from the instruction pointer. */
export interface MemoryOperand {
  readonly base: number
  /** Negative: none. */
  readonly index: number
  readonly scale: 1 | 2 | 4 | 8
  readonly displacement: number
  /** Negative: none. Otherwise the rest is ignored. */
  readonly pool: PoolEntry
}

export function memoryAt(base: number, displacement = 0, index = -1, scale: 1 | 2 | 4 | 8 = 1): MemoryOperand {
  return { base, index, scale, displacement, pool: -1 }
}

export function memoryInPool(pool: PoolEntry): MemoryOperand {
  return { base: 0, index: -1, scale: 1, displacement: 0, pool }
}

/** What an instruction may have besides its operands. */
export interface VectorOptions {
  /** 8-bit immediate. */
  readonly immediate?: number
  /** Mask register k1 to k7; lanes that are off keep the target or, with `zeroing`, become zero. */
  readonly mask?: number
  readonly zeroing?: boolean
  /** The memory operand is one 32-bit element, copied to every lane. */
  readonly broadcast?: boolean
}

const none: VectorOptions = {}
const rsp = 4
const rbp = 5

function memoryBytes(row: VectorRow, length: VectorLength, broadcast: boolean): number {
  if (broadcast) return 4
  return row.memory === 'vector' ? 16 << length : row.memory
}

export class Encoder {
  readonly code = new CodeBuffer()

  /**
   * `row reg, second, third`. `second` is the VEX.vvvv operand: 0 where the instruction has none. Registers above 15, a
   * mask, and 512 bits need the EVEX form, which is used only then.
   */
  registers(row: VectorRow, length: VectorLength, reg: number, second: number, third: number, options = none): void {
    const evex = !row.vex || length === 2 || (reg | second | third) > 15 || options.mask !== undefined
    if (evex) {
      this.#evex(row, length, reg, second, (third >> 4) & 1, (third >> 3) & 1, options)
    } else {
      this.#vex(row, length, reg, second, 0, third >> 3)
    }
    this.code.byte(row.opcode)
    this.code.byte(0xc0 | ((reg & 7) << 3) | (third & 7))
    if (options.immediate !== undefined) this.code.byte(options.immediate)
  }

  /** `row reg, second, [memory]`; for stores `reg` is what is stored. */
  memory(
    row: VectorRow,
    length: VectorLength,
    reg: number,
    second: number,
    memory: MemoryOperand,
    options: VectorOptions = none,
  ): void {
    const { mask, broadcast = false, immediate } = options
    const evex = !row.vex || length === 2 || (reg | second) > 15 || mask !== undefined || broadcast
    const index = memory.pool < 0 && memory.index >= 0 ? memory.index : 0
    const base = memory.pool < 0 ? memory.base : 0
    if (evex) {
      this.#evex(row, length, reg, second, (index >> 3) & 1, (base >> 3) & 1, options)
    } else {
      this.#vex(row, length, reg, second, index >> 3, base >> 3)
    }
    this.code.byte(row.opcode)
    const unit = evex ? memoryBytes(row, length, broadcast) : 1
    this.modRm(reg, memory, unit, immediate === undefined ? 0 : 1)
    if (immediate !== undefined) this.code.byte(immediate)
  }

  /** ModRM, SIB and displacement. An 8-bit displacement counts in `unit` bytes; `trailing` bytes follow the operand. */
  modRm(reg: number, memory: MemoryOperand, unit: number, trailing: number): void {
    const { code } = this
    const field = (reg & 7) << 3
    if (memory.pool >= 0) {
      code.byte(field | 5)
      code.poolDisplacement(memory.pool, trailing)
      return
    }
    const { base, index, scale, displacement } = memory
    const short = displacement / unit
    const fits = Number.isInteger(short) && short >= -128 && short <= 127
    // A base of rbp or r13 without displacement would mean something else, so they carry a zero.
    const mode = displacement === 0 && (base & 7) !== rbp ? 0 : fits ? 0x40 : 0x80
    if (index >= 0) {
      if (index === rsp) throw new Error('rsp cannot be an index register')
      code.byte(mode | field | 4)
      code.byte((scaleBits(scale) << 6) | ((index & 7) << 3) | (base & 7))
    } else {
      code.byte(mode | field | (base & 7))
      if ((base & 7) === rsp) code.byte(0x24)
    }
    if (mode === 0x40) code.byte(short)
    else if (mode === 0x80) code.int32(displacement)
  }

  vzeroupper(): void {
    this.code.bytes([0xc5, 0xf8, 0x77])
  }

  #vex(row: VectorRow, length: VectorLength, reg: number, second: number, x: number, b: number): void {
    const { code } = this
    const last = ((~second & 15) << 3) | (length << 2) | row.prefix
    const notR = reg > 7 ? 0 : 0x80
    if (x === 0 && b === 0 && row.map === 1) {
      code.byte(0xc5)
      code.byte(notR | last)
    } else {
      code.byte(0xc4)
      code.byte(notR | (x ? 0 : 0x40) | (b ? 0 : 0x20) | row.map)
      code.byte(last)
    }
  }

  #evex(
    row: VectorRow,
    length: VectorLength,
    reg: number,
    second: number,
    x: number,
    b: number,
    { mask = 0, zeroing = false, broadcast = false }: VectorOptions,
  ): void {
    const { code } = this
    if (!row.evex) throw new Error(`${row.name} has no 512-bit form, and registers stop at 15`)
    code.byte(0x62)
    code.byte(((reg & 8) << 4) ^ 0x80 ^ (x ? 0 : 0x40) ^ (b ? 0 : 0x20) ^ ((reg & 16) ^ 16) ^ row.map)
    code.byte((row.w << 7) | ((~second & 15) << 3) | 4 | row.prefix)
    code.byte((zeroing ? 0x80 : 0) | (length << 5) | (broadcast ? 0x10 : 0) | (second & 16 ? 0 : 8) | mask)
  }
}

function scaleBits(scale: 1 | 2 | 4 | 8): number {
  return scale === 1 ? 0 : scale === 2 ? 1 : scale === 4 ? 2 : 3
}
