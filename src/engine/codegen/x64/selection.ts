/** The state of instruction selection for one kernel: registers of values, and the instructions so far. */
import type { Address, Kernel, Value } from '../../kernel/kernel.ts'
import { analyse, type KernelAnalysis } from './analysis.ts'
import { classOf, keyOf, lanesOf, making, type VectorFeatures } from './constants.ts'
import type { Encoder, VectorLength } from './encoder.ts'
import {
  instruction,
  virtualMemory,
  VirtualRegisters,
  type Instruction,
  type InstructionFields,
  type InstructionKind,
  type Origin,
  type RegisterClass,
  type VirtualMemory,
  type VirtualRegister,
} from './instruction.ts'
import type { NormalKernel } from './normalize.ts'

const floatBits = new Float32Array(1)
const intBits = new Int32Array(floatBits.buffer)

/** The 32 bits of an f32. */
export function bitsOf(value: number): number {
  floatBits[0] = value
  return intBits[0]!
}

export class Selection {
  readonly kernel: Kernel
  readonly features: VectorFeatures
  readonly length: VectorLength
  readonly registers = new VirtualRegisters()
  readonly body: Instruction[] = []
  readonly analysis: KernelAnalysis
  readonly table: VirtualRegister
  /** Where the next instruction belongs. */
  statement = -1
  depth = 0
  readonly #normal: NormalKernel
  readonly #encoder: Encoder
  readonly #byValue: Int32Array
  readonly #byOrigin = new Map<string, VirtualRegister>()
  /** By root value id: what a constant or a pointer is made from. */
  readonly #origins: (Origin | undefined)[]

  constructor(normal: NormalKernel, features: VectorFeatures, encoder: Encoder) {
    const { kernel } = normal
    if (kernel.lanes !== lanesOf(features)) {
      throw new Error(
        `kernel ${kernel.name} is built for ${kernel.lanes} lanes; this target has ${lanesOf(features)}: ` +
          `build it with the target of the machine that runs it`,
      )
    }
    this.kernel = kernel
    this.features = features
    this.length = features.avx512 ? 2 : 1
    this.analysis = analyse(normal, features.avx512)
    this.#normal = normal
    this.#encoder = encoder
    this.#byValue = new Int32Array(kernel.valueCount).fill(-1)
    this.#origins = Array.from({ length: kernel.valueCount }, () => undefined)
    this.table = this.registers.create('general')
    kernel.pointers.forEach((pointer, index) => this.setOrigin(pointer, { kind: 'pointer', index }))
  }

  emit(kind: InstructionKind, fields: InstructionFields): void {
    this.body.push(instruction(kind, fields, this.statement, this.depth))
  }

  /** From here on the value is made from `origin` where it is used. */
  setOrigin(value: Value, origin: Origin): void {
    this.#origins[value.id] = origin
  }
  originOf(value: Value): Origin | undefined {
    return this.#origins[this.#normal.root[value.id]!]
  }

  /** The register that holds a value that is read. */
  use(value: Value): VirtualRegister {
    const id = this.#normal.root[value.id]!
    const origin = this.#origins[id]
    if (origin) return this.constant(origin)
    const register = this.#byValue[this.#home(id)]!
    if (register < 0) throw new Error(`kernel ${this.kernel.name}: value ${value.id} is used before it is defined`)
    return register
  }

  /** The register that a statement writes. */
  define(value: Value): VirtualRegister {
    const home = this.#home(value.id)
    if (this.#byValue[home]! < 0) this.#byValue[home] = this.registers.create(this.classOfValue(value))
    return this.#byValue[home]!
  }

  constant(origin: Origin): VirtualRegister {
    const key = keyOf(origin)
    const known = this.#byOrigin.get(key)
    if (known !== undefined) return known
    const register = this.registers.create(classOf(origin, this.features), origin)
    this.#byOrigin.set(key, register)
    return register
  }

  /** Puts a constant into a register that is not its own. */
  make(origin: Origin, target: VirtualRegister): void {
    const { kind, fields } = making(origin, this.features, this.#encoder.code, this.table)
    this.emit(kind, { ...fields, target })
  }

  /** The address of a load that is to be an operand of the op that uses it. */
  foldedMemory(value: Value): VirtualMemory | undefined {
    const id = this.#normal.root[value.id]!
    if (!this.analysis.folded[id]) return undefined
    const load = this.#normal.definitions[id]
    if (load?.kind === 'load') return this.address(load.address)
    if (load?.kind === 'broadcast') return this.address(load.address, true)
    throw new Error(`kernel ${this.kernel.name}: value ${id} is no load`)
  }

  address({ base, index, scale, offset }: Address, broadcast = false): VirtualMemory {
    return virtualMemory(this.use(base), offset, index ? this.use(index) : -1, scale, broadcast)
  }

  temporary(registerClass: RegisterClass): VirtualRegister {
    return this.registers.create(registerClass)
  }

  classOfValue({ type }: Value): RegisterClass {
    if (type === 'int') return 'general'
    return type === 'mask' && this.features.avx512 ? 'mask' : 'vector'
  }

  /** All constants in use, in front of the body. */
  constantsAhead(): Instruction[] {
    return [...this.#byOrigin.values()].map((target) => {
      const { kind, fields } = making(this.registers.origins[target]!, this.features, this.#encoder.code, this.table)
      return instruction(kind, { ...fields, target })
    })
  }

  #home(id: number): number {
    const into = this.analysis.into[id]!
    return into < 0 ? id : into
  }
}
