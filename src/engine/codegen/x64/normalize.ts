/** First look at a kernel: its statements in one list, with ints that are known and addresses that are simple put in place. */
import type { Address, Bound, Kernel, Statement, Value } from '../../kernel/kernel.ts'
import { readsOf } from '../../kernel/reads.ts'

export interface FlatStatement {
  readonly statement: Statement
  /** The values that it reads, loop bodies apart. */
  readonly reads: readonly Value[]
  /** Loops: index of the first statement after the body. */
  readonly end: number
  /** Index of the loop around it; -1: none. */
  readonly body: number
  readonly depth: number
}

export interface NormalKernel {
  readonly kernel: Kernel
  readonly statements: readonly FlatStatement[]
  /** By value id: the statement that defines it; undefined for parameters, loop indices and variables. */
  readonly definitions: readonly (Statement | undefined)[]
  /** By value id: set where `assign` may change it. */
  readonly isVariable: Uint8Array
  /** By value id: the value that has the same bits, mostly itself. */
  readonly root: Int32Array
}

const maxDisplacement = 2 ** 31

export function normalize(kernel: Kernel): NormalKernel {
  return new Normalizer(kernel).run()
}

class Normalizer {
  readonly #kernel: Kernel
  readonly #statements: FlatStatement[] = []
  readonly #definitions: (Statement | undefined)[]
  readonly #isVariable: Uint8Array
  readonly #root: Int32Array

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#definitions = Array.from({ length: kernel.valueCount }, () => undefined)
    this.#isVariable = new Uint8Array(kernel.valueCount)
    this.#root = Int32Array.from({ length: kernel.valueCount }, (_, id) => id)
  }

  run(): NormalKernel {
    this.#block(this.#kernel.body, -1, 0)
    return {
      kernel: this.#kernel,
      statements: this.#statements,
      definitions: this.#definitions,
      isVariable: this.#isVariable,
      root: this.#root,
    }
  }

  #block(body: readonly Statement[], loop: number, depth: number): void {
    for (const original of body) {
      const statement = this.#normal(original)
      const at = this.#statements.length
      const flat = { statement, reads: readsOf(statement), end: at + 1, body: loop, depth }
      this.#statements.push(flat)
      if (statement.kind !== 'for') continue
      this.#block(statement.body, at, depth + 1)
      flat.end = this.#statements.length
    }
  }

  #normal(statement: Statement): Statement {
    switch (statement.kind) {
      case 'op': {
        const simple = this.#simpleInt(statement)
        this.#definitions[statement.target.id] = simple
        const [source] = statement.args
        const sameBits = statement.op === 'asInt' || statement.op === 'asFloat'
        if (sameBits && source && !this.#isVariable[source.id]) {
          this.#root[statement.target.id] = this.#root[source.id]!
        }
        return simple
      }
      case 'load':
      case 'broadcast':
      case 'loadInt': {
        const address = this.#address(statement.address)
        const simple = address === statement.address ? statement : { ...statement, address }
        this.#definitions[statement.target.id] = simple
        return simple
      }
      case 'prefetch':
      case 'store': {
        const address = this.#address(statement.address)
        return address === statement.address ? statement : { ...statement, address }
      }
      case 'assign':
        if (statement.declare) this.#isVariable[statement.variable.id] = 1
        return statement
      case 'for':
        return { ...statement, from: this.#bound(statement.from), to: this.#bound(statement.to) }
    }
  }

  /** Arithmetic with a known int becomes arithmetic with an immediate. */
  #simpleInt(statement: Statement & { kind: 'op' }): Statement & { kind: 'op' } {
    const { op, args, target } = statement
    if (op !== 'intAdd' && op !== 'intSub' && op !== 'intMul') return statement
    const [a, b] = args as readonly [Value, Value]
    const [left, right] = [this.#known(a), this.#known(b)]
    const immediate = right ?? (op === 'intSub' ? undefined : left)
    if (immediate === undefined) return statement
    return {
      kind: 'op',
      target,
      op: op === 'intMul' ? 'intMulImmediate' : 'intAddImmediate',
      args: [right === undefined ? b : a],
      immediate: op === 'intSub' ? -immediate : immediate,
    }
  }

  #known(value: Value): number | undefined {
    const definition = this.#definitions[value.id]
    return definition?.kind === 'op' && definition.op === 'intConstant' ? definition.immediate : undefined
  }

  #bound(bound: Bound): Bound {
    return typeof bound === 'number' ? bound : (this.#known(bound) ?? bound)
  }

  /** Takes additions and multiplications of numbers out of the base and the index, into the address. */
  #address(address: Address): Address {
    let { base, index, scale, offset } = address
    for (;;) {
      const definition = this.#stable(base, 'intAddImmediate')
      if (!definition || !fits(offset + definition.immediate)) break
      offset += definition.immediate
      base = definition.args[0]!
    }
    while (index) {
      const sum = this.#stable(index, 'intAddImmediate')
      const product = this.#stable(index, 'intMulImmediate')
      if (sum && fits(offset + sum.immediate * scale)) {
        offset += sum.immediate * scale
        index = sum.args[0]!
      } else if (product && isScale(product.immediate * scale)) {
        scale = (product.immediate * scale) as 1 | 2 | 4 | 8
        index = product.args[0]!
      } else {
        break
      }
    }
    if (base === address.base && index === address.index) return address
    return index ? { base, index, scale, offset } : { base, scale, offset }
  }

  /** The definition of `value` if it is this op of something that cannot change. */
  #stable(value: Value, op: 'intAddImmediate' | 'intMulImmediate'): (Statement & { kind: 'op' }) | undefined {
    const definition = this.#definitions[value.id]
    if (definition?.kind !== 'op' || definition.op !== op) return undefined
    return this.#isVariable[definition.args[0]!.id] ? undefined : definition
  }
}

const fits = (offset: number): boolean => Math.abs(offset) < maxDisplacement
const isScale = (scale: number): boolean => scale === 1 || scale === 2 || scale === 4 || scale === 8
