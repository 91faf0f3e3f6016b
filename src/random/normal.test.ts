import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fillBlocks, fillNormal } from './normal.ts'
import { fillVectors } from './normalVectors.ts'
import { philox4x32 } from './philox.ts'

function draw(length: number, mean = 0, std = 1, stream = 3): Float32Array {
  const out = new Float32Array(length).fill(Number.NaN)
  fillNormal(out, mean, std, 1337, 42, stream)
  return out
}

describe('fillNormal', () => {
  it('is Box-Muller over Philox words', () => {
    const out = draw(400)
    for (let i = 0; i < 400; i += 4) {
      const words = philox4x32([i / 4, 0, 3, 1], [1337, 42])
      for (const pair of [0, 2]) {
        const radius = Math.sqrt(-2 * Math.log((words[pair]! + 0.5) / 2 ** 32))
        const angle = 2 * Math.PI * ((words[pair + 1]! + 0.5) / 2 ** 32) - Math.PI / 4
        expect(Math.abs(out[i + pair]! - radius * Math.cos(angle))).toBeLessThan(1e-6)
        expect(Math.abs(out[i + pair + 1]! - radius * Math.sin(angle))).toBeLessThan(1e-6)
      }
    }
  })

  it('has the moments and the tails of the normal distribution', () => {
    const n = 200_000
    const out = draw(n)
    const moment = (power: number): number => out.reduce((sum, x) => sum + x ** power, 0) / n
    // Bounds are four standard errors: sqrt(1, 2, 15, 96) / sqrt(n).
    expect(Math.abs(moment(1))).toBeLessThan(0.009)
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.0127)
    expect(Math.abs(moment(3))).toBeLessThan(0.035)
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.088)
    const share = (bound: number): number => out.filter((x) => Math.abs(x) < bound).length / n
    expect(share(1)).toBeCloseTo(0.6827, 2)
    expect(share(2)).toBeCloseTo(0.9545, 2)
    expect(share(3)).toBeCloseTo(0.9973, 3)
  })

  it('draws neighbours and streams independently', () => {
    const n = 100_000
    const a = draw(n)
    const b = draw(n, 0, 1, 4)
    const correlation = (lag: number, other: Float32Array): number =>
      a.reduce((sum, x, i) => sum + x * other[(i + lag) % n]!, 0) / n
    for (const value of [correlation(1, a), correlation(2, a), correlation(4, a), correlation(0, b)]) {
      expect(Math.abs(value)).toBeLessThan(4 / Math.sqrt(n))
    }
  })

  it('gives a longer array the numbers of a shorter one first, and fills it all', () => {
    const long = draw(103)
    expect(long.every((x) => Number.isFinite(x))).toBe(true)
    for (const length of [0, 1, 2, 3, 4, 5, 50]) expect(draw(length)).toEqual(long.slice(0, length))
  })

  it('applies mean and standard deviation', () => {
    const plain = draw(8)
    const shifted = draw(8, 10, 0.5)
    plain.forEach((x, i) => expect(shifted[i]).toBeCloseTo(10 + 0.5 * x, 5))
    expect(draw(8, 2, 0)).toEqual(new Float32Array(8).fill(2))
  })

  it('has the same bits everywhere', () => {
    const bytes = new Uint8Array(draw(10_000).buffer)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      'adfa8bb7ebd26eada9a631b7a450d74d40597f71e34146aaad1c135ef2782df0',
    )
  })

  it('has the same bits from vectors as from one block at a time', () => {
    expect(fillVectors()).not.toBeNull()
    for (const [length, stream] of [
      [16 * 2500, 0],
      [4096, 0xffffffff],
      [65_536 + 7, 12],
    ] as const) {
      const single = new Float32Array(length)
      fillBlocks(single, 0, 0.25, 0.02, 0xfedcba98, 7, stream)
      const out = new Float32Array(length)
      fillNormal(out, 0.25, 0.02, 0xfedcba98, 7, stream)
      expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(single.buffer))).toBe(0)
    }
  })

  it.each([
    [Number.NaN, 1],
    [0, -1],
    [0, Number.POSITIVE_INFINITY],
  ])('refuses mean %s with std %s', (mean, std) => {
    expect(() => draw(4, mean, std)).toThrow(RangeError)
  })
})
