/** A kernel becomes machine code: selection, register allocation, bytes. */
import type { Kernel } from '../../kernel/kernel.ts'
import { allocate, type RegisterFile } from './allocate.ts'
import type { VectorFeatures } from './constants.ts'
import { Emitter } from './emit.ts'
import { Encoder } from './encoder.ts'
import { registers } from './general.ts'
import type { Instruction, VirtualRegisters } from './instruction.ts'
import type { NormalKernel } from './normalize.ts'
import { select } from './select.ts'
import { splitConstants } from './splitConstants.ts'
import { Frame, SpillRewriter, type SpillCounts } from './spill.ts'

export interface CompiledKernel {
  readonly name: string
  /** Code and, behind it, constants; to be placed at a multiple of 64 bytes. Position independent. */
  readonly bytes: Uint8Array
  /** Bytes of code alone. */
  readonly codeBytes: number
  /** Values that live on the stack because no register was free. */
  readonly spills: Readonly<SpillCounts>
}

/** Which instructions became which bytes, for listings. */
export interface Trace {
  readonly normal: NormalKernel
  readonly registers: VirtualRegisters
  readonly physical: Int8Array
  readonly instructions: readonly Instruction[]
  /** By instruction: offset of its first byte; and where the last one ends. */
  readonly starts: readonly number[]
}

const { rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15 } = registers
/** Registers that need no saving come first. */
const general = [rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15]
const withoutDividend = general.filter((register) => register !== rax && register !== rdx)
const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k)
const vectors16 = count(0, 16)
const vectors32 = count(0, 32)
/** k0 as a write mask means "no mask". */
const masks = count(1, 8)

/** Each round places at least one more value on the stack; kernels need two or three. */
const mostRounds = 100

/**
 * Generates the code of a kernel: `kernel(rdi unitBegin, rsi unitEnd, rdx table of buffer addresses, rcx scratch)`, System V
 * calling convention. Throws where the kernel's lanes are not the target's.
 */
export function compileKernel(kernel: Kernel, features: VectorFeatures): CompiledKernel {
  return compileTraced(kernel, features).compiled
}

export function compileTraced(kernel: Kernel, features: VectorFeatures): { compiled: CompiledKernel; trace: Trace } {
  const encoder = new Encoder()
  const selected = select(kernel, features, encoder)
  const file: RegisterFile = {
    general: selected.divides ? withoutDividend : general,
    vector: features.avx512 ? vectors32 : vectors16,
    mask: masks,
  }
  const frame = new Frame(features)
  let instructions = selected.instructions
  const rewriter = new SpillRewriter(selected.registers, features, encoder.code, selected.table, frame)
  let allocation = allocate(instructions, selected.registers, file)
  if (allocation.spilled.some((register) => isVectorValue(selected.registers, register))) {
    const split = splitConstants(instructions, selected.registers, features, encoder.code, selected.table)
    instructions = rewriter.rewrite(split.instructions, split.remade)
    allocation = allocate(instructions, selected.registers, file)
  }
  for (let round = 0; allocation.spilled.length > 0; round++) {
    if (round === mostRounds)
      throw new Error(`kernel ${kernel.name}: no register allocation after ${mostRounds} rounds`)
    instructions = rewriter.rewrite(instructions, allocation.spilled)
    allocation = allocate(instructions, selected.registers, file)
  }
  const { physical } = allocation
  const emitter = new Emitter(encoder, features, physical, usedGeneral(selected.registers.classes, physical), frame)
  const starts: number[] = []
  emitter.prologue()
  for (const each of instructions) {
    starts.push(encoder.code.length)
    emitter.emit(each)
  }
  starts.push(encoder.code.length)
  emitter.epilogue()
  const { bytes, codeBytes } = encoder.code.finish()
  const trace: Trace = { normal: selected.normal, registers: selected.registers, physical, instructions, starts }
  return { compiled: { name: kernel.name, bytes, codeBytes, spills: frame.spills }, trace }
}

/** One that is stored and loaded, not made again, where it has no register. */
function isVectorValue({ classes, origins }: VirtualRegisters, register: number): boolean {
  return classes[register] === 'vector' && origins[register] === undefined
}

function usedGeneral(classes: readonly string[], physical: Int8Array): Set<number> {
  const used = new Set<number>()
  classes.forEach((registerClass, register) => {
    if (registerClass === 'general' && physical[register]! >= 0) used.add(physical[register]!)
  })
  return used
}
