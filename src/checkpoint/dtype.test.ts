import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { narrowBf16, narrowF16, widenBf16, widenF16 } from './dtype.ts'

function widened(widen: (bits: Uint16Array, out: Float32Array) => void, ...bits: number[]): number[] {
  const out = new Float32Array(bits.length)
  widen(Uint16Array.from(bits), out)
  return [...out]
}

describe('half precision', () => {
  it('F16 widens to the numbers of IEEE 754', () => {
    expect(widened(widenF16, 0x0000, 0x8000, 0x3c00, 0xc000, 0x3555, 0x7bff)).toEqual([
      0, -0, 1, -2, 0.333251953125, 65504,
    ])
    // Smallest subnormal, largest subnormal, smallest normal.
    expect(widened(widenF16, 0x0001, 0x03ff, 0x0400)).toEqual([2 ** -24, 1023 * 2 ** -24, 2 ** -14])
    expect(widened(widenF16, 0x7c00, 0xfc00, 0x7e00)).toEqual([Infinity, -Infinity, NaN])
  })

  it('F16 is monotonic over all its positive bits', () => {
    const all = widened(widenF16, ...Array.from({ length: 0x7c01 }, (_, bits) => bits))
    expect(all.every((value, i) => i === 0 || value > all[i - 1]!)).toBe(true)
  })

  it('BF16 is the upper half of a float32', () => {
    expect(widened(widenBf16, 0x3f80, 0xc000, 0x0000, 0x8000, 0x7f80, 0x7fc0)).toEqual([1, -2, 0, -0, Infinity, NaN])
    expect(widened(widenBf16, 0x4049, 0x0001)).toEqual([3.140625, 2 ** -133])
  })
})

function narrowed(narrow: (numbers: Float32Array, out: Uint16Array) => void, ...numbers: number[]): number[] {
  const out = new Uint16Array(numbers.length)
  narrow(Float32Array.from(numbers), out)
  return [...out]
}

const types = [
  ['F16', widenF16, narrowF16, 0x7c00],
  ['BF16', widenBf16, narrowBf16, 0x7f80],
] as const

describe.each(types)('rounding to %s', (name, widen, narrow, infinity) => {
  it('gives back the bits of every number that the type has', () => {
    const all = Array.from({ length: 0x10000 }, (_, bits) => bits).filter((bits) => (bits & 0x7fff) <= infinity)
    expect(narrowed(narrow, ...widened(widen, ...all))).toEqual(all)
  })

  it('takes the nearer of two neighbours, and the even one half-way between them', () => {
    // Between the neighbours a < b of the type: their middle is a float32 exactly, and so are its own neighbours.
    const word = new Uint32Array(1)
    const number = new Float32Array(word.buffer)
    const beside = (value: number, by: number): number => {
      number[0] = value
      word[0]! += by
      return number[0]!
    }
    const places = Array.from({ length: infinity - 2 }, (_, i) => i + 1)
    const values = widened(widen, ...places, infinity - 1)
    const around = places.flatMap((_, i) => {
      const middle = (values[i]! + values[i + 1]!) / 2
      return [beside(middle, -1), middle, beside(middle, 1)]
    })
    const expected = places.flatMap((bits) => [bits, bits % 2 === 0 ? bits : bits + 1, bits + 1])
    expect(narrowed(narrow, ...around)).toEqual(expected)
  })

  it('keeps the sign, infinities and NaN', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (value) => {
        const [positive = 0, negative = 0] = narrowed(narrow, Math.abs(value), -Math.abs(value))
        expect(negative).toBe(positive | 0x8000)
      }),
    )
    expect(narrowed(narrow, Infinity, -Infinity)).toEqual([infinity, infinity | 0x8000])
    expect(widened(widen, ...narrowed(narrow, Number.NaN))).toEqual([Number.NaN])
    const payload = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer)
    const out = new Uint16Array(2)
    narrow(payload, out)
    expect(widened(widen, ...out)).toEqual([Number.NaN, Number.NaN])
  })

  it('ends where the type ends', () => {
    const [largest = 0] = widened(widen, infinity - 1)
    const step = name === 'F16' ? 32 : 2 ** 120
    expect(narrowed(narrow, largest, largest + 0.49 * step, largest + step / 2)).toEqual([
      infinity - 1,
      infinity - 1,
      infinity,
    ])
    expect(narrowed(narrow, 2 ** -149)).toEqual([0])
  })
})
