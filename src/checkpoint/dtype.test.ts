import { describe, expect, it } from 'vitest'
import { widenBf16, widenF16 } from './dtype.ts'

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
