/** Builds a kernel, statement by statement. What is written with it reads like the loop nest that it makes. */
import type { Address, Bound, Kernel, PrefetchPurpose, Statement, Value, ValueType } from './kernel.ts'
import { scalarOps, type ScalarOpName } from './scalarOps.ts'

export interface KernelTarget {
  /** 32-bit elements per vector register: 16, 8 or 4. */
  readonly lanes: number
  /** Vector registers that a kernel may count on: 32 or 16, or fewer where the target's own compiler needs some. */
  readonly vectorRegisters: number
  /**
   * How kernels multiply pairs of bf16 numbers: by the ops for it (`bf16Pair`, `pairDot`), or, to try what the numbers do
   * where no instruction does, expanded into ops on f32. Not at all unless told.
   */
  readonly bf16?: 'instruction' | 'expanded'
  /** Steps of a product's innermost loop in one turn of it: enough to hide the loop's own instructions. 4 unless told. */
  readonly unroll?: number
}

export class KernelBuilder {
  readonly lanes: number
  readonly vectorRegisters: number
  readonly bf16: KernelTarget['bf16']
  readonly unroll: number
  readonly unitBegin: Value
  readonly unitEnd: Value
  readonly scratch: Value
  readonly #name: string
  readonly #pointers: Value[] = []
  readonly #bodies: Statement[][] = [[]]
  readonly #constants = new Map<string, Value>()
  #values = 0
  #scratchBytes = 0

  constructor(name: string, target: KernelTarget) {
    this.#name = name
    this.lanes = target.lanes
    this.vectorRegisters = target.vectorRegisters
    this.bf16 = target.bf16
    this.unroll = target.unroll ?? 4
    this.unitBegin = this.#value('int')
    this.unitEnd = this.#value('int')
    this.scratch = this.#value('int')
  }

  /** The address of the next buffer argument. */
  pointer(): Value {
    const value = this.#value('int')
    this.#pointers.push(value)
    return value
  }

  /** Reserves bytes of this thread's scratch memory; returns their offset from `scratch`, a multiple of 64. */
  reserveScratch(bytes: number): number {
    const at = this.#scratchBytes
    this.#scratchBytes += Math.ceil(bytes / 64) * 64
    return at
  }

  /** Applies any scalar op; the shorthands below are the same call. */
  op(op: ScalarOpName, args: readonly Value[], immediate = 0): Value {
    const row = scalarOps[op]
    if (args.length !== row.args.length || args.some((a, k) => a.type !== row.args[k])) {
      throw new Error(
        `kernel ${this.#name}: ${op} takes (${row.args.join(', ')}), got (${args.map((a) => a.type).join(', ')})`,
      )
    }
    const target = this.#value(row.result)
    this.#emit({ kind: 'op', target, op, args, immediate })
    return target
  }

  add(a: Value, b: Value): Value {
    return this.op('add', [a, b])
  }
  sub(a: Value, b: Value): Value {
    return this.op('sub', [a, b])
  }
  mul(a: Value, b: Value): Value {
    return this.op('mul', [a, b])
  }
  div(a: Value, b: Value): Value {
    return this.op('div', [a, b])
  }
  /** a * b + c */
  multiplyAdd(a: Value, b: Value, c: Value): Value {
    return this.op('multiplyAdd', [a, b, c])
  }
  min(a: Value, b: Value): Value {
    return this.op('min', [a, b])
  }
  max(a: Value, b: Value): Value {
    return this.op('max', [a, b])
  }
  select(mask: Value, a: Value, b: Value): Value {
    return this.op(a.type === 'i32' ? 'selectInt' : 'select', [mask, a, b])
  }

  /**
   * An f32 constant in every lane. The statement stands at the head of the kernel, once per value: a code generator may
   * keep it in a register or use it from memory.
   */
  constant(value: number): Value {
    return this.#shared('constant', Math.fround(value))
  }
  constantInt(value: number): Value {
    return this.#shared('constantInt', value | 0)
  }

  int(value: number): Value {
    return this.op('intConstant', [], value)
  }
  /** a + b for ints; either may be a number. */
  intAdd(a: Value, b: Value | number): Value {
    if (typeof b !== 'number') return this.op('intAdd', [a, b])
    return b === 0 ? a : this.op('intAddImmediate', [a], b)
  }
  intMul(a: Value, b: Value | number): Value {
    if (typeof b !== 'number') return this.op('intMul', [a, b])
    return b === 1 ? a : this.op('intMulImmediate', [a], b)
  }
  intMin(a: Value, b: Value | number): Value {
    return this.op('intMin', [a, typeof b === 'number' ? this.int(b) : b])
  }
  intMax(a: Value, b: Value | number): Value {
    return this.op('intMax', [a, typeof b === 'number' ? this.int(b) : b])
  }

  /** The address `base + offset` bytes, or `base + index * scale + offset`. */
  at(base: Value, offset = 0, index?: Value, scale: 1 | 2 | 4 | 8 = 4): Address {
    return index === undefined ? { base, scale, offset } : { base, index, scale, offset }
  }
  load(address: Address, lanes = this.lanes, type: 'f32' | 'i32' = 'f32'): Value {
    const target = this.#value(type)
    this.#emit({ kind: 'load', target, address, lanes })
    return target
  }
  broadcast(address: Address, type: 'f32' | 'i32' = 'f32'): Value {
    const target = this.#value(type)
    this.#emit({ kind: 'broadcast', target, address })
    return target
  }
  loadInt(address: Address): Value {
    const target = this.#value('int')
    this.#emit({ kind: 'loadInt', target, address })
    return target
  }
  store(value: Value, address: Address, lanes = this.lanes): void {
    this.#emit({ kind: 'store', value, address, lanes })
  }

  prefetch(address: Address, purpose: PrefetchPurpose): void {
    this.#emit({ kind: 'prefetch', address, purpose })
  }

  /** A value that `assign` may change, starting as `initial`. */
  variable(initial: Value): Value {
    const variable = this.#value(initial.type)
    this.#emit({ kind: 'assign', variable, value: initial, declare: true })
    return variable
  }
  assign(variable: Value, value: Value): void {
    this.#emit({ kind: 'assign', variable, value, declare: false })
  }

  /** `for (index = from; index < to; index += step) body(index)` */
  for(from: Bound, to: Bound, step: number, body: (index: Value) => void): void {
    const index = this.#value('int')
    this.#bodies.push([])
    body(index)
    const statements = this.#bodies.pop()!
    this.#emit({ kind: 'for', index, from, to, step, body: statements })
  }

  finish(): Kernel {
    return {
      name: this.#name,
      lanes: this.lanes,
      unitBegin: this.unitBegin,
      unitEnd: this.unitEnd,
      scratch: this.scratch,
      scratchBytes: this.#scratchBytes,
      pointers: this.#pointers,
      body: this.#bodies[0]!,
      valueCount: this.#values,
    }
  }

  #shared(op: 'constant' | 'constantInt', immediate: number): Value {
    const key = `${op} ${Object.is(immediate, -0) ? '-0' : immediate}`
    const known = this.#constants.get(key)
    if (known) return known
    const target = this.#value(scalarOps[op].result)
    this.#bodies[0]!.unshift({ kind: 'op', target, op, args: [], immediate })
    this.#constants.set(key, target)
    return target
  }

  #value(type: ValueType): Value {
    return { id: this.#values++, type }
  }

  #emit(statement: Statement): void {
    this.#bodies.at(-1)!.push(statement)
  }
}
