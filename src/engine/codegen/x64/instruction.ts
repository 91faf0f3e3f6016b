/** Machine instructions over virtual registers: what instruction selection makes and register allocation works on. */
import type { PrefetchPurpose } from '../../kernel/kernel.ts'
import type { PoolEntry } from './codeBuffer.ts'
import type { VectorLength } from './encoder.ts'
import { vectorRows, type VectorRow } from './vectorRows.ts'

export type RegisterClass = 'general' | 'vector' | 'mask'

/** Where a value that need not be kept can be had again. */
export type Origin =
  /** The same 32 bits in every lane. */
  | { readonly kind: 'bits'; readonly bits: number }
  /** 0, 1, 2 … */
  | { readonly kind: 'laneIndex' }
  /** Numbers of 16-bit words: 0, 16, 1, 17 … which alternate those of a vector's halves. */
  | { readonly kind: 'interleave' }
  /** The first `lanes` lanes are on. */
  | { readonly kind: 'tail'; readonly lanes: number }
  /** The odd lanes are on. */
  | { readonly kind: 'oddLanes' }
  | { readonly kind: 'integer'; readonly value: number }
  /** Entry of the table of buffer addresses. */
  | { readonly kind: 'pointer'; readonly index: number }

/** Index into `VirtualRegisters`; negative: none. */
export type VirtualRegister = number

export class VirtualRegisters {
  readonly classes: RegisterClass[] = []
  readonly origins: (Origin | undefined)[] = []
  /** Made to hold a value for one instruction: must not be spilled again. */
  readonly temporary: boolean[] = []

  create(registerClass: RegisterClass, origin?: Origin, temporary = false): VirtualRegister {
    this.origins.push(origin)
    this.temporary.push(temporary)
    return this.classes.push(registerClass) - 1
  }
}

export interface VirtualMemory {
  readonly base: VirtualRegister
  readonly index: VirtualRegister
  readonly scale: 1 | 2 | 4 | 8
  readonly displacement: number
  /** A constant instead of an address; negative: none. */
  readonly pool: PoolEntry
  /** A stack slot instead of an address; negative: none. */
  readonly slot: number
  /** One element for all lanes. */
  readonly broadcast: boolean
}

export type InstructionKind =
  // vectors; "b" may be memory
  | 'binary' // target = row(a, b)
  | 'unary' // target = row(b)
  | 'shift' // target = row(a, immediate)
  | 'multiplyAdd' // target = a * b + c; b or c may be memory
  | 'accumulate' // target = c + row(a, b), where c is the target's own register
  | 'blend' // target = c ? b : a
  | 'extract' // target = row(a, immediate)
  | 'loadMasked' // target = memory where c
  | 'store' // memory = a
  | 'storeMasked' // memory = a where c
  | 'zero' // target = 0
  | 'moveVector' // target = a
  | 'splat' // target = general register b in every lane
  // masks
  | 'moveMask'
  | 'loadMask'
  | 'storeMask'
  // general
  | 'parameter' // target = the physical register `immediate`
  | 'move'
  | 'integer' // target = immediate
  | 'loadGeneral'
  | 'storeGeneral'
  | 'loadInt'
  | 'prefetch' // the line at memory, for purpose number `immediate` of `prefetchPurposes`
  | 'intAdd'
  | 'intSub'
  | 'intMul'
  | 'intMin'
  | 'intMax'
  | 'addImmediate'
  | 'mulImmediate'
  | 'divide'
  | 'modulo'
  // loops; a is the index, b (or immediate) the bound
  | 'loop' // skips the loop unless a < b, and marks its head
  | 'endLoop' // jumps to the head if a < b, and marks the end

export const prefetchPurposes: readonly PrefetchPurpose[] = ['read', 'readLater', 'write']

export interface Loop {
  readonly id: number
  /** Whether the first test may fail. */
  readonly guarded: boolean
  /** Whether there may be a second turn. */
  readonly repeats: boolean
}

/** Which operand `memory` stands for. */
export type MemoryPlace = 'b' | 'c'

/** Fields that do not apply are -1 or 0. Operands are virtual registers. */
export interface Instruction {
  readonly kind: InstructionKind
  readonly row: VectorRow
  readonly length: VectorLength
  target: VirtualRegister
  a: VirtualRegister
  b: VirtualRegister
  c: VirtualRegister
  memory: VirtualMemory | undefined
  memoryPlace: MemoryPlace
  readonly immediate: number
  readonly loop: Loop | undefined
  /** Position of the kernel statement in a walk of the tree; -1: the prologue. */
  readonly statement: number
  /** Loops around it. */
  readonly depth: number
}

/** What tells one instruction from another of its kind; what is left out does not apply. */
export type InstructionFields = {
  readonly [K in keyof Omit<Instruction, 'kind' | 'statement' | 'depth'>]?: Instruction[K]
}

/** Every instruction is made here, with all fields in one order, so that the engine keeps one shape for them. */
export function instruction(kind: InstructionKind, fields: InstructionFields, statement = -1, depth = 0): Instruction {
  return {
    kind,
    row: fields.row ?? vectorRows.move,
    length: fields.length ?? 0,
    target: fields.target ?? -1,
    a: fields.a ?? -1,
    b: fields.b ?? -1,
    c: fields.c ?? -1,
    memory: fields.memory,
    memoryPlace: fields.memoryPlace ?? 'b',
    immediate: fields.immediate ?? 0,
    loop: fields.loop,
    statement,
    depth,
  }
}

export function virtualMemory(
  base: VirtualRegister,
  displacement: number,
  index: VirtualRegister = -1,
  scale: 1 | 2 | 4 | 8 = 1,
  broadcast = false,
): VirtualMemory {
  return { base, index, scale, displacement, pool: -1, slot: -1, broadcast }
}

export function poolMemory(pool: PoolEntry, broadcast: boolean): VirtualMemory {
  return { base: -1, index: -1, scale: 1, displacement: 0, pool, slot: -1, broadcast }
}

export function slotMemory(slot: number): VirtualMemory {
  return { base: -1, index: -1, scale: 1, displacement: 0, pool: -1, slot, broadcast: false }
}
