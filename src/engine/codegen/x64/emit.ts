/** Bytes of instructions whose registers are allocated. */
import type { Label } from './codeBuffer.ts'
import type { VectorFeatures } from './constants.ts'
import { memoryAt, memoryInPool, type Encoder, type MemoryOperand, type VectorLength } from './encoder.ts'
import {
  emitAdd,
  emitAddImmediate,
  emitChoice,
  emitDivide,
  emitModulo,
  emitMul,
  emitMulImmediate,
  emitSub,
  type Operand,
} from './emitGeneral.ts'
import { GeneralEncoder, registers } from './general.ts'
import { prefetchPurposes, type Instruction, type Loop, type VirtualMemory } from './instruction.ts'
import { wordSlots, type Frame } from './spill.ts'
import { vectorRows } from './vectorRows.ts'

const { rax, rsp, rbx, rbp, r12, r13, r14, r15 } = registers

/** Registers that a function must leave as it found them (System V AMD64 ABI, figure 3.4). */
const calleeSaved: readonly number[] = [rbx, rbp, r12, r13, r14, r15]
const frameAlignment = 64

export class Emitter {
  readonly #encoder: Encoder
  readonly #general: GeneralEncoder
  readonly #features: VectorFeatures
  readonly #full: VectorLength
  readonly #physical: Int8Array
  readonly #frame: Frame
  readonly #saved: readonly number[]
  readonly #labels = new Map<number, { head: Label; exit: Label }>()

  constructor(
    encoder: Encoder,
    features: VectorFeatures,
    physical: Int8Array,
    general: ReadonlySet<number>,
    frame: Frame,
  ) {
    this.#encoder = encoder
    this.#general = new GeneralEncoder(encoder)
    this.#features = features
    this.#full = features.avx512 ? 2 : 1
    this.#physical = physical
    this.#frame = frame
    this.#saved = calleeSaved.filter((register) => general.has(register))
  }

  prologue(): void {
    const g = this.#general
    for (const register of this.#saved) g.push(register)
    if (this.#frame.vectorBytes > 0) {
      g.move(rax, rsp)
      g.arithmeticImmediate('and', rsp, -frameAlignment)
      g.arithmeticImmediate('sub', rsp, this.#frameBytes())
      g.store(rax, memoryAt(rsp, this.#frameBytes() - 8))
    } else if (this.#frame.wordBytes > 0) {
      g.arithmeticImmediate('sub', rsp, this.#frame.wordBytes)
    }
  }

  epilogue(): void {
    const g = this.#general
    if (this.#frame.vectorBytes > 0) g.load(rsp, memoryAt(rsp, this.#frameBytes() - 8))
    else if (this.#frame.wordBytes > 0) g.arithmeticImmediate('add', rsp, this.#frame.wordBytes)
    for (const register of this.#saved.toReversed()) g.pop(register)
    this.#encoder.vzeroupper()
    g.return()
  }

  /** With room for the caller's stack pointer at the top. */
  #frameBytes(): number {
    const used = this.#frame.vectorBytes + this.#frame.wordBytes + 8
    return Math.ceil(used / frameAlignment) * frameAlignment
  }

  emit(each: Instruction): void {
    switch (each.kind) {
      case 'binary':
      case 'unary':
      case 'shift':
      case 'multiplyAdd':
      case 'accumulate':
      case 'blend':
      case 'extract':
      case 'zero':
      case 'moveVector':
      case 'splat':
        return this.#vector(each)
      case 'loadMasked':
      case 'store':
      case 'storeMasked':
      case 'moveMask':
      case 'loadMask':
      case 'storeMask':
        return this.#moves(each)
      case 'loop':
      case 'endLoop':
        return this.#loop(each, each.loop!)
      default:
        return this.#integer(each)
    }
  }

  #vector(each: Instruction): void {
    const { kind, row, length, immediate, memory } = each
    const { target, a, b, c } = this.#operands(each)
    const options = row.map === 3 || row === vectorRows.compare ? { immediate } : undefined
    switch (kind) {
      case 'binary':
      case 'unary': {
        const second = kind === 'binary' ? a : 0
        if (memory)
          this.#encoder.memory(row, length, target, second, this.#memory(memory), withBroadcast(memory, options))
        else this.#encoder.registers(row, length, target, second, b, options)
        return
      }
      case 'shift':
        return this.#encoder.registers(row, length, row.extension, target, a, { immediate })
      case 'multiplyAdd':
        return this.#multiplyAdd(each, target, a, b, c)
      case 'accumulate':
        if (memory) this.#encoder.memory(row, length, target, a, this.#memory(memory), withBroadcast(memory))
        else this.#encoder.registers(row, length, target, a, b)
        return
      case 'blend': {
        const choice = this.#features.avx512 ? { mask: c } : { immediate: c << 4 }
        if (memory) this.#encoder.memory(row, length, target, a, this.#memory(memory), withBroadcast(memory, choice))
        else this.#encoder.registers(row, length, target, a, b, choice)
        return
      }
      case 'extract':
        return this.#encoder.registers(row, length, a, 0, target, { immediate })
      case 'zero':
        return this.#encoder.registers(vectorRows.xor, 0, target, target, target)
      case 'moveVector':
        return this.#moveVector(target, a)
      default:
        return this.#splat(each, target, b)
    }
  }

  #moveVector(target: number, source: number): void {
    if (target !== source) this.#encoder.registers(vectorRows.move, this.#full, target, 0, source)
  }

  /** The form is chosen by which operand the target already holds. */
  #multiplyAdd({ length, memory, memoryPlace }: Instruction, target: number, a: number, b: number, c: number): void {
    const { multiplyAdd132, multiplyAdd213, multiplyAdd231 } = vectorRows
    const encoder = this.#encoder
    if (!memory) {
      if (target !== c && target === a) return encoder.registers(multiplyAdd213, length, target, b, c)
      if (target !== c && target === b) return encoder.registers(multiplyAdd213, length, target, a, c)
      this.#moveVector(target, c)
      return encoder.registers(multiplyAdd231, length, target, a, b)
    }
    const operand = this.#memory(memory)
    const options = withBroadcast(memory)
    if (memoryPlace === 'c') {
      if (target !== b) this.#moveVector(target, a)
      return encoder.memory(multiplyAdd213, length, target, target === b ? a : b, operand, options)
    }
    if (target !== c && target === a) return encoder.memory(multiplyAdd132, length, target, c, operand, options)
    this.#moveVector(target, c)
    encoder.memory(multiplyAdd231, length, target, a, operand, options)
  }

  #splat({ length, memory }: Instruction, target: number, b: number): void {
    const encoder = this.#encoder
    if (memory) {
      encoder.memory(vectorRows.broadcastInt, length, target, 0, this.#memory(memory))
    } else if (this.#features.avx512) {
      encoder.registers(vectorRows.broadcastGeneral, length, target, 0, b)
    } else {
      encoder.registers(vectorRows.moveGeneral, 0, target, 0, b)
      encoder.registers(vectorRows.broadcastInt, length, target, 0, target)
    }
  }

  #moves(each: Instruction): void {
    const { kind, row, length } = each
    const { target, a, c } = this.#operands(each)
    const encoder = this.#encoder
    if (kind === 'moveMask') {
      if (target !== a) encoder.registers(vectorRows.maskLoad, 0, target, 0, a)
      return
    }
    const memory = this.#memory(each.memory!)
    if (kind === 'loadMask') encoder.memory(vectorRows.maskLoad, 0, target, 0, memory)
    else if (kind === 'storeMask') encoder.memory(vectorRows.maskStore, 0, a, 0, memory)
    else if (kind === 'store') encoder.memory(row, length, a, 0, memory)
    else if (!this.#features.avx512) encoder.memory(row, length, target, c, memory)
    else if (kind === 'loadMasked') encoder.memory(row, length, target, 0, memory, { mask: c, zeroing: true })
    else encoder.memory(row, length, a, 0, memory, { mask: c })
  }

  #integer(each: Instruction): void {
    const { kind, immediate } = each
    const g = this.#general
    const { target, a, b } = this.#operands(each)
    const operand: Operand = each.memory && !kind.startsWith('load') ? this.#memory(each.memory) : b
    switch (kind) {
      case 'parameter':
        return target === immediate ? undefined : g.move(target, immediate)
      case 'move':
        return target === a ? undefined : g.move(target, a)
      case 'integer':
        return g.moveImmediate(target, immediate)
      case 'loadGeneral':
        return g.load(target, this.#memory(each.memory!))
      case 'loadInt':
        return g.loadSigned32(target, this.#memory(each.memory!))
      case 'prefetch':
        return g.prefetch(prefetchPurposes[immediate]!, this.#memory(each.memory!))
      case 'storeGeneral':
        return g.store(a, this.#memory(each.memory!))
      case 'intAdd':
        return emitAdd(g, target, a, operand)
      case 'intSub':
        return emitSub(g, target, a, operand)
      case 'intMul':
        return emitMul(g, target, a, operand)
      case 'intMin':
        return emitChoice(g, 'greater', target, a, b)
      case 'intMax':
        return emitChoice(g, 'less', target, a, b)
      case 'addImmediate':
        return emitAddImmediate(g, target, a, immediate)
      case 'mulImmediate':
        return emitMulImmediate(g, target, a, immediate)
      case 'divide':
        return emitDivide(g, target, a, immediate)
      case 'modulo':
        return emitModulo(g, target, a, immediate)
      default:
        throw new Error(`no bytes for ${kind}`)
    }
  }

  #loop(each: Instruction, loop: Loop): void {
    const g = this.#general
    if (each.kind === 'loop') {
      const labels = { head: this.#encoder.code.label(), exit: this.#encoder.code.label() }
      this.#labels.set(loop.id, labels)
      if (loop.guarded) {
        this.#compareWithBound(each)
        g.jumpIf('notLess', labels.exit)
      }
      this.#encoder.code.bind(labels.head)
    } else {
      const { head, exit } = this.#labels.get(loop.id)!
      if (loop.repeats) {
        this.#compareWithBound(each)
        g.jumpIf('less', head)
      }
      this.#encoder.code.bind(exit)
    }
  }

  #compareWithBound(each: Instruction): void {
    const { a, b } = this.#operands(each)
    if (each.memory) this.#general.arithmeticMemory('cmp', a, this.#memory(each.memory))
    else if (b >= 0) this.#general.arithmetic('cmp', a, b)
    else this.#general.arithmeticImmediate('cmp', a, each.immediate)
  }

  /** Physical registers. */
  #operands({ target, a, b, c }: Instruction): { target: number; a: number; b: number; c: number } {
    return { target: this.#register(target), a: this.#register(a), b: this.#register(b), c: this.#register(c) }
  }
  #register(register: number): number {
    return register < 0 ? -1 : this.#physical[register]!
  }

  #memory({ base, index, scale, displacement, pool, slot }: VirtualMemory): MemoryOperand {
    if (pool >= 0) return memoryInPool(pool)
    if (slot >= 0) return memoryAt(rsp, slot < wordSlots ? slot : this.#frame.vectorBytes + slot - wordSlots)
    return memoryAt(this.#register(base), displacement, this.#register(index), scale)
  }
}

function withBroadcast<T extends object>(
  memory: VirtualMemory,
  options?: T,
): (T & { broadcast?: boolean }) | undefined {
  return memory.broadcast ? { ...options!, broadcast: true } : options
}
