/** Linear scan register allocation (Poletto and Sarkar, "Linear Scan Register Allocation", 1999) for three classes. */
import type { Instruction, RegisterClass, VirtualRegister, VirtualRegisters } from './instruction.ts'
import { findIntervals, type Intervals } from './liveness.ts'

/** The physical registers of each class, most wanted first. */
export type RegisterFile = { readonly [C in RegisterClass]: readonly number[] }

export interface Allocation {
  /** By virtual register: the physical one, or -1. */
  readonly physical: Int8Array
  /** Those that found no place. */
  readonly spilled: readonly VirtualRegister[]
}

export function allocate(
  instructions: readonly Instruction[],
  registers: VirtualRegisters,
  file: RegisterFile,
): Allocation {
  const intervals = findIntervals(instructions, registers)
  const physical = new Int8Array(registers.classes.length).fill(-1)
  const spilled: VirtualRegister[] = []
  const parameters = new Map<VirtualRegister, number>()
  for (const { kind, target, immediate, statement } of instructions) {
    if (statement >= 0) break
    if (kind === 'parameter') parameters.set(target, immediate)
  }
  const banks = {
    general: new Bank(file.general, intervals, physical, spilled),
    vector: new Bank(file.vector, intervals, physical, spilled),
    mask: new Bank(file.mask, intervals, physical, spilled),
  }
  for (const register of intervals.order) {
    const hint = intervals.hint[register]!
    const wanted = parameters.get(register) ?? (hint < 0 ? -1 : physical[hint]!)
    const sameClass = hint < 0 || registers.classes[hint] === registers.classes[register]
    banks[registers.classes[register]!].place(register, sameClass ? wanted : -1)
  }
  return { physical, spilled }
}

/** The physical registers of one class during the scan. */
class Bank {
  readonly #file: readonly number[]
  readonly #intervals: Intervals
  readonly #physical: Int8Array
  readonly #spilled: VirtualRegister[]
  /** By place in the file: who holds it, or held it last. */
  readonly #holders: Int32Array

  constructor(file: readonly number[], intervals: Intervals, physical: Int8Array, spilled: VirtualRegister[]) {
    this.#file = file
    this.#intervals = intervals
    this.#physical = physical
    this.#spilled = spilled
    this.#holders = new Int32Array(file.length).fill(-1)
  }

  place(register: VirtualRegister, wanted: number): void {
    const start = this.#intervals.start[register]!
    let free = -1
    for (let k = 0; k < this.#file.length; k++) {
      const holder = this.#holders[k]!
      if (holder >= 0 && this.#intervals.end[holder]! >= start) continue
      if (free < 0) free = k
      if (this.#file[k] === wanted) {
        free = k
        break
      }
    }
    if (free >= 0) this.#give(free, register)
    else this.#displace(register)
  }

  /**
   * Whoever is used least for the time that it would hold a register gets none: the newcomer or one that has one; of equals,
   * who would hold it longest. Counting uses alone, what many loops read from memory at no cost would drive out what is used
   * twice within a few instructions.
   */
  #displace(register: VirtualRegister): void {
    const { weight, start, end } = this.#intervals
    const density = (holder: VirtualRegister): number => weight[holder]! / (end[holder]! - start[holder]!)
    let place = -1
    let least = register
    for (let k = 0; k < this.#file.length; k++) {
      const holder = this.#holders[k]!
      const [found, lowest] = [density(holder), density(least)]
      if (found < lowest || (found === lowest && end[holder]! > end[least]!)) {
        least = holder
        place = k
      }
    }
    if (weight[least] === Infinity) throw new Error('one instruction needs more registers than there are')
    this.#spilled.push(least)
    if (place < 0) return
    this.#physical[least] = -1
    this.#give(place, register)
  }

  #give(place: number, register: VirtualRegister): void {
    this.#holders[place] = register
    this.#physical[register] = this.#file[place]!
  }
}
