/** Generated WebAssembly against the kernel interpreter, bit for bit. */
import { afterAll, describe, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import { interpretKernel, type Segment } from '../../kernel/interpret.ts'
import type { Kernel, Value, ValueType } from '../../kernel/kernel.ts'
import { opsOf, scalarOps, type ScalarOpName } from '../../kernel/scalarOps.ts'
import { fusesMultiplyAdds } from './available.ts'
import { createWasmMachine } from './machine.ts'

const machine = createWasmMachine({ threads: 1 })
afterAll(() => machine.dispose())
const { target } = machine
let runs = 0

/** Runs a kernel on both; every buffer is one pointer. Returns the buffers of both, in words. */
function runBoth(
  kernel: Kernel,
  buffers: readonly Int32Array[],
  units = 1,
): { wasm: Int32Array[]; meant: Int32Array[] } {
  const prefix = `test${runs++}.`
  const names = buffers.map((_, k) => `${prefix}${k}`)
  const wasm = buffers.map((values, k) => {
    const words = machine.buffer(names[k]!, 'i32', [values.length]) as Int32Array
    words.set(values)
    return words
  })
  const program = machine.load({
    name: kernel.name,
    kernels: [kernel],
    launches: [
      {
        kernel: 0,
        label: kernel.name,
        buffers: names.map((name) => ({ space: 'persistent', name, offset: 0 })),
        units,
        barrier: true,
        flops: 0,
        bytes: 0,
      },
    ],
    persistent: names.map((name, k) => ({ name, dtype: 'i32', shape: [buffers[k]!.length] })),
    arenaBytes: 0,
    scratchBytes: kernel.scratchBytes,
    flops: 0,
  })
  program.run()
  const segments = interpretOn(kernel, buffers, units)
  return { wasm, meant: segments.map((segment) => segment.words) }
}

function interpretOn(kernel: Kernel, buffers: readonly Int32Array[], units: number): Segment[] {
  const segments = buffers.map((values, k) => ({
    name: `buffer ${k}`,
    address: 2 ** 26 * (k + 1),
    words: Int32Array.from(values),
  }))
  const scratch = { name: 'scratch', address: 4096, words: new Int32Array(kernel.scratchBytes / 4) }
  interpretKernel(kernel, {
    memory: [...segments, scratch],
    unitBegin: 0,
    unitEnd: units,
    scratch: scratch.address,
    pointers: segments.map((segment) => segment.address),
    fusedMultiplyAdd: fusesMultiplyAdds(),
  })
  return segments
}

/** The bits, with every NaN written alike: which NaN an operation gives is not defined. */
function canonical(words: Int32Array): number[] {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length)
  return Array.from(words, (bits, k) => (Number.isNaN(floats[k]) ? 0x7fc00000 : bits))
}

const bitsOf = (values: readonly number[]): number[] => [...new Int32Array(Float32Array.from(values).buffer)]

/** Arbitrary bits: the first values of the linear congruential generator of Numerical Recipes. */
function arbitraryBits(count: number): number[] {
  let state = 1
  return Array.from({ length: count }, () => (state = (Math.imul(state, 1664525) + 1013904223) | 0))
}

const FLOATS = [
  ...bitsOf([0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1 / 3, Math.PI, 1e10, -1e-10, 16777216, 8388607.5, -8388608.5]),
  ...bitsOf([1e-45, -1e-45, 1.1754942e-38, 1.17549435e-38, -1.17549435e-38, 3.4028235e38, -3.4028235e38]),
  ...bitsOf([Infinity, -Infinity, Number.NaN, 2147483520, -2147483648]),
  ...arbitraryBits(20),
]
const EDGE_INTEGERS = [0, 1, -1, 2, 3, 31, 65535, 65536, -65536, 0x12345678, -0x12345679, 0x7fffffff, -0x80000000]
const INTEGERS = [...EDGE_INTEGERS, ...arbitraryBits(12)]
const INDICES = [0, 1, 2, 3, 7, 63, 64, 1000, 12345, 65536, 2 ** 24, 2 ** 31 - 1]

const operands: { readonly [T in ValueType]: readonly number[] } = {
  f32: FLOATS,
  i32: INTEGERS,
  mask: [0, 1, 0, 0, 1],
  int: INDICES,
}

const immediates: { readonly [K in ScalarOpName]?: readonly number[] } = {
  shiftLeft: [0, 1, 9, 31],
  shiftRight: [0, 1, 9, 31],
  mergeEven: [1, 2],
  mergeOdd: [1, 2],
  constant: [0, -0, 1.5, -Infinity, Number.NaN, Math.fround(1e-45)],
  constantInt: [0, -1, 0x7fffffff, -0x80000000],
  intConstant: [0, 5, -7, 2 ** 31 - 1],
  intAddImmediate: [0, 12, -12],
  intMulImmediate: [0, 1, 3, 64],
  intDivImmediate: [1, 2, 7, 64, 1000],
  intModImmediate: [1, 2, 7, 64, 1000],
}

/** All combinations of operands, or a fixed sample of them where they are many; lane by lane. */
function combinations(types: readonly ValueType[]): number[][] {
  const counts = types.map((type) => operands[type].length)
  const all = counts.reduce((product, count) => product * count, 1)
  const length = Math.ceil(Math.min(all, 4096) / 4) * 4
  return types.map((type, argument) => {
    const stride = counts.slice(0, argument).reduce((product, count) => product * count, 1)
    const values = operands[type]
    return Array.from({ length }, (_, k) => values[Math.floor(((k * 7919) % all) / stride) % values.length]!)
  })
}

/** Stores op(a, b, …) for each vector of operands: unit u does vector u. */
function kernelOf(op: ScalarOpName, immediate: number): Kernel {
  const b = new KernelBuilder(op, target)
  const types = scalarOps[op].args
  const inputs = types.map(() => b.pointer())
  const output = b.pointer()
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const at = b.intMul(unit, 16)
    const args = types.map((type, k): Value => {
      if (type === 'int') return b.loadInt(b.at(inputs[k]!, 0, at, 1))
      if (type !== 'mask') return b.load(b.at(inputs[k]!, 0, at, 1), 4, type)
      return b.op('equalInt', [b.load(b.at(inputs[k]!, 0, at, 1), 4, 'i32'), b.constantInt(1)])
    })
    const result = b.op(op, args, immediate)
    const stored =
      result.type === 'int'
        ? b.op('splat', [result])
        : result.type === 'mask'
          ? b.select(result, b.constantInt(1), b.constantInt(0))
          : result
    b.store(stored, b.at(output, 0, at, 1))
  })
  return b.finish()
}

describe('every scalar op means what the interpreter says', () => {
  const cases = opsOf({}).flatMap((op) =>
    (immediates[op] ?? [0]).map((immediate): [string, ScalarOpName, number] => [`${op} ${immediate}`, op, immediate]),
  )
  it.each(cases)('%s', (_, op, immediate) => {
    const { args, result } = scalarOps[op]
    expect('immediate' in scalarOps[op]).toBe(immediates[op] !== undefined)
    const inputs = combinations(args).map((values) => Int32Array.from(values))
    const length = inputs[0]?.length ?? 4
    const { wasm, meant } = runBoth(kernelOf(op, immediate), [...inputs, new Int32Array(length)], length / 4)
    const [got, wanted] = [wasm.at(-1)!, meant.at(-1)!]
    if (result === 'f32') expect(canonical(got)).toEqual(canonical(wanted))
    else expect([...got]).toEqual([...wanted])
  })

  it('keeps the bits of NaN through what only moves them', () => {
    const b = new KernelBuilder('bits', target)
    const p = b.pointer()
    const x = b.load(b.at(p))
    b.store(b.op('neg', [x]), b.at(p, 16))
    b.store(b.op('abs', [x]), b.at(p, 32))
    b.store(b.select(b.op('equal', [x, x]), b.constant(1), x), b.at(p, 48))
    const words = new Int32Array(16)
    words.set([0x7fc12345, -0x3edcba, 0x7f812345, 0x3f800000])
    const { wasm, meant } = runBoth(b.finish(), [words])
    expect([...wasm[0]!]).toEqual([...meant[0]!])
  })
})

describe('memory', () => {
  it.each([1, 2, 3, 4])('loads and stores %i lanes and no more', (lanes) => {
    const b = new KernelBuilder(`lanes ${lanes}`, target)
    const [from, to] = [b.pointer(), b.pointer()]
    b.for(0, 8, 4, (index) => {
      const vector = b.load(b.at(from, 4, index), lanes)
      b.store(vector, b.at(to, 0, index))
      b.store(b.op('asInt', [vector]), b.at(to, 64, index), lanes)
      b.store(b.broadcast(b.at(from, 8, index), 'i32'), b.at(to, 128, index), lanes)
    })
    const data = Int32Array.from({ length: 16 }, (_, k) => 1000 + k)
    const { wasm, meant } = runBoth(b.finish(), [data, Int32Array.from({ length: 64 }, (_, k) => -k)])
    expect([...wasm[1]!]).toEqual([...meant[1]!])
  })

  it('adds base, scaled index and offset, also where the offset is negative or the index', () => {
    const b = new KernelBuilder('addresses', target)
    const [from, to] = [b.pointer(), b.pointer()]
    const middle = b.intAdd(from, 128)
    let out = 0
    for (const scale of [1, 2, 4, 8] as const) {
      for (const [index, offset] of [
        [8, 0],
        [8, 16],
        [8, -32],
        [-8, 0],
        [-8, 64],
      ] as const) {
        b.store(b.load(b.at(middle, offset, b.int(index), scale), 4, 'i32'), b.at(to, out))
        out += 16
      }
    }
    const data = Int32Array.from({ length: 64 }, (_, k) => k)
    const { wasm, meant } = runBoth(b.finish(), [data, new Int32Array(out / 4)])
    expect([...wasm[1]!]).toEqual([...meant[1]!])
  })

  it('takes 60 pointers', () => {
    const b = new KernelBuilder('sixty', target)
    const pointers = Array.from({ length: 60 }, () => b.pointer())
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const at = b.intMul(unit, 16)
      const terms = pointers.slice(0, 59).map((pointer) => b.load(b.at(pointer, 0, at, 1), 4, 'i32'))
      b.store(
        terms.reduce((sum, term) => b.op('addInt', [sum, term])),
        b.at(pointers[59]!, 0, at, 1),
      )
    })
    const buffers = pointers.map((_, k) => Int32Array.from({ length: 8 }, (_, lane) => 100 * k + lane))
    const { wasm, meant } = runBoth(b.finish(), buffers, 2)
    expect(wasm[59]).toEqual(meant[59])
    expect(wasm[59]![0]).toBe(100 * ((58 * 59) / 2))
  })
})

describe('loops and variables', () => {
  it('runs loops nested to depth 6, zero-trip and dynamic ones, and bounds that the body changes', () => {
    const b = new KernelBuilder('loops', target)
    const out = b.pointer()
    const count = b.variable(b.constantInt(0))
    const bump = (by: number): void => b.assign(count, b.op('addInt', [count, b.constantInt(by)]))
    const nest = (depth: number, outer: Value): void => {
      if (depth === 6) return bump(1)
      b.for(depth % 2, outer, 1 + (depth % 3), (index) => nest(depth + 1, b.intMax(index, 3)))
    }
    nest(0, b.int(4))
    b.for(3, 3, 1, () => bump(1_000_000))
    b.for(b.int(5), b.int(2), 1, () => bump(1_000_000))
    b.for(-2, 1, 1, () => bump(1000))
    const limit = b.variable(b.int(3))
    b.for(0, limit, 1, () => {
      b.assign(limit, b.intAdd(limit, 1))
      bump(100_000)
    })
    b.store(count, b.at(out))
    b.store(b.op('splat', [limit]), b.at(out, 16))
    const { wasm, meant } = runBoth(b.finish(), [new Int32Array(8)])
    expect(wasm[0]).toEqual(meant[0])
    expect(meant[0]![0]! % 1_000_000).toBeGreaterThan(303_000)
    expect(meant[0]![4]).toBe(6)
  })

  it('copies a variable that is assigned to another', () => {
    const b = new KernelBuilder('swap', target)
    const out = b.pointer()
    const [x, y] = [b.variable(b.constantInt(1)), b.variable(b.constantInt(2))]
    b.for(0, b.int(3), 1, () => {
      const old = b.variable(x)
      b.assign(x, y)
      b.assign(y, old)
    })
    b.store(x, b.at(out))
    b.store(y, b.at(out, 16))
    const { wasm } = runBoth(b.finish(), [new Int32Array(8)])
    expect([...wasm[0]!]).toEqual([2, 2, 2, 2, 1, 1, 1, 1])
  })

  it('gives each call its scratch memory', () => {
    const b = new KernelBuilder('scratch', target)
    const out = b.pointer()
    const [first, second] = [b.reserveScratch(20), b.reserveScratch(16)]
    b.store(b.op('laneIndex', []), b.at(b.scratch, first))
    b.store(b.constantInt(9), b.at(b.scratch, second))
    b.store(b.load(b.at(b.scratch, first), 4, 'i32'), b.at(out))
    const { wasm } = runBoth(b.finish(), [new Int32Array(4)])
    expect([...wasm[0]!]).toEqual([0, 1, 2, 3])
  })
})
