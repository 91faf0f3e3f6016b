// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011),
// with the constants of their Random123 library. A block of four words is a pure function of (counter, key): there is
// no state to save, and any word can be computed on its own.

/** Four 32-bit words, each read as unsigned. */
export type FourWords = readonly [number, number, number, number]

/** Two 32-bit words, each read as unsigned. */
export type TwoWords = readonly [number, number]

export const PHILOX_ROUNDS = 10
/** Multipliers of the first and the third counter word. */
export const PHILOX_M0 = 0xd2511f53
export const PHILOX_M1 = 0xcd9e8d57
/** Added to the key words after each round: the golden ratio and sqrt(3) - 1 in 32-bit fixed point. */
export const PHILOX_W0 = 0x9e3779b9
export const PHILOX_W1 = 0xbb67ae85

// As signed integers: V8 would otherwise take the sums and products through float64, at half the speed.
const M0_SIGNED = PHILOX_M0 | 0
const M1_SIGNED = PHILOX_M1 | 0
const W0_SIGNED = PHILOX_W0 | 0
const W1_SIGNED = PHILOX_W1 | 0
const M0_LOW = PHILOX_M0 & 0xffff
const M0_HIGH = PHILOX_M0 >>> 16
const M1_LOW = PHILOX_M1 & 0xffff
const M1_HIGH = PHILOX_M1 >>> 16

/**
 * The block of `counter` under `key`: four unsigned 32-bit words.
 * Words outside [0, 2^32) are taken modulo 2^32.
 */
export function philox4x32(counter: FourWords, key: TwoWords): [number, number, number, number] {
  const block = new Uint32Array(4)
  philox4x32Into(block, 0, counter[0], counter[1], counter[2], counter[3], key[0], key[1])
  return [block[0]!, block[1]!, block[2]!, block[3]!]
}

/** `philox4x32` without allocation: writes the block to `out[offset .. offset + 4)`. */
export function philox4x32Into(
  out: Uint32Array,
  offset: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let c0 = counter0 | 0
  let c1 = counter1 | 0
  let c2 = counter2 | 0
  let c3 = counter3 | 0
  let k0 = key0 | 0
  let k1 = key1 | 0
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const high0 = multiplyHigh(c0, M0_LOW, M0_HIGH)
    const high1 = multiplyHigh(c2, M1_LOW, M1_HIGH)
    const low0 = Math.imul(c0, M0_SIGNED)
    const low1 = Math.imul(c2, M1_SIGNED)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + W0_SIGNED) | 0
    k1 = (k1 + W1_SIGNED) | 0
  }
  out[offset] = c0
  out[offset + 1] = c1
  out[offset + 2] = c2
  out[offset + 3] = c3
}

/** The upper 32 bits of the unsigned 64-bit product a · (high · 2^16 + low), from four exact 16-bit products. */
function multiplyHigh(a: number, low: number, high: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  // Neither sum can pass 2^32: (2^16 - 1)^2 + 2^16 - 1 < 2^32.
  const middle = (Math.imul(aHigh, low) + (Math.imul(aLow, low) >>> 16)) | 0
  const carry = (Math.imul(aLow, high) + (middle & 0xffff)) | 0
  return (Math.imul(aHigh, high) + (((middle >>> 16) + (carry >>> 16)) | 0)) | 0
}
