/** Checks a kernel against the contract in `kernel.ts` before anyone generates code for it. */
import type { Address, Bound, Kernel, Statement, Value, ValueType } from './kernel.ts'
import { printStatement } from './print.ts'
import { scalarOps, type ScalarOpName } from './scalarOps.ts'

/**
 * Throws where a value is used before its definition or outside the loop that defines it, is defined twice, has the wrong
 * type, is assigned without being a variable, or where lanes, steps, scales, offsets or immediates are out of range.
 * The message names the kernel and prints the statement.
 */
export function verifyKernel(kernel: Kernel): void {
  new Verifier(kernel).verify()
}

const LIMIT = 2 ** 31

const wholeBelow = (value: number, limit: number): boolean => Number.isInteger(value) && Math.abs(value) < limit

const anyWhole = (value: number): string | undefined =>
  wholeBelow(value, LIMIT) ? undefined : 'an integer with |value| < 2^31'
const divisor = (value: number): string | undefined =>
  wholeBelow(value, LIMIT) && value >= 1 ? undefined : 'an integer from 1 to 2^31 - 1'
const shift = (value: number): string | undefined =>
  wholeBelow(value, 32) && value >= 0 ? undefined : 'a number of bits from 0 to 31'

const stretch = (value: number, lanes: number): string | undefined =>
  [1, 2, 4, 8].includes(value) && value < lanes ? undefined : `a power of two below the ${lanes} lanes`

/** For ops that read an immediate: what was expected, where the value is not acceptable. */
const immediateFaults: { readonly [K in ScalarOpName]?: (value: number, lanes: number) => string | undefined } = {
  shiftLeft: shift,
  shiftRight: shift,
  mergeEven: stretch,
  mergeOdd: stretch,
  constant: (value) => (Object.is(Math.fround(value), value) ? undefined : 'a number that f32 holds exactly'),
  constantInt: (value) => ((value | 0) === value ? undefined : 'a signed 32-bit integer'),
  intConstant: anyWhole,
  intAddImmediate: anyWhole,
  intMulImmediate: anyWhole,
  intDivImmediate: divisor,
  intModImmediate: divisor,
}

class Verifier {
  readonly #kernel: Kernel
  /** Values that may be used here, by id. */
  readonly #inScope = new Map<number, Value>()
  readonly #variables = new Set<number>()
  readonly #everDefined = new Set<number>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  verify(): void {
    const { lanes, scratchBytes, pointers, unitBegin, unitEnd, scratch, body } = this.#kernel
    if (![4, 8, 16].includes(lanes)) this.#refuse(`has ${lanes} lanes; kernels have 4, 8 or 16`)
    if (!Number.isInteger(scratchBytes) || scratchBytes < 0) this.#refuse(`asks for ${scratchBytes} bytes of scratch`)
    for (const value of [unitBegin, unitEnd, scratch, ...pointers]) {
      if (value.type !== 'int') this.#refuse(`has a parameter of type ${value.type}; parameters are ints`)
      this.#define(value)
    }
    this.#block(body)
  }

  #block(statements: readonly Statement[]): void {
    const before = new Set(this.#inScope.keys())
    for (const statement of statements) this.#statement(statement)
    for (const id of this.#inScope.keys()) if (!before.has(id)) this.#inScope.delete(id)
  }

  #statement(statement: Statement): void {
    switch (statement.kind) {
      case 'op':
        return this.#op(statement)
      case 'load':
      case 'broadcast':
        this.#address(statement.address, statement)
        if (statement.kind === 'load') this.#lanes(statement.lanes, statement)
        this.#vector(statement.target, statement)
        return this.#define(statement.target, statement)
      case 'loadInt':
        this.#address(statement.address, statement)
        this.#type(statement.target, 'int', statement)
        return this.#define(statement.target, statement)
      case 'store':
        this.#use(statement.value, statement)
        this.#vector(statement.value, statement)
        this.#lanes(statement.lanes, statement)
        return this.#address(statement.address, statement)
      case 'prefetch':
        return this.#address(statement.address, statement)
      case 'assign':
        return this.#assign(statement)
      case 'for':
        return this.#for(statement)
    }
  }

  #op(statement: Statement & { kind: 'op' }): void {
    const { op, args, target, immediate } = statement
    const row = scalarOps[op]
    if (args.length !== row.args.length) {
      this.#refuse(`${op} takes ${row.args.length} arguments, got ${args.length}`, statement)
    }
    args.forEach((arg, k) => {
      this.#use(arg, statement)
      this.#type(arg, row.args[k]!, statement)
    })
    this.#type(target, row.result, statement)
    const expected = immediateFaults[op]?.(immediate, this.#kernel.lanes)
    if (expected !== undefined) this.#refuse(`${op} has the immediate ${immediate}; expected ${expected}`, statement)
    this.#define(target, statement)
  }

  #assign(statement: Statement & { kind: 'assign' }): void {
    const { variable, value, declare } = statement
    this.#use(value, statement)
    this.#type(value, variable.type, statement)
    if (declare) {
      this.#define(variable, statement)
      this.#variables.add(variable.id)
      return
    }
    this.#use(variable, statement)
    if (!this.#variables.has(variable.id)) {
      this.#refuse(`value ${variable.id} is changed but was not declared a variable`, statement)
    }
  }

  #for(statement: Statement & { kind: 'for' }): void {
    const { index, from, to, step, body } = statement
    this.#bound(from, statement)
    this.#bound(to, statement)
    if (!wholeBelow(step, LIMIT) || step < 1) this.#refuse(`a loop steps by ${step}; expected 1 or more`, statement)
    this.#type(index, 'int', statement)
    this.#define(index, statement)
    this.#block(body)
    this.#inScope.delete(index.id)
  }

  #bound(bound: Bound, statement: Statement): void {
    if (typeof bound === 'number') {
      if (!wholeBelow(bound, LIMIT)) this.#refuse(`loop bound ${bound} is not an integer below 2^31`, statement)
      return
    }
    this.#use(bound, statement)
    this.#type(bound, 'int', statement)
  }

  #address({ base, index, scale, offset }: Address, statement: Statement): void {
    for (const value of index === undefined ? [base] : [base, index]) {
      this.#use(value, statement)
      this.#type(value, 'int', statement)
    }
    if (![1, 2, 4, 8].includes(scale)) this.#refuse(`scale ${scale} is not 1, 2, 4 or 8`, statement)
    if (!wholeBelow(offset, LIMIT)) this.#refuse(`offset ${offset} is not an integer with |offset| < 2^31`, statement)
  }

  #lanes(lanes: number, statement: Statement): void {
    if (!Number.isInteger(lanes) || lanes < 1 || lanes > this.#kernel.lanes) {
      this.#refuse(`${lanes} lanes are not 1 to ${this.#kernel.lanes}`, statement)
    }
  }

  #vector(value: Value, statement: Statement): void {
    if (value.type !== 'f32' && value.type !== 'i32') {
      this.#refuse(`value ${value.id} is of type ${value.type}; memory holds f32 and i32`, statement)
    }
  }

  #type(value: Value, expected: ValueType, statement: Statement): void {
    if (value.type !== expected) {
      this.#refuse(`value ${value.id} is of type ${value.type}, expected ${expected}`, statement)
    }
  }

  #use(value: Value, statement: Statement): void {
    const known = this.#inScope.get(value.id)
    if (known === undefined) {
      const why = this.#everDefined.has(value.id) ? 'outside the loop that defines it' : 'before it is defined'
      this.#refuse(`value ${value.id} is used ${why}`, statement)
    }
    if (known.type !== value.type) {
      this.#refuse(`value ${value.id} is used as ${value.type} but was defined as ${known.type}`, statement)
    }
  }

  #define(value: Value, statement?: Statement): void {
    if (this.#everDefined.has(value.id)) this.#refuse(`value ${value.id} is defined twice`, statement)
    if (!Number.isInteger(value.id) || value.id < 0 || value.id >= this.#kernel.valueCount) {
      this.#refuse(`value ${value.id} is not below the kernel's count of ${this.#kernel.valueCount}`, statement)
    }
    this.#everDefined.add(value.id)
    this.#inScope.set(value.id, value)
  }

  #refuse(fault: string, statement?: Statement): never {
    const place = statement === undefined ? '' : ` in: ${printStatement(this.#kernel, statement)}`
    throw new Error(`kernel ${this.#kernel.name}: ${fault}${place}`)
  }
}
