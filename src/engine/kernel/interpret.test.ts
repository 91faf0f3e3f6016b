import { describe, expect, it } from 'vitest'
import { KernelBuilder } from './builder.ts'
import { interpretKernel } from './interpret.ts'
import { fusedMultiplyAdd } from './scalarMeaning.ts'
import type { Kernel, Value } from './kernel.ts'

const LANES = [4, 8, 16]

/** Runs a kernel whose pointers are given as byte offsets into a memory of `words` f32, filled 0, 1, 2 … */
function run(kernel: Kernel, pointers: readonly number[], words = 64, units = 1): Float32Array {
  const values = Float32Array.from({ length: words }, (_, k) => k)
  interpretKernel(kernel, {
    memory: values.buffer,
    unitBegin: 0,
    unitEnd: units,
    scratch: 0,
    pointers,
    fusedMultiplyAdd: true,
  })
  return values
}

/** The f32 vector that `emit` computes. */
function evaluate(lanes: number, emit: (b: KernelBuilder) => Value): number[] {
  const b = new KernelBuilder('evaluate', { lanes, vectorRegisters: 16 })
  const out = b.pointer()
  b.store(emit(b), b.at(out))
  return [...run(b.finish(), [0]).subarray(0, lanes)]
}

describe.each(LANES)('the interpreter on %i lanes', (lanes) => {
  const target = { lanes, vectorRegisters: 16 }

  it('loads and stores the first lanes only', () => {
    for (let count = 1; count <= lanes; count++) {
      const b = new KernelBuilder('copy', target)
      const [from, to] = [b.pointer(), b.pointer()]
      const vector = b.load(b.at(from), count)
      b.store(vector, b.at(to)) // the lanes beyond the load are zero
      b.store(vector, b.at(to, 4 * lanes), count)
      const values = run(b.finish(), [4, 64])
      const loaded = Array.from({ length: lanes }, (_, k) => (k < count ? k + 1 : 0))
      expect([...values.subarray(16, 16 + lanes)]).toEqual(loaded)
      const stored = Array.from({ length: lanes }, (_, k) => (k < count ? k + 1 : 16 + lanes + k))
      expect([...values.subarray(16 + lanes, 16 + 2 * lanes)]).toEqual(stored)
    }
  })

  it('folds halves in the stated order', () => {
    // 2^24 + 1 is not an f32: the order of the additions shows in the result.
    const terms = Array.from({ length: lanes }, (_, k) => (k === 0 ? 2 ** 24 : 1))
    const b = new KernelBuilder('fold', target)
    const out = b.pointer()
    b.store(b.op('reduceAdd', [b.load(b.at(out))]), b.at(out))
    const values = Float32Array.from(terms)
    const call = { unitBegin: 0, unitEnd: 1, scratch: 0, pointers: [0], fusedMultiplyAdd: true }
    interpretKernel(b.finish(), { memory: values.buffer, ...call })
    const folded = [...terms]
    for (let w = lanes / 2; w >= 1; w /= 2) {
      for (let k = 0; k < w; k++) folded[k] = Math.fround(folded[k]! + folded[k + w]!)
    }
    expect([...values]).toEqual(terms.map(() => folded[0]))
  })

  it('runs nested, zero-trip and dynamic loops, and variables', () => {
    const b = new KernelBuilder('sum', target)
    const out = b.pointer()
    const total = b.variable(b.constantInt(0))
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      b.for(0, unit, 1, (inner) => b.assign(total, b.op('addInt', [total, b.op('splat', [inner])])))
      b.for(5, 5, 1, () => b.assign(total, b.constantInt(-1)))
    })
    b.store(b.op('toFloat', [total]), b.at(out))
    // Σ over units u < 5 of 0 + 1 + … + (u - 1) = 0 + 0 + 1 + 3 + 6
    expect([...run(b.finish(), [0], 64, 5).subarray(0, lanes)]).toEqual(Array.from({ length: lanes }, () => 10))
  })
})

describe('the interpreter', () => {
  it('rounds to f32 after each op, ties to even, keeping the sign of zero', () => {
    expect(evaluate(4, (b) => b.add(b.constant(2 ** 24), b.constant(1)))[0]).toBe(2 ** 24)
    expect(evaluate(4, (b) => b.op('round', [b.constant(2.5)]))[0]).toBe(2)
    expect(evaluate(4, (b) => b.op('round', [b.constant(-3.5)]))[0]).toBe(-4)
    expect(evaluate(4, (b) => b.op('round', [b.constant(-0.25)]))[0]).toBe(-0)
    expect(evaluate(4, (b) => b.op('round', [b.constant(8388609)]))[0]).toBe(8388609)
  })

  it('takes the second operand of min and max where the comparison is false', () => {
    expect(evaluate(4, (b) => b.max(b.constant(Number.NaN), b.constant(1)))[0]).toBe(1)
    expect(evaluate(4, (b) => b.max(b.constant(1), b.constant(Number.NaN)))[0]).toBeNaN()
    expect(evaluate(4, (b) => b.min(b.constant(0), b.constant(-0)))[0]).toBe(-0)
  })

  it('rounds a fused multiply-add once, also where double precision would round twice', () => {
    const a = 1 + 2 ** -23
    expect(fusedMultiplyAdd(a, a, -(1 + 2 ** -22))).toBe(2 ** -46)
    // x * x = 1 + 2^-11 + 2^-24 lies midway between two f32; c is too small for a double's last place, but decides.
    const x = 1 + 2 ** -12
    expect(Math.fround(x * x + 2 ** -60)).toBe(1 + 2 ** -11)
    expect(fusedMultiplyAdd(x, x, 2 ** -60)).toBe(1 + 2 ** -11 + 2 ** -23)
    expect(fusedMultiplyAdd(-x, x, -(2 ** -60))).toBe(-(1 + 2 ** -11 + 2 ** -23))
    expect(fusedMultiplyAdd(x, x, -(2 ** -60))).toBe(1 + 2 ** -11)
  })

  it('names kernel, memory and statement where an access leaves the memory', () => {
    const b = new KernelBuilder('outside', { lanes: 4, vectorRegisters: 16 })
    const [from, to] = [b.pointer(), b.pointer()]
    b.store(b.load(b.at(from, 8)), b.at(to))
    const kernel = b.finish()
    expect(() => run(kernel, [4 * 64 - 16, 0])).toThrow(
      'kernel outside: access to bytes 248 to 264 leaves the memory (memory is 0 to 256) in: f5 = load [p0 + 8]',
    )
    expect(() => run(kernel, [2, 0])).toThrow('is not aligned to 4 bytes')
    expect(() => run(kernel, [0])).toThrow('takes 2 pointers, got 1')
  })

  it('does not let an access span two segments', () => {
    const b = new KernelBuilder('span', { lanes: 4, vectorRegisters: 16 })
    const to = b.pointer()
    b.store(b.constant(1), b.at(to))
    const segments = [
      { name: 'low', address: 0, words: new Int32Array(4) },
      { name: 'high', address: 16, words: new Int32Array(4) },
    ]
    const call = { memory: segments, unitBegin: 0, unitEnd: 1, scratch: 0, fusedMultiplyAdd: true }
    const kernel = b.finish()
    interpretKernel(kernel, { ...call, pointers: [16] })
    expect([...segments[1]!.words]).toEqual(Array.from({ length: 4 }, () => 0x3f800000))
    expect(() => interpretKernel(kernel, { ...call, pointers: [8] })).toThrow('leaves the memory')
  })
})
