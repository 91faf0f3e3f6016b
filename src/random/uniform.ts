import { hashName } from './hashName.ts'
import { philox4x32Into, type TwoWords } from './philox.ts'

const TWO_POW_21 = 2 ** 21
const TWO_POW_MINUS_53 = 2 ** -53

/** A number in [0, 1) with 53 random bits, from two 32-bit words. */
export function uniform(word0: number, word1: number): number {
  return ((word0 >>> 0) * TWO_POW_21 + (word1 >>> 11)) * TWO_POW_MINUS_53
}

/**
 * A whole number in [0, bound) from two 32-bit words: floor(bound · u). Some values are likelier than others by at most
 * one part in 2^53 / bound. `bound` must be a whole number from 1 to 2^53 - 1, else RangeError.
 */
export function uniformInt(word0: number, word1: number, bound: number): number {
  if (!Number.isSafeInteger(bound) || bound < 1) {
    throw new RangeError(`uniformInt: bound is ${bound}; it must be a whole number from 1 to 2^53 - 1.`)
  }
  // Rounding can lift u · bound to bound itself when u is the largest number below 1.
  return Math.min(Math.floor(uniform(word0, word1) * bound), bound - 1)
}

/** The key under which `purpose` ("batches", "initialisation", …) draws in a run with this seed. */
export function keyFor(seed: number, purpose: string): TwoWords {
  return [seed >>> 0, hashName(purpose)]
}

/** Reads the numbers of one (key, stream) one after another. */
export interface RandomSequence {
  /** The next unsigned 32-bit word. */
  word(): number
  /** The next number in [0, 1). */
  uniform(): number
  /** The next whole number in [0, bound). */
  integer(bound: number): number
}

/** A sequence that starts at the first word of `stream` under `key`; the same arguments give the same numbers. */
export function randomSequence(key: TwoWords, stream = 0): RandomSequence {
  const block = new Uint32Array(4)
  let used = 4
  let index = 0
  const word = (): number => {
    if (used === 4) {
      philox4x32Into(block, 0, index, Math.floor(index / 2 ** 32), stream, 0, key[0], key[1])
      index += 1
      used = 0
    }
    return block[used++]!
  }
  const pair = <T>(join: (word0: number, word1: number) => T): T => {
    const word0 = word()
    return join(word0, word())
  }
  return {
    word,
    uniform: () => pair(uniform),
    integer: (bound) => pair((word0, word1) => uniformInt(word0, word1, bound)),
  }
}
