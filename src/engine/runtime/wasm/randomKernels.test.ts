/**
 * Random kernels, generated code against the interpreter: loop nests, variables, tails and long-lived values, whose locals
 * the code generator must not use again too early.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import { interpretKernel, type Segment } from '../../kernel/interpret.ts'
import type { Kernel, Statement, Value, ValueType } from '../../kernel/kernel.ts'
import { opsOf, scalarOps } from '../../kernel/scalarOps.ts'
import type { Program } from '../../plan/program.ts'
import { fusesMultiplyAdds } from './available.ts'
import { createWasmMachine } from './machine.ts'

const machine = createWasmMachine({ threads: 1 })
const unfused = createWasmMachine({ threads: 1, fuse: false })
afterAll(() => {
  machine.dispose()
  unfused.dispose()
})

const KERNELS = 80
const UNITS = 5
const BUFFERS = ['x', 'y', 'z']
const WORDS = 256

/** Not toInt, for numbers beyond i32, and not the ops of addresses, which must stay in range. */
const OPS = opsOf({}).filter((op) => {
  const { args, result } = scalarOps[op]
  return op !== 'toInt' && result !== 'int' && !args.some((type) => type === 'int')
})

/** A kernel with three pointers and their initial contents. */
function randomKernel(seed: number): { kernel: Kernel; buffers: Int32Array[] } {
  const random = new Random(seed)
  const b = new KernelBuilder(`random ${seed}`, machine.target)
  const pointers = [b.pointer(), b.pointer(), b.pointer()]
  const writer = new Writer(random, b, pointers)
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    writer.scope(() => {
      writer.indices.push(unit)
      for (let k = 0; k < 4; k++) writer.load()
      writer.block(3)
    })
  })
  const buffers = pointers.map(() => {
    const values = Float32Array.from({ length: WORDS }, () => random.below(2001) / 100 - 10)
    return new Int32Array(values.buffer)
  })
  return { kernel: b.finish(), buffers }
}

/** The same seed gives the same numbers. xorshift32 (Marsaglia, 2003). */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b9) | 1
  }

  /** 32 bits, signed. */
  bits(): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return this.#state
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    return (this.bits() >>> 0) % limit
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

class Writer {
  readonly #random: Random
  readonly #b: KernelBuilder
  readonly #pointers: readonly Value[]
  /** What may be used here: vectors and masks, variables among them, and loop indices below 16. */
  #values: Value[] = []
  #variables: Value[] = []
  indices: Value[] = []

  constructor(random: Random, b: KernelBuilder, pointers: readonly Value[]) {
    this.#random = random
    this.#b = b
    this.#pointers = pointers
  }

  /** What is made inside is forgotten at the end. */
  scope(body: () => void): void {
    const [values, variables, indices] = [[...this.#values], [...this.#variables], [...this.indices]]
    body()
    this.#values = values
    this.#variables = variables
    this.indices = indices
  }

  block(depth: number): void {
    const statements = 4 + this.#random.below(12)
    for (let k = 0; k < statements; k++) this.#statement(depth)
  }

  load(): void {
    const type = this.#random.pick(['f32', 'i32'] as const)
    const lanes = 1 + this.#random.below(this.#b.lanes)
    this.#values.push(this.#b.load(this.#address(), lanes, type))
  }

  #statement(depth: number): void {
    const kind = this.#random.below(12)
    if (kind === 0 && depth > 0) this.#loop(depth)
    else if (kind === 1) this.load()
    else if (kind === 2) this.#store()
    else if (kind === 3) this.#declare()
    else if (kind <= 5) this.#assign()
    else this.#op()
  }

  #loop(depth: number): void {
    const from = this.#random.below(4)
    const to = this.#random.below(2) === 0 ? this.#random.below(12) : this.#random.pick(this.indices)
    this.#b.for(from, to, 1 + this.#random.below(3), (index) => {
      this.scope(() => {
        this.indices.push(index)
        this.block(depth - 1)
      })
    })
  }

  /** Any word of a buffer that leaves room for a vector. */
  #address(): ReturnType<KernelBuilder['at']> {
    const offset = 4 * this.#random.below(WORDS - 40)
    return this.#b.at(this.#random.pick(this.#pointers), offset, this.#random.pick(this.indices), 4)
  }

  #store(): void {
    const value = this.#find(this.#random.pick(['f32', 'i32'] as const))
    if (value !== undefined) this.#b.store(value, this.#address(), 1 + this.#random.below(this.#b.lanes))
  }

  #declare(): void {
    const value = this.#find(this.#random.pick(['f32', 'i32', 'mask'] as const))
    if (value === undefined) return
    const variable = this.#b.variable(value)
    this.#variables.push(variable)
    this.#values.push(variable)
  }

  #assign(): void {
    if (this.#variables.length === 0) return
    const variable = this.#random.pick(this.#variables)
    this.#b.assign(variable, this.#find(variable.type)!)
  }

  #op(): void {
    const op = this.#random.pick(OPS)
    const args = scalarOps[op].args.map((type) => this.#find(type))
    if (args.some((arg) => arg === undefined)) return
    const below = this.#random.below(32)
    const immediate = op.startsWith('merge') ? 1 << (below % Math.log2(this.#b.lanes)) : below
    this.#values.push(this.#b.op(op, args as Value[], immediate))
  }

  #find(type: ValueType): Value | undefined {
    const fitting = this.#values.filter((value) => value.type === type)
    return fitting.length === 0 ? undefined : this.#random.pick(fitting)
  }
}

/** One program, one launch for each kernel, three buffers for each launch. */
function programOf(kernels: readonly Kernel[]): Program {
  const names = kernels.map((_, k) => BUFFERS.map((buffer) => `${k}.${buffer}`))
  return {
    name: 'random',
    kernels,
    launches: kernels.map(({ name }, k) => ({
      kernel: k,
      label: name,
      buffers: names[k]!.map((buffer) => ({ space: 'persistent', name: buffer, offset: 0 })),
      units: UNITS,
      barrier: true,
      flops: 0,
      bytes: 0,
    })),
    persistent: names.flat().map((name) => ({ name, dtype: 'i32', shape: [WORDS] })),
    arenaBytes: 0,
    scratchBytes: 0,
    flops: 0,
  }
}

function interpreted(kernel: Kernel, buffers: readonly Int32Array[], fused = false): readonly Int32Array[] {
  const segments: Segment[] = buffers.map((words, k) => ({
    name: BUFFERS[k]!,
    address: (k + 1) * 65536,
    words: Int32Array.from(words),
  }))
  const pointers = segments.map((segment) => segment.address)
  const units = { unitBegin: 0, unitEnd: UNITS, scratch: 0 }
  interpretKernel(kernel, { memory: segments, pointers, ...units, fusedMultiplyAdd: fused })
  return segments.map((segment) => segment.words)
}

/** The bits, with every NaN written alike: which NaN an operation gives is not defined. */
function canonical(words: Int32Array): number[] {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length)
  return Array.from(words, (bits, k) => (Number.isNaN(floats[k]) ? 0x7fc00000 : bits))
}

describe('random kernels', () => {
  const samples = Array.from({ length: KERNELS }, (_, seed) => randomKernel(seed))

  it.each([
    { how: 'rounded once where the engine can', machine, fused: fusesMultiplyAdds() },
    { how: 'rounded twice', machine: unfused, fused: false },
  ])('give the same bits as their interpretation, multiply-adds $how', ({ machine, fused }) => {
    const buffer = (k: number, name: string): Int32Array => machine.buffer(`${k}.${name}`, 'i32', [WORDS]) as Int32Array
    const program = machine.load(programOf(samples.map((sample) => sample.kernel)))
    samples.forEach(({ buffers }, k) => BUFFERS.forEach((name, n) => buffer(k, name).set(buffers[n]!)))
    program.run()
    samples.forEach(({ kernel, buffers }, k) => {
      const meant = interpreted(kernel, buffers, fused)
      BUFFERS.forEach((name, n) => {
        const where = { kernel: kernel.name, buffer: name }
        expect({ ...where, words: canonical(buffer(k, name)) }).toEqual({ ...where, words: canonical(meant[n]!) })
      })
    })
  })

  it('are worth running: they change their buffers, loop and nest', () => {
    const changed = samples.filter(({ kernel, buffers }) =>
      interpreted(kernel, buffers).some((words, n) => words.some((word, at) => word !== buffers[n]![at])),
    )
    expect(changed.length).toBeGreaterThan(KERNELS / 2)
    const nested = samples.filter(({ kernel }) => depthOf(kernel.body) >= 3)
    expect(nested.length).toBeGreaterThan(KERNELS / 8)
  })
})

function depthOf(body: readonly Statement[]): number {
  return Math.max(0, ...body.map((statement) => (statement.kind === 'for' ? 1 + depthOf(statement.body) : 0)))
}
