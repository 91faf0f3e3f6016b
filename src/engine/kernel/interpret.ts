/**
 * Runs a kernel on plain memory: the executable meaning of `kernel.ts`, slow and strict. Code generators are held
 * against it, and plans are tested on it at any number of lanes.
 */
import { newRegister, scalarMeaning, type OpSite, type Register } from './scalarMeaning.ts'
import type { Address, Bound, Kernel, Statement, Value } from './kernel.ts'
import { printStatement } from './print.ts'

/** A stretch of memory that kernels may touch: the bytes [address, address + 4 * words.length). */
export interface Segment {
  /** For error messages. */
  readonly name: string
  /** Bytes; a multiple of 4. */
  readonly address: number
  readonly words: Int32Array
}

export interface KernelCall {
  /** One memory whose first byte has address 0, or several segments. All accesses must stay inside one segment. */
  readonly memory: ArrayBufferLike | readonly Segment[]
  readonly unitBegin: number
  readonly unitEnd: number
  /** Address of the scratch memory, in bytes. */
  readonly scratch: number
  /** One address, in bytes, for each of the kernel's pointers. */
  readonly pointers: readonly number[]
  /** Whether `multiplyAdd` rounds once (x64 FMA) or twice (WebAssembly). */
  readonly fusedMultiplyAdd: boolean
  /** Is told of each access, before it: `count` words of the segment from number `first` on. */
  readonly onAccess?: ((segment: Segment, first: number, count: number, writes: boolean) => void) | undefined
}

export interface InterpretedKernel {
  /** Runs the work units [unitBegin, unitEnd). Throws where an access leaves the memory, naming kernel and statement. */
  run(call: KernelCall): void
}

/**
 * Runs one call of a kernel. Use `prepareKernel` for many calls of the same kernel.
 *
 * Throws where an access leaves the memory or is not aligned to 4 bytes, with the kernel's name and the statement.
 */
export function interpretKernel(kernel: Kernel, call: KernelCall): void {
  prepareKernel(kernel).run(call)
}

type Step = () => void

/** Turns a kernel's statements into closures over its registers, once. */
export function prepareKernel(kernel: Kernel): InterpretedKernel {
  const machine = new KernelState(kernel)
  const steps = machine.prepare(kernel.body)
  return {
    run(call) {
      machine.begin(call)
      for (const step of steps) step()
    },
  }
}

class KernelState {
  readonly #kernel: Kernel
  readonly #registers: (Register | undefined)[]
  #segments: readonly Segment[] = []
  /** The segment that the last access fell into; most accesses fall into the same one. */
  #segment: Segment | undefined
  #fusedMultiplyAdd = false
  #onAccess: KernelCall['onAccess']

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#registers = Array.from({ length: kernel.valueCount })
  }

  begin(call: KernelCall): void {
    const kernel = this.#kernel
    if (call.pointers.length !== kernel.pointers.length) {
      throw new Error(`kernel ${kernel.name} takes ${kernel.pointers.length} pointers, got ${call.pointers.length}`)
    }
    const { memory } = call
    this.#segments = 'byteLength' in memory ? [{ name: 'memory', address: 0, words: new Int32Array(memory) }] : memory
    this.#segment = undefined
    this.#fusedMultiplyAdd = call.fusedMultiplyAdd
    this.#onAccess = call.onAccess
    this.#register(kernel.unitBegin).n = call.unitBegin
    this.#register(kernel.unitEnd).n = call.unitEnd
    this.#register(kernel.scratch).n = call.scratch
    kernel.pointers.forEach((pointer, k) => (this.#register(pointer).n = call.pointers[k]!))
  }

  prepare(statements: readonly Statement[]): readonly Step[] {
    return statements.map((statement) => this.#step(statement))
  }

  #step(statement: Statement): Step {
    switch (statement.kind) {
      case 'op':
        return this.#opStep(statement)
      case 'load': {
        const { i } = this.#register(statement.target)
        const words = this.#accessor(statement, statement.address, statement.lanes)
        return () => {
          i.fill(0)
          i.set(words())
        }
      }
      case 'broadcast': {
        const { i } = this.#register(statement.target)
        const words = this.#accessor(statement, statement.address, 1)
        return () => i.fill(words()[0]!)
      }
      case 'loadInt': {
        const target = this.#register(statement.target)
        const words = this.#accessor(statement, statement.address, 1)
        return () => (target.n = words()[0]!)
      }
      case 'store': {
        const { i } = this.#register(statement.value)
        const words = this.#accessor(statement, statement.address, statement.lanes)
        const stored = i.subarray(0, statement.lanes)
        return () => words().set(stored)
      }
      case 'prefetch':
        return () => {}
      case 'assign': {
        const variable = this.#register(statement.variable)
        const value = this.#register(statement.value)
        return () => {
          variable.n = value.n
          variable.i.set(value.i)
        }
      }
      case 'for':
        return this.#forStep(statement)
    }
  }

  #opStep(statement: Statement & { kind: 'op' }): Step {
    const target = this.#register(statement.target)
    const args = statement.args.map((arg) => this.#register(arg))
    const meaning = scalarMeaning[statement.op]
    const { immediate } = statement
    const rounding = (fusedMultiplyAdd: boolean): OpSite => ({ args, immediate, fusedMultiplyAdd })
    const [once, twice] = [rounding(true), rounding(false)]
    return () => meaning(target, this.#fusedMultiplyAdd ? once : twice)
  }

  #forStep({ index, from, to, step, body }: Statement & { kind: 'for' }): Step {
    const counter = this.#register(index)
    const [first, end] = [this.#bound(from), this.#bound(to)]
    const steps = this.prepare(body)
    return () => {
      const limit = end()
      for (let n = first(); n < limit; n += step) {
        counter.n = n
        for (const run of steps) run()
      }
    }
  }

  #bound(bound: Bound): () => number {
    if (typeof bound === 'number') return () => bound
    const register = this.#register(bound)
    return () => register.n
  }

  /** The 32-bit words that a statement reads or writes, checked against the memory at every access. */
  #accessor(statement: Statement, { base, index, scale, offset }: Address, count: number): () => Int32Array {
    const baseRegister = this.#register(base)
    const indexRegister = index === undefined ? undefined : this.#register(index)
    const writes = statement.kind === 'store'
    return () => {
      const address = baseRegister.n + (indexRegister ? indexRegister.n * scale : 0) + offset
      const segment = this.#find(statement, address, 4 * count)
      const { address: start, words } = segment
      const first = (address - start) / 4
      this.#onAccess?.(segment, first, count, writes)
      return words.subarray(first, first + count)
    }
  }

  #find(statement: Statement, address: number, bytes: number): Segment {
    const holds = (segment: Segment): boolean =>
      address >= segment.address && address + bytes <= segment.address + 4 * segment.words.length
    if (this.#segment === undefined || !holds(this.#segment)) this.#segment = this.#segments.find(holds)
    if (this.#segment === undefined || address % 4 !== 0) {
      const fault = this.#segment === undefined ? 'leaves the memory' : 'is not aligned to 4 bytes'
      throw new Error(
        `kernel ${this.#kernel.name}: access to bytes ${address} to ${address + bytes} ${fault} ` +
          `(${this.#segments.map(segmentText).join(', ')}) in: ${printStatement(this.#kernel, statement)}`,
      )
    }
    return this.#segment
  }

  #register(value: Value): Register {
    return (this.#registers[value.id] ??= newRegister(this.#kernel.lanes))
  }
}

const segmentText = ({ name, address, words }: Segment): string =>
  `${name} is ${address} to ${address + 4 * words.length}`
