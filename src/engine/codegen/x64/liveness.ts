/** For each virtual register, from which instruction to which one it holds a value that is still needed. */
import type { Instruction, VirtualRegister, VirtualRegisters } from './instruction.ts'

/**
 * Instruction i reads at position 2i and writes at 2i + 1, so that a result may take the register of an operand that
 * ends there. Arrays are by virtual register.
 */
export interface Intervals {
  readonly start: Int32Array
  readonly end: Int32Array
  /** Uses and definitions, each counted 10^(loops around it). */
  readonly weight: Float64Array
  /** A register that would save a move, or -1. */
  readonly hint: Int32Array
  /** The registers in use, by start. */
  readonly order: readonly VirtualRegister[]
}

/** Constants and pointers cost one load or nothing when they have no register; others a store as well. */
const remakingWeight = 0.25
const weightPerLoop = 10

export function findIntervals(instructions: readonly Instruction[], registers: VirtualRegisters): Intervals {
  return new IntervalFinder(instructions, registers).run()
}

class IntervalFinder {
  readonly #instructions: readonly Instruction[]
  readonly #registers: VirtualRegisters
  readonly #start: Int32Array
  readonly #end: Int32Array
  readonly #weight: Float64Array
  readonly #hint: Int32Array
  readonly #order: VirtualRegister[] = []
  /** By virtual register: how many loops surround its first definition. */
  readonly #depth: Int32Array
  /** Ends of the loops around the instruction, outermost first. */
  readonly #loopEnds: number[] = []

  constructor(instructions: readonly Instruction[], registers: VirtualRegisters) {
    const count = registers.classes.length
    this.#instructions = instructions
    this.#registers = registers
    this.#start = new Int32Array(count).fill(-1)
    this.#end = new Int32Array(count).fill(-1)
    this.#weight = new Float64Array(count)
    this.#hint = new Int32Array(count).fill(-1)
    this.#depth = new Int32Array(count)
  }

  run(): Intervals {
    const endOfLoop = this.#matchLoops()
    for (let at = 0; at < this.#instructions.length; at++) {
      const instruction = this.#instructions[at]!
      const { a, b, c, memory, target, loop } = instruction
      const amount = weightPerLoop ** instruction.depth
      if (a >= 0) this.#use(a, at, amount)
      if (b >= 0) this.#use(b, at, amount)
      if (c >= 0) this.#use(c, at, amount)
      if (memory) {
        if (memory.base >= 0) this.#use(memory.base, at, amount)
        if (memory.index >= 0) this.#use(memory.index, at, amount)
      }
      if (target >= 0) this.#define(target, at, amount, instruction)
      if (loop && instruction.kind === 'loop') this.#loopEnds.push(endOfLoop[loop.id]!)
      else if (loop) this.#loopEnds.pop()
    }
    return { start: this.#start, end: this.#end, weight: this.#weight, hint: this.#hint, order: this.#order }
  }

  /** By loop: the position behind its last instruction. */
  #matchLoops(): number[] {
    const ends: number[] = []
    this.#instructions.forEach(({ kind, loop }, at) => {
      if (loop && kind === 'endLoop') ends[loop.id] = 2 * at + 1
    })
    return ends
  }

  #use(register: VirtualRegister, at: number, amount: number): void {
    if (this.#start[register]! < 0) throw new Error(`virtual register ${register} is read before it is written`)
    this.#extend(register, 2 * at)
    this.#weigh(register, amount)
  }

  #define(register: VirtualRegister, at: number, amount: number, { kind, a, b, c }: Instruction): void {
    if (this.#start[register]! < 0) {
      this.#start[register] = 2 * at + 1
      this.#end[register] = 2 * at + 1
      this.#depth[register] = this.#loopEnds.length
      this.#order.push(register)
      this.#hint[register] = kind === 'multiplyAdd' && c >= 0 ? c : a >= 0 ? a : b
    } else {
      this.#extend(register, 2 * at + 1)
    }
    this.#weigh(register, amount)
  }

  /** What is used in a loop that it was defined outside of lives to the end of that loop. */
  #extend(register: VirtualRegister, position: number): void {
    const depth = this.#depth[register]!
    const end = depth < this.#loopEnds.length ? this.#loopEnds[depth]! : position
    if (end > this.#end[register]!) this.#end[register] = end
  }

  #weigh(register: VirtualRegister, amount: number): void {
    const remakes = this.#registers.origins[register] !== undefined
    this.#weight[register] = this.#registers.temporary[register]
      ? Infinity
      : this.#weight[register]! + (remakes ? amount * remakingWeight : amount)
  }
}
