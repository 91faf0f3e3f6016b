import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import {
  PHILOX_M0,
  PHILOX_M1,
  PHILOX_ROUNDS,
  PHILOX_W0,
  PHILOX_W1,
  philox4x32,
  philox4x32Into,
  type FourWords,
  type TwoWords,
} from './philox.ts'

const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join(' ')

describe('philox4x32', () => {
  // Known answers of Random123, tests/kat_vectors, lines "philox4x32 10".
  const answers: { counter: FourWords; key: TwoWords; block: string }[] = [
    { counter: [0, 0, 0, 0], key: [0, 0], block: '6627e8d5 e169c58d bc57ac4c 9b00dbd8' },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      block: '408f276d 41c83b0e a20bc7c6 6d5451fd',
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      block: 'd16cfe09 94fdcceb 5001e420 24126ea1',
    },
  ]
  it.each(answers)('gives the known answer $block', ({ counter, key, block }) => {
    expect(hex(philox4x32(counter, key))).toBe(block)
  })

  it('equals the definition in exact integers', () => {
    const word = fc.nat({ max: 0xffffffff })
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        expect(philox4x32(counter, key)).toEqual(exactPhilox(counter, key))
      }),
    )
  })

  it('writes only its four words', () => {
    const out = new Uint32Array(8).fill(7)
    philox4x32Into(out, 2, 0, 0, 0, 0, 0, 0)
    expect(hex([...out])).toBe('00000007 00000007 6627e8d5 e169c58d bc57ac4c 9b00dbd8 00000007 00000007')
  })
})

function exactPhilox(counter: FourWords, key: TwoWords): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
  let [k0, k1] = key.map(BigInt) as [bigint, bigint]
  const mask = 0xffffffffn
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const product0 = BigInt(PHILOX_M0) * c0
    const product1 = BigInt(PHILOX_M1) * c2
    ;[c0, c1, c2, c3] = [(product1 >> 32n) ^ c1 ^ k0, product1 & mask, (product0 >> 32n) ^ c3 ^ k1, product0 & mask]
    k0 = (k0 + BigInt(PHILOX_W0)) & mask
    k1 = (k1 + BigInt(PHILOX_W1)) & mask
  }
  return [c0, c1, c2, c3].map(Number)
}
