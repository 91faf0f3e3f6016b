/** One kernel as one WebAssembly function (unitBegin, unitEnd, address of the argument table, scratch). */
import type { Address, Bound, Kernel, Statement, Value } from '../../kernel/kernel.ts'
import { Code, type Label, type Local, type WasmType } from './code.ts'
import { fenceNumber, fencePositions } from './fences.ts'
import { findLifetimes, type Lifetimes } from './lifetimes.ts'
import { scalarCode } from './scalarCode.ts'

export const WASM_LANES = 4

/** The type of every kernel function's parameters; there is no result. */
export const kernelParameters: readonly WasmType[] = ['i32', 'i32', 'i32', 'i32']

/**
 * The body of the kernel's function. The argument table holds one 32-bit address for each of the kernel's pointers.
 * `fused`: multiply-adds are one relaxed instruction, for engines where that rounds once; otherwise two. Throws where the kernel was built for another number of lanes.
 */
export function emitKernel(kernel: Kernel, fused: boolean): readonly number[] {
  if (kernel.lanes !== WASM_LANES) {
    throw new Error(
      `kernel ${kernel.name} was built for ${kernel.lanes} lanes; WebAssembly's vectors have ${WASM_LANES}`,
    )
  }
  return new KernelEmitter(kernel, fused).emit()
}

type For = Statement & { kind: 'for' }
type Limit = number | Local

class KernelEmitter {
  readonly #kernel: Kernel
  readonly #fused: boolean
  readonly #code = new Code(kernelParameters)
  readonly #lifetimes: Lifetimes
  /** Where each living value is, by its id. */
  readonly #places = new Map<number, Local>()
  readonly #free: Record<WasmType, Local[]> = { i32: [], v128: [] }

  constructor(kernel: Kernel, fused: boolean) {
    this.#kernel = kernel
    this.#fused = fused
    this.#lifetimes = findLifetimes(kernel)
  }

  emit(): readonly number[] {
    const { unitBegin, unitEnd, scratch, pointers, body } = this.#kernel
    const [beginLocal, endLocal, table, scratchLocal] = this.#code.parameters
    this.#places.set(unitBegin.id, beginLocal!)
    this.#places.set(unitEnd.id, endLocal!)
    this.#places.set(scratch.id, scratchLocal!)
    pointers.forEach((pointer, k) => {
      this.#code.get(table!).access('i32.load', 4 * k)
      this.#setNew(pointer)
    })
    this.#block(body)
    return this.#code.finish()
  }

  #block(statements: readonly Statement[], after?: (position: number) => void): void {
    statements.forEach((statement, position) => {
      this.#statement(statement)
      this.#release(statement)
      after?.(position)
    })
  }

  #statement(statement: Statement): void {
    const code = this.#code
    switch (statement.kind) {
      case 'op':
        return this.#op(statement)
      case 'load':
        this.#load(statement.address, statement.lanes)
        return this.#define(statement.target, statement)
      case 'broadcast':
        code.access('v128.load32_splat', this.#address(statement.address))
        return this.#define(statement.target, statement)
      case 'loadInt':
        code.access('i32.load', this.#address(statement.address))
        return this.#define(statement.target, statement)
      case 'store':
        return this.#store(statement)
      case 'prefetch':
        // WebAssembly has no such instruction.
        return
      case 'assign':
        code.get(this.#place(statement.value))
        if (statement.declare) this.#define(statement.variable, statement)
        else code.set(this.#place(statement.variable))
        return
      case 'for':
        return this.#for(statement)
    }
  }

  #op(statement: Statement & { kind: 'op' }): void {
    const borrowed: Local[] = []
    scalarCode[statement.op](this.#code, {
      args: statement.args.map((arg) => this.#place(arg)),
      immediate: statement.immediate,
      fused: this.#fused,
      temporary: () => {
        const local = this.#take('v128')
        borrowed.push(local)
        return local
      },
    })
    this.#define(statement.target, statement)
    for (const local of borrowed) this.#free[local.type].push(local)
  }

  /** Loads 1 to 4 elements, zeros above; memory beyond them is not touched. */
  #load(address: Address, lanes: number): void {
    if (lanes === 3) {
      // The third lane is loaded from its own address into a vector that already holds the first two.
      const extra = this.#address(address) + 8
      this.#code.access('v128.load64_zero', this.#address(address)).access('v128.load32_lane', extra, 2)
      return
    }
    const name = lanes === 4 ? 'v128.load' : lanes === 2 ? 'v128.load64_zero' : 'v128.load32_zero'
    this.#code.access(name, this.#address(address))
  }

  #store({ address, value, lanes }: Statement & { kind: 'store' }): void {
    const code = this.#code
    const at = this.#place(value)
    const offset = this.#address(address)
    code.get(at)
    if (lanes === 4) code.access('v128.store', offset)
    else if (lanes === 1) code.access('v128.store32_lane', offset, 0)
    else code.access('v128.store64_lane', offset, 0)
    if (lanes !== 3) return
    const extra = this.#address(address) + 8
    code.get(at).access('v128.store32_lane', extra, 2)
  }

  /** Pushes base + index * scale, and a negative offset; returns the offset that is left for the access itself. */
  #address({ base, index, scale, offset }: Address): number {
    const code = this.#code
    code.get(this.#place(base))
    if (index !== undefined) {
      code.get(this.#place(index))
      if (scale > 1) code.i32(Math.log2(scale)).op('i32.shl')
      code.op('i32.add')
    }
    if (offset >= 0) return offset
    code.i32(offset).op('i32.add')
    return 0
  }

  #for(statement: For): void {
    const { index, from, to } = statement
    const known = typeof from === 'number' && typeof to === 'number'
    if (known && from >= to) return
    const limit = this.#limit(to)
    this.#push(typeof from === 'number' ? from : this.#place(from))
    const counter = this.#setNew(index)
    this.#code.block((exit) => {
      if (!known) {
        this.#code.get(counter)
        this.#push(limit)
        this.#code.op('i32.ge_s').branchIf(exit)
      }
      this.#rounds(statement, counter, limit, exit)
    })
    if (typeof limit !== 'number' && limit !== this.#places.get((to as Value).id)) this.#free.i32.push(limit)
  }

  /** The loop proper, entered with `counter` below `limit`. */
  #rounds({ body, step }: For, counter: Local, limit: Limit, exit: Label): void {
    const code = this.#code
    const fences = fencePositions(body, this.#lifetimes)
    let passed = 0
    code.loop((again) => {
      this.#block(body, (position) => {
        if (fences.has(position)) code.get(counter).i32(fenceNumber(passed++)).op('i32.eq').branchIf(exit)
      })
      code.get(counter).i32(step).op('i32.add').tee(counter)
      this.#push(limit)
      code.op('i32.lt_s').branchIf(again)
    })
  }

  /** A loop's upper bound as it is on entry: a variable is copied, for the body may change it. */
  #limit(to: Bound): Limit {
    if (typeof to === 'number') return to
    const local = this.#place(to)
    if (!this.#lifetimes.isChanged(to)) return local
    const copy = this.#take('i32')
    this.#code.get(local).set(copy)
    return copy
  }

  #push(limit: Limit): void {
    if (typeof limit === 'number') this.#code.i32(limit)
    else this.#code.get(limit)
  }

  /** Pops the value of `target`. Arguments that the statement used for the last time leave their locals to it. */
  #define(target: Value, statement: Statement): void {
    this.#release(statement)
    this.#setNew(target)
  }

  #setNew(value: Value): Local {
    const local = this.#take(value.type === 'int' ? 'i32' : 'v128')
    this.#code.set(local)
    this.#places.set(value.id, local)
    return local
  }

  #take(type: WasmType): Local {
    return this.#free[type].pop() ?? this.#code.local(type)
  }

  /** Frees the locals of the values that the statement used for the last time. */
  #release(statement: Statement): void {
    for (const id of this.#lifetimes.endingAt(statement)) {
      const local = this.#places.get(id)
      if (local === undefined) continue
      this.#places.delete(id)
      this.#free[local.type].push(local)
    }
  }

  #place(value: Value): Local {
    const local = this.#places.get(value.id)
    if (local === undefined)
      throw new Error(`kernel ${this.#kernel.name}: value ${value.id} is used before it is defined`)
    return local
  }
}
