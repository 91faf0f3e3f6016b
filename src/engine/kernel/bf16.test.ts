import { describe, expect, it } from 'vitest'
import { bf16Bits, fromBf16Bits, roundToBf16 } from './bf16.ts'
import { KernelBuilder } from './builder.ts'
import { interpretKernel } from './interpret.ts'
import { bf16Pair, pairDot, pairsOf } from './pairs.ts'

/** Every bf16 number from 0 up, by its bits. */
const positive = Array.from({ length: 0x7f80 }, (_, bits) => bits)

describe('rounding to bf16', () => {
  it('keeps what is a bf16 number already, but for denormals', () => {
    const kept = positive.map((bits) => (bits < 0x80 ? 0 : fromBf16Bits(bits)))
    expect(positive.map((bits) => roundToBf16(fromBf16Bits(bits)))).toEqual(kept)
    expect(positive.map((bits) => roundToBf16(-fromBf16Bits(bits)))).toEqual(kept.map((value) => -value))
  })

  it('goes to the nearest, and to the even one from the middle', () => {
    const cases = positive.slice(0x80, -1).flatMap((bits) => {
      const [low, high] = [fromBf16Bits(bits), fromBf16Bits(bits + 1)]
      const middle = low + (high - low) / 2
      const step = (high - low) / 65536
      return [
        [middle - step, low],
        [middle, bits % 2 === 0 ? low : high],
        [middle + step, high],
      ] as const
    })
    expect(cases.filter(([value, expected]) => roundToBf16(value) !== expected)).toEqual([])
  })

  it('overflows to infinity, flushes denormals with their sign, and keeps NaN', () => {
    expect(roundToBf16(3.4e38)).toBe(Infinity)
    expect(roundToBf16(-Infinity)).toBe(-Infinity)
    expect(roundToBf16(-1e-39)).toBe(-0)
    expect(bf16Bits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7f80)
  })
})

/** out[k] = z[k] + the dot product of the pairs (x[2k], x[2k + 1]) and (y[2k], y[2k + 1]), one lane at a time. */
function dots(bf16: 'instruction' | 'expanded', x: readonly number[], y: readonly number[], z: readonly number[]) {
  const lanes = 4
  const b = new KernelBuilder('dots', { lanes, vectorRegisters: 16, bf16 })
  const [px, py, pz, out] = [b.pointer(), b.pointer(), b.pointer(), b.pointer()]
  const count = z.length
  b.for(0, count, 1, (k) => {
    const load = (p: typeof px, offset: number, scale: 4 | 8) => b.load(b.at(p, offset, k, scale), 1)
    const pairs = [px, py].map((p) => pairsOf(b, bf16Pair(b, load(p, 0, 8), load(p, 4, 8))))
    b.store(pairDot(b, pairs[0]!, pairs[1]!, load(pz, 0, 4)), b.at(out, 0, k), 1)
  })
  const memory = Float32Array.from([...x, ...y, ...z, ...z])
  interpretKernel(b.finish(), {
    memory: memory.buffer,
    unitBegin: 0,
    unitEnd: 1,
    scratch: 0,
    pointers: [0, 8 * count, 16 * count, 20 * count],
    fusedMultiplyAdd: true,
  })
  return [...memory.subarray(5 * count)]
}

describe.each(['instruction', 'expanded'] as const)('a dot product of pairs, by %s', (bf16) => {
  it('rounds the operands, adds the second product first, and rounds after each', () => {
    // 2^24 + 1 + 1 is 2^24 when each 1 is added alone; 1.00390625 is between two bf16 numbers.
    expect(dots(bf16, [1, 1], [1, 1], [2 ** 24])).toEqual([2 ** 24])
    expect(dots(bf16, [1, -(2 ** 24)], [1, 1], [2 ** 24])).toEqual([1])
    expect(dots(bf16, [-(2 ** 24), 1], [1, 1], [2 ** 24])).toEqual([0])
    expect(dots(bf16, [1.00390625, 0], [1, 0], [0])).toEqual([1])
    expect(dots(bf16, [1.01171875, 0], [1, 0], [0])).toEqual([1.015625])
  })

  it('is NaN or infinite where f32 is, and takes denormal operands for zeros', () => {
    expect(dots(bf16, [Number.NaN, 0], [1, 1], [0])).toEqual([Number.NaN])
    expect(dots(bf16, [0, Infinity], [1, 0], [0])).toEqual([Number.NaN])
    expect(dots(bf16, [2 ** 100, 0], [2 ** 100, 0], [0])).toEqual([Infinity])
    expect(dots(bf16, [2 ** -130, 2 ** -130], [2 ** 100, 2 ** 100], [3])).toEqual([3])
  })
})

describe('a dot product of pairs by the instruction', () => {
  it('takes a denormal sum for zero and leaves none', () => {
    expect(dots('instruction', [0, 0], [0, 0], [2 ** -130])).toEqual([0])
    expect(dots('instruction', [2 ** -70, 0], [2 ** -70, 0], [0])).toEqual([0])
  })
})
