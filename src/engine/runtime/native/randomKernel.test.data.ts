/** For tests: kernels made at random from a seed, with loops, variables, tails and more values than there are registers. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value, ValueType } from '../../kernel/kernel.ts'
import { opsOf, scalarOps, type ScalarOp, type ScalarOpName } from '../../kernel/scalarOps.ts'
import type { KernelSpec } from './oneKernel.test.data.ts'

/** Elements of each buffer; all accesses stay within. */
export const bufferElements = 512
const rowElements = 32

/** Results that differ between correct implementations (NaN to int) or that need care (ints) are left out. */
const vectorOpsOf = (features: { readonly bf16: boolean }): readonly ScalarOpName[] =>
  opsOf(features).filter((op) => {
    const { args, result } = scalarOps[op] as ScalarOp
    const excluded = ['toInt', 'div', 'sqrt', 'bf16Pair'].includes(op)
    return result !== 'int' && args.length > 0 && !args.includes('int') && !excluded
  })

/** Park and Miller's generator: x -> 48271 x mod (2^31 - 1). */
export class Dice {
  #state: number
  constructor(seed: number) {
    this.#state = seed + 1
  }
  below(limit: number): number {
    this.#state = (this.#state * 48271) % 2147483647
    return this.#state % limit
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
}

type Pool = { readonly [T in ValueType]: Value[] }

class RandomKernel {
  readonly #vectorOps: readonly ScalarOpName[]
  readonly #b: KernelBuilder
  readonly #dice: Dice
  readonly #pointers: readonly Value[]
  /** Values in scope, and those of them that may be assigned. */
  #values: Pool = { int: [], f32: [], i32: [], mask: [] }
  #variables: Pool = { int: [], f32: [], i32: [], mask: [] }

  constructor(b: KernelBuilder, pointers: readonly Value[], dice: Dice) {
    this.#b = b
    this.#pointers = pointers
    this.#dice = dice
    this.#vectorOps = vectorOpsOf({ bf16: b.bf16 === 'instruction' })
  }

  build(): void {
    const b = this.#b
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      // Each unit has rows of its own to write: row = unit.
      const offset = b.intMul(unit, rowElements)
      this.#values.int.push(unit)
      this.#start()
      this.#block(offset, 3, 6 + this.#dice.below(8))
      this.#finish(offset)
    })
  }

  #start(): void {
    const b = this.#b
    this.#values.f32.push(b.constant(1.25), b.constant(-0.5))
    this.#values.i32.push(b.op('laneIndex', []), b.constantInt(0x1234567))
    this.#values.mask.push(b.op('less', [this.#any('f32'), this.#any('f32')]))
    const many = this.#dice.pick([2, 6, 20, 40])
    for (let k = 0; k < many; k++) {
      this.#values.f32.push(b.load(b.at(this.#pointers[0]!, 4 * this.#dice.below(400))))
      this.#values.i32.push(b.load(b.at(this.#pointers[1]!, 4 * this.#dice.below(400)), b.lanes, 'i32'))
      this.#values.int.push(b.loadInt(b.at(this.#pointers[2]!, 4 * this.#dice.below(400))))
      if (k < 12) this.#values.mask.push(b.op('lessInt', [this.#any('i32'), this.#any('i32')]))
      const type = this.#dice.pick(['f32', 'i32', 'int', 'mask'] as const)
      const variable = b.variable(this.#any(type))
      this.#variables[type].push(variable)
      this.#values[type].push(variable)
    }
  }

  /** Makes every value count. */
  #finish(offset: Value): void {
    const b = this.#b
    let sum = this.#any('i32')
    for (const value of this.#values.i32) sum = b.op('xor', [sum, value])
    for (const value of this.#values.f32) sum = b.op('addInt', [sum, b.op('asInt', [this.#calm(value)])])
    for (const value of this.#values.int) sum = b.op('addInt', [sum, b.op('splat', [value])])
    for (const value of this.#values.mask) sum = b.select(value, b.op('addInt', [sum, b.constantInt(77)]), sum)
    b.store(sum, b.at(this.#pointers[3]!, 0, offset), 1 + this.#dice.below(b.lanes))
  }

  /** NaN has many bit patterns: it becomes a number. */
  #calm(value: Value): Value {
    const b = this.#b
    return b.select(b.op('equal', [value, value]), value, b.constant(3))
  }

  #block(offset: Value, depth: number, statements: number): void {
    for (let k = 0; k < statements; k++) {
      const kind = this.#dice.below(12)
      if (kind < 4) this.#op()
      else if (kind < 7) this.#memory(offset)
      else if (kind < 8) this.#int()
      else if (kind < 10) this.#assign()
      else if (depth > 0) this.#loop(offset, depth)
    }
  }

  #op(): void {
    const op = this.#dice.pick(this.#vectorOps)
    const row: ScalarOp = scalarOps[op]
    const args = row.args.map((type) => this.#any(type))
    const value = this.#b.op(op, args, this.#immediate(op))
    this.#values[row.result].push(value)
  }

  /** Bits to shift by, or a power of two below the lanes. */
  #immediate(op: ScalarOpName): number {
    const below = this.#dice.below(32)
    return op.startsWith('merge') ? 1 << (below % Math.log2(this.#b.lanes)) : below
  }

  #memory(offset: Value): void {
    const b = this.#b
    const lanes = 1 + this.#dice.below(b.lanes)
    const address = b.at(this.#pointers[4]!, 4 * this.#dice.below(rowElements - b.lanes + 1), offset)
    const choice = this.#dice.below(6)
    if (choice === 0) this.#values.f32.push(b.load(address, lanes))
    else if (choice === 1) this.#values.f32.push(b.broadcast(address))
    else if (choice < 4) this.#values.f32.push(b.load(address))
    else b.store(this.#calm(this.#any('f32')), address, this.#dice.below(2) === 0 ? lanes : b.lanes)
  }

  /** Ints are kept small, so that the interpreter's doubles hold them. */
  #int(): void {
    const b = this.#b
    const [x, y] = [this.#any('int'), this.#any('int')]
    const immediate = 1 + this.#dice.below(1000)
    const value = this.#dice.pick([
      () => b.op('intMin', [x, y]),
      () => b.op('intMax', [x, y]),
      () => b.op('intDivImmediate', [b.intMax(x, 0)], immediate),
      () => b.op('intModImmediate', [b.intMax(x, 0)], immediate),
      () => b.op('intModImmediate', [b.intMax(b.intAdd(x, y), 0)], 4096),
      () => b.op('intModImmediate', [b.intMax(b.op('intSub', [x, y]), 0)], 4095),
      () => b.op('intModImmediate', [b.intMax(b.intMul(x, immediate), 0)], 65536),
    ])()
    this.#values.int.push(value)
  }

  #assign(): void {
    const type = this.#dice.pick(['f32', 'f32', 'i32', 'int', 'mask'] as const)
    const variable = this.#variables[type].length > 0 ? this.#dice.pick(this.#variables[type]) : undefined
    if (!variable) return
    if (type === 'f32' && this.#dice.below(2) === 0) {
      this.#b.assign(variable, this.#b.multiplyAdd(this.#any('f32'), this.#any('f32'), variable))
    } else if (type === 'int') {
      const changed = this.#b.op('intModImmediate', [this.#b.intMax(this.#b.intAdd(variable, 3), 0)], 1024)
      this.#b.assign(variable, changed)
    } else {
      this.#b.assign(variable, this.#any(type))
    }
  }

  #loop(offset: Value, depth: number): void {
    const b = this.#b
    const [values, variables] = [this.#values, this.#variables]
    const small = (): Value => b.op('intModImmediate', [b.intMax(this.#any('int'), 0)], 4)
    const from = this.#dice.below(3) === 0 ? small() : this.#dice.below(3)
    const to = this.#dice.below(2) === 0 ? small() : this.#dice.below(4)
    b.for(from, to, 1 + this.#dice.below(2), (index) => {
      this.#values = copied(values)
      this.#variables = copied(variables)
      this.#values.int.push(index)
      this.#block(offset, depth - 1, 2 + this.#dice.below(6))
    })
    this.#values = values
    this.#variables = variables
  }

  /** Half of the values are used for the last time, so that most have one use: those are folded and coalesced. */
  #any(type: ValueType): Value {
    const values = this.#values[type]
    const at = this.#dice.below(2) === 0 ? values.length - 1 : this.#dice.below(values.length)
    const value = values[at]!
    const last = this.#dice.below(2) === 0 && values.length > 3 && !this.#variables[type].includes(value)
    if (last) values.splice(at, 1)
    return value
  }
}

function copied(pool: Pool): Pool {
  return { int: [...pool.int], f32: [...pool.f32], i32: [...pool.i32], mask: [...pool.mask] }
}

function numbers(make: () => number): number[] {
  return Array.from({ length: bufferElements }, make)
}

/** A kernel and its buffers; the same seed gives the same. */
export function randomKernel(seed: number): KernelSpec {
  const dice = new Dice(seed)
  return {
    units: 1 + dice.below(8),
    buffers: [
      { name: 'floats', dtype: 'f32', values: numbers(() => (dice.below(2001) - 1000) / 64) },
      { name: 'ints', dtype: 'i32', values: numbers(() => dice.below(2147483647) | 0) },
      { name: 'naturals', dtype: 'i32', values: numbers(() => dice.below(1000)) },
      { name: 'out', dtype: 'i32', values: numbers(() => 0) },
      { name: 'rows', dtype: 'f32', values: numbers(() => dice.below(100)) },
    ],
    build: (b, pointers) => new RandomKernel(b, pointers, new Dice(seed * 31 + 7)).build(),
  }
}
