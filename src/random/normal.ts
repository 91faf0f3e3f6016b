// Gaussian numbers, the same bits on every platform: only additions, multiplications, divisions and square roots, which
// IEEE 754 defines to the last bit. Math.log, Math.cos and Math.sin may differ between engines and their versions.
import { fillVectors } from './normalVectors.ts'
import { philox4x32Into } from './philox.ts'

const HALF_PI = Math.PI / 2
const QUADRANT_COSINE = Float64Array.of(1, 0, -1, 0)
const QUADRANT_SINE = Float64Array.of(0, 1, 0, -1)
/** 2^-e for e in 0..32, to bring a word into [1/2, 1) by an exact multiplication. */
const SCALE = Float64Array.from({ length: 33 }, (_, e) => 2 ** -e)

/**
 * Fills `out` with independent draws from the normal distribution.
 *
 * Box-Muller: r = sqrt(-2 ln u), then r·cos(2πv) and r·sin(2πv), with u = (word + 1/2) / 2^32, so the largest draw is
 * 6.8 standard deviations. Block i is Philox4x32-10 of counter (i, 0, stream, 1) under the key (key0, key1) and
 * gives out[4i .. 4i + 4), so a longer array starts with the numbers of a shorter one.
 *
 * @param std standard deviation, finite and zero or more, else RangeError
 * @param stream 32 bits; hashName of the parameter's name, so that each parameter has numbers of its own
 */
export function fillNormal(
  out: Float32Array,
  mean: number,
  std: number,
  key0: number,
  key1: number,
  stream: number,
): void {
  if (!Number.isFinite(mean) || !Number.isFinite(std) || std < 0) {
    throw new RangeError(`fillNormal: mean ${mean} and std ${std} must be finite, and std zero or more.`)
  }
  const vectors = out.length < VECTORS_FROM ? null : fillVectors()
  const whole = vectors === null ? 0 : out.length - (out.length % 16)
  vectors?.(out.subarray(0, whole), mean, std, key0, key1, stream)
  fillBlocks(out, whole, mean, std, key0, key1, stream)
}

/** Numbers that are worth compiling for. */
const VECTORS_FROM = 4096

/** Fills `out` from `start` on, a multiple of 4, one block at a time. */
export function fillBlocks(
  out: Float32Array,
  start: number,
  mean: number,
  std: number,
  key0: number,
  key1: number,
  stream: number,
): void {
  const words = new Uint32Array(4)
  const draws = new Float64Array(4)
  for (let i = start; i < out.length; i += 4) {
    normalBlock(draws, words, i / 4, stream, key0, key1)
    for (let k = 0; k < 4 && i + k < out.length; k++) out[i + k] = mean + std * draws[k]!
  }
}

/** Four standard normal draws in float64. */
function normalBlock(
  draws: Float64Array,
  words: Uint32Array,
  index: number,
  stream: number,
  key0: number,
  key1: number,
): void {
  philox4x32Into(words, 0, index, 0, stream, 1, key0, key1)
  boxMuller(draws, 0, words[0]!, words[1]!)
  boxMuller(draws, 2, words[2]!, words[3]!)
}

/** Writes r·cos and r·sin of one pair of words to draws[at] and draws[at + 1]; without branches, which would be guesses. */
function boxMuller(draws: Float64Array, at: number, wordU: number, wordV: number): void {
  const radius = Math.sqrt(-2 * logOfUnit(wordU))
  // The angle is a quadrant (the upper two bits) plus x in (-π/4, π/4); turning all angles by π/4 changes no distribution.
  const x = ((wordV & 0x3fffffff) + 0.5 - 0x20000000) * (HALF_PI / 0x40000000)
  const z = x * x
  // Taylor series; the first terms left out, x^13 / 13! and x^12 / 12!, are below 2e-10 for |x| < π/4.
  const sine = x * (1 + z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z * (1 / 362880 + z * (-1 / 39916800))))))
  const cosine = 1 + z * (-1 / 2 + z * (1 / 24 + z * (-1 / 720 + z * (1 / 40320 + z * (-1 / 3628800)))))
  const turnCosine = QUADRANT_COSINE[wordV >>> 30]!
  const turnSine = QUADRANT_SINE[wordV >>> 30]!
  draws[at] = radius * (cosine * turnCosine - sine * turnSine)
  draws[at + 1] = radius * (sine * turnCosine + cosine * turnSine)
}

/** ln((word + 1/2) / 2^32), which is below zero, with an absolute error below 1e-13. */
function logOfUnit(word: number): number {
  const exponent = 32 - Math.clz32(word)
  const m = ((word >>> 0) + 0.5) * SCALE[exponent]! // [1/2, 1)
  // ln m = ln √½ + 2 artanh s, with s = (m - √½) / (m + √½), |s| < 0.172; artanh s = s + s^3/3 + s^5/5 + …
  const s = (m - Math.SQRT1_2) / (m + Math.SQRT1_2)
  const z = s * s
  const upper = 1 / 9 + z * (1 / 11 + z * (1 / 13 + z * (1 / 15)))
  const series = 1 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * upper)))
  return 2 * s * series + (exponent - 32.5) * Math.LN2
}
