/** Values that can be made anywhere: how to load them into a register, and as what memory operand to use them. */
import type { CodeBuffer, PoolEntry } from './codeBuffer.ts'
import {
  poolMemory,
  virtualMemory,
  type InstructionFields,
  type InstructionKind,
  type Origin,
  type RegisterClass,
  type VirtualMemory,
  type VirtualRegister,
} from './instruction.ts'
import { vectorRows, type VectorRow } from './vectorRows.ts'

export interface VectorFeatures {
  /** 512-bit registers and mask registers (AVX-512 F, VL, DQ and BW); otherwise AVX2 with FMA. */
  readonly avx512: boolean
  /** Products of pairs of bf16 numbers (AVX512_BF16); false unless told. */
  readonly bf16?: boolean
}

export function lanesOf(features: VectorFeatures): 16 | 8 {
  return features.avx512 ? 16 : 8
}

export interface Making {
  readonly kind: InstructionKind
  readonly fields: InstructionFields
}

export function classOf(origin: Origin, { avx512 }: VectorFeatures): RegisterClass {
  switch (origin.kind) {
    case 'integer':
    case 'pointer':
      return 'general'
    case 'tail':
    case 'oddLanes':
      return avx512 ? 'mask' : 'vector'
    default:
      return 'vector'
  }
}

/** One text per value, so that equal constants share a register. */
export function keyOf(origin: Origin): string {
  switch (origin.kind) {
    case 'bits':
      return `bits ${origin.bits}`
    case 'tail':
      return `tail ${origin.lanes}`
    case 'integer':
      return `integer ${origin.value}`
    case 'pointer':
      return `pointer ${origin.index}`
    default:
      return origin.kind
  }
}

/** The instruction, but for its target, that puts the value into a register. `table` holds the buffer addresses. */
export function making(origin: Origin, features: VectorFeatures, code: CodeBuffer, table: VirtualRegister): Making {
  const length = features.avx512 ? 2 : 1
  switch (origin.kind) {
    case 'integer':
      return { kind: 'integer', fields: { immediate: origin.value } }
    case 'pointer':
      return { kind: 'loadGeneral', fields: { memory: virtualMemory(table, 8 * origin.index) } }
    case 'tail':
    case 'oddLanes':
      if (!features.avx512) break
      return { kind: 'loadMask', fields: { memory: poolMemory(maskEntry(code, origin), false) } }
    case 'bits':
      if (origin.bits === 0) return { kind: 'zero', fields: {} }
      if (!features.avx512) break
      return {
        kind: 'unary',
        fields: { row: vectorRows.broadcast, length, memory: poolMemory(elementEntry(code, origin.bits), false) },
      }
    case 'laneIndex':
    case 'interleave':
      break
  }
  return {
    kind: 'unary',
    fields: { row: vectorRows.load, length, memory: poolMemory(vectorEntry(code, origin, features), false) },
  }
}

/** The value as a memory operand of a vector instruction, where it has that form. */
export function operandOf(
  origin: Origin,
  row: VectorRow,
  features: VectorFeatures,
  code: CodeBuffer,
): VirtualMemory | undefined {
  if (origin.kind === 'laneIndex') return poolMemory(vectorEntry(code, origin, features), false)
  if (origin.kind !== 'bits') return undefined
  // Instructions on 64-bit elements would copy 64 bits.
  const broadcast = features.avx512 && row.w === 0
  const entry = broadcast ? elementEntry(code, origin.bits) : vectorEntry(code, origin, features)
  return poolMemory(entry, broadcast)
}

function elementEntry(code: CodeBuffer, bits: number): PoolEntry {
  return code.pool(`element ${bits}`, () => new Uint8Array(Int32Array.of(bits).buffer))
}

function vectorEntry(code: CodeBuffer, origin: Origin, features: VectorFeatures): PoolEntry {
  return code.pool(`vector ${keyOf(origin)}`, () => {
    const values = Int32Array.from({ length: lanesOf(features) }, (_, lane) => laneOf(origin, lane))
    return new Uint8Array(values.buffer)
  })
}

function maskEntry(code: CodeBuffer, origin: Origin): PoolEntry {
  return code.pool(`mask ${keyOf(origin)}`, () => {
    let bits = 0
    for (let lane = 0; lane < 16; lane++) bits |= laneOf(origin, lane) & (1 << lane)
    return new Uint8Array(Uint16Array.of(bits).buffer)
  })
}

function laneOf(origin: Origin, lane: number): number {
  switch (origin.kind) {
    case 'bits':
      return origin.bits
    case 'laneIndex':
      return lane
    case 'interleave':
      return lane | ((lane + 16) << 16)
    case 'tail':
      return lane < origin.lanes ? -1 : 0
    case 'oddLanes':
      return lane % 2 === 1 ? -1 : 0
    default:
      throw new Error(`an int has no lanes (${origin.kind})`)
  }
}
