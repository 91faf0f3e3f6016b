/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC'11): ten rounds of multiplication turn (key, counter) into four random words, without any state.
 */

export const philoxMultipliers = [0xd2511f53, 0xcd9e8d57] as const
/** Added to the key after each round: the golden ratio and √3 - 1, as fractions of 2^32. */
export const philoxKeySteps = [0x9e3779b9, 0xbb67ae85] as const
export const philoxRounds = 10

/**
 * The four 32-bit words (unsigned) for a key of two words and a counter of four. Writes into `out` and returns it.
 */
export function philox4x32(
  key: readonly [number, number],
  counter: readonly [number, number, number, number],
  out: Uint32Array = new Uint32Array(4),
): Uint32Array {
  const [m0, m1] = philoxMultipliers
  let [k0, k1] = key
  let [c0, c1, c2, c3] = counter
  for (let round = 0; round < philoxRounds; round++) {
    const [high0, low0] = [mulHighUnsigned(m0, c0), Math.imul(m0, c0)]
    const [high1, low1] = [mulHighUnsigned(m1, c2), Math.imul(m1, c2)]
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + philoxKeySteps[0]) | 0
    k1 = (k1 + philoxKeySteps[1]) | 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
  return out
}

/** A random word as a number in [0, 1): its top 24 bits, which f32 holds exactly. */
export function uniformOfWord(word: number): number {
  return (word >>> 8) * 2 ** -24
}

/** High 32 bits of the unsigned product, from products of 32 and 16 bits, which float64 holds exactly. */
function mulHighUnsigned(a: number, b: number): number {
  const [au, high, low] = [a >>> 0, b >>> 16, b & 0xffff]
  return Math.floor((au * high + Math.floor((au * low) / 0x10000)) / 0x10000) | 0
}
