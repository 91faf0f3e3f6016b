/** Rewrites instructions whose operands found no register: memory operands where there is room for one, else loads and stores. */
import type { CodeBuffer } from './codeBuffer.ts'
import { making, operandOf, type VectorFeatures } from './constants.ts'
import {
  instruction,
  slotMemory,
  type Instruction,
  type InstructionFields,
  type InstructionKind,
  type MemoryPlace,
  type RegisterClass,
  type VirtualMemory,
  type VirtualRegister,
  type VirtualRegisters,
} from './instruction.ts'
import { vectorRows } from './vectorRows.ts'

/** How many values of each class live on the stack. */
export type SpillCounts = Record<RegisterClass, number>

/** The stack frame: vectors first, as they need the alignment. */
export class Frame {
  readonly spills: SpillCounts = { general: 0, vector: 0, mask: 0 }
  readonly #slots = new Map<VirtualRegister, number>()
  readonly #vectorBytes: number
  readonly #words = new Map<VirtualRegister, number>()

  constructor(features: VectorFeatures) {
    this.#vectorBytes = features.avx512 ? 64 : 32
  }

  add(register: VirtualRegister, registerClass: RegisterClass): void {
    if (registerClass === 'vector') this.#slots.set(register, this.spills.vector)
    else this.#words.set(register, this.spills.general + this.spills.mask)
    this.spills[registerClass]++
  }

  /** Vectors lie at positive offsets from the frame, words below it: both can grow until the code is emitted. */
  memory(register: VirtualRegister): VirtualMemory {
    const vector = this.#slots.get(register)
    if (vector !== undefined) return slotMemory(vector * this.#vectorBytes)
    return slotMemory(wordSlots + 8 * this.#words.get(register)!)
  }

  get vectorBytes(): number {
    return this.spills.vector * this.#vectorBytes
  }
  get wordBytes(): number {
    return 8 * (this.spills.general + this.spills.mask)
  }
}

/** Slots from here on are words; the emitter places them behind the vectors. */
export const wordSlots = 2 ** 30

const storeKinds = { general: 'storeGeneral', vector: 'store', mask: 'storeMask' } as const
const loadKinds = { general: 'loadGeneral', vector: 'unary', mask: 'loadMask' } as const

export class SpillRewriter {
  readonly #registers: VirtualRegisters
  readonly #features: VectorFeatures
  readonly #code: CodeBuffer
  readonly #table: VirtualRegister
  readonly #frame: Frame
  #spilled = new Set<VirtualRegister>()
  #out: Instruction[] = []
  /** For the instruction at hand: the temporary that stands for a spilled register. */
  readonly #temporaries = new Map<VirtualRegister, VirtualRegister>()

  constructor(
    registers: VirtualRegisters,
    features: VectorFeatures,
    code: CodeBuffer,
    table: VirtualRegister,
    frame: Frame,
  ) {
    this.#registers = registers
    this.#features = features
    this.#code = code
    this.#table = table
    this.#frame = frame
  }

  rewrite(instructions: readonly Instruction[], spilled: readonly VirtualRegister[]): Instruction[] {
    this.#spilled = new Set(spilled)
    this.#out = []
    for (const register of spilled) {
      if (!this.#registers.origins[register]) this.#frame.add(register, this.#registers.classes[register]!)
    }
    for (const each of instructions) this.#instruction(each)
    return this.#out
  }

  #instruction(each: Instruction): void {
    const { target } = each
    const targetSpilled = this.#spilled.has(target)
    // A constant's own definition: it is made where it is used instead.
    if (targetSpilled && this.#registers.origins[target]) return
    this.#foldOperand(each)
    this.#temporaries.clear()
    each.a = this.#reloaded(each.a, each)
    each.b = this.#reloaded(each.b, each)
    each.c = this.#reloaded(each.c, each)
    if (each.memory) {
      const { base, index } = each.memory
      if (this.#spilled.has(base) || this.#spilled.has(index)) {
        each.memory = { ...each.memory, base: this.#reloaded(base, each), index: this.#reloaded(index, each) }
      }
    }
    if (!targetSpilled) {
      this.#out.push(each)
      return
    }
    const temporary = this.#temporaries.get(target) ?? this.#temporary(target)
    each.target = temporary
    this.#out.push(each)
    const kind = storeKinds[this.#registers.classes[target]!]
    this.#push(kind, each, { row: vectorRows.store, a: temporary, memory: this.#frame.memory(target) })
  }

  /** Uses one spilled operand straight from memory, if the instruction has a place for it. */
  #foldOperand(each: Instruction): void {
    if (each.memory) return
    for (const place of places(each)) {
      const register = each[place]
      if (!this.#spilled.has(register) || register === each.target) continue
      const memory = this.#operand(register, each)
      if (!memory) continue
      each.memory = memory
      if (place === 'a') each.a = each.b
      each.memoryPlace = place === 'c' ? 'c' : 'b'
      each[place === 'c' ? 'c' : 'b'] = -1
      return
    }
  }

  #operand(register: VirtualRegister, { row }: Instruction): VirtualMemory | undefined {
    const origin = this.#registers.origins[register]
    return origin ? operandOf(origin, row, this.#features, this.#code) : this.#frame.memory(register)
  }

  #reloaded(register: VirtualRegister, each: Instruction): VirtualRegister {
    if (register < 0 || !this.#spilled.has(register)) return register
    const known = this.#temporaries.get(register)
    if (known !== undefined) return known
    const temporary = this.#temporary(register)
    const origin = this.#registers.origins[register]
    if (origin) {
      const { kind, fields } = making(origin, this.#features, this.#code, this.#table)
      // The table itself may have no register; it is never made from something else.
      const memory =
        fields.memory && this.#spilled.has(fields.memory.base)
          ? { ...fields.memory, base: this.#reloaded(fields.memory.base, each) }
          : fields.memory
      this.#push(kind, each, { ...fields, memory, target: temporary })
    } else {
      const kind = loadKinds[this.#registers.classes[register]!]
      this.#push(kind, each, { row: vectorRows.load, target: temporary, memory: this.#frame.memory(register) })
    }
    return temporary
  }

  #temporary(register: VirtualRegister): VirtualRegister {
    const temporary = this.#registers.create(this.#registers.classes[register]!, undefined, true)
    this.#temporaries.set(register, temporary)
    return temporary
  }

  #push(kind: InstructionKind, { statement, depth }: Instruction, fields: InstructionFields): void {
    const length = this.#features.avx512 ? 2 : 1
    this.#out.push(instruction(kind, { length, ...fields }, statement, depth))
  }
}

/** The operands that may be memory, best first. */
function places({ kind, row, a, b }: Instruction): readonly ('a' | MemoryPlace)[] {
  switch (kind) {
    case 'binary':
      return row.commutes && a !== b ? ['b', 'a'] : ['b']
    case 'multiplyAdd':
      return a === b ? ['c'] : ['b', 'a', 'c']
    case 'unary':
    case 'accumulate':
    case 'blend':
    case 'splat':
    case 'intAdd':
    case 'intSub':
    case 'intMul':
    case 'loop':
    case 'endLoop':
      return ['b']
    default:
      return []
  }
}
