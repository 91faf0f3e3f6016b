/**
 * Gives vector constants a register of their own in each innermost loop that reads them, made in front of the loop. A
 * constant that is made once at the head of a kernel holds its register everywhere, also where other values then have
 * none; elsewhere it is made, or read from memory, where it is used.
 */
import type { CodeBuffer } from './codeBuffer.ts'
import { making, type VectorFeatures } from './constants.ts'
import { instruction, type Instruction, type VirtualRegister, type VirtualRegisters } from './instruction.ts'

interface Split {
  readonly instructions: Instruction[]
  /** Constants outside innermost loops: to be made where they are used. */
  readonly remade: readonly VirtualRegister[]
}

export function splitConstants(
  instructions: readonly Instruction[],
  registers: VirtualRegisters,
  features: VectorFeatures,
  code: CodeBuffer,
  table: VirtualRegister,
): Split {
  const isConstant = (register: VirtualRegister): boolean =>
    register >= 0 && registers.classes[register] === 'vector' && registers.origins[register] !== undefined
  const out: Instruction[] = []
  const remade = new Set<VirtualRegister>()
  for (let at = 0; at < instructions.length; at++) {
    const each = instructions[at]!
    const end = endOfInnermost(instructions, at)
    if (isConstant(each.target)) remade.add(each.target)
    if (end < 0) {
      out.push(each)
      continue
    }
    const copies = new Map<VirtualRegister, VirtualRegister>()
    const body = instructions.slice(at, end + 1)
    const copyOf = (register: VirtualRegister): VirtualRegister => {
      if (!isConstant(register)) return register
      const copy = copies.get(register) ?? registers.create('vector', registers.origins[register]!)
      copies.set(register, copy)
      return copy
    }
    for (const inside of body) {
      inside.a = copyOf(inside.a)
      inside.b = copyOf(inside.b)
      inside.c = copyOf(inside.c)
    }
    for (const [register, copy] of copies) {
      const { kind, fields } = making(registers.origins[register]!, features, code, table)
      out.push(instruction(kind, { ...fields, target: copy }, each.statement, each.depth))
    }
    out.push(...body)
    at = end
  }
  return { instructions: out, remade: [...remade] }
}

/** Where a loop ends that begins at `at` and holds no other; -1 elsewhere. */
function endOfInnermost(instructions: readonly Instruction[], at: number): number {
  if (instructions[at]!.kind !== 'loop') return -1
  let next = at + 1
  while (instructions[next]!.kind !== 'loop' && instructions[next]!.kind !== 'endLoop') next++
  return instructions[next]!.kind === 'endLoop' ? next : -1
}
