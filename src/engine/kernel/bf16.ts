/**
 * bf16 numbers: the upper half of an f32, that is 8 bits of exponent and 8 of precision. What rounds to them and
 * multiplies pairs of them here does as the AVX512_BF16 instructions do (Intel SDM volume 2, VCVTNE2PS2BF16 and
 * VDPBF16PS): to the nearest, ties to even, and denormal f32 numbers are zeros, whatever the processor's settings are.
 */

const floats = new Float32Array(1)
const bits = new Uint32Array(floats.buffer)

const infinity = 0x7f800000
const smallestNormal = 0x00800000
const quiet = 0x40

/** The 16 bits of the bf16 number nearest to a value, which counts as f32. A NaN stays one. */
export function bf16Bits(value: number): number {
  floats[0] = value
  const word = bits[0]!
  const magnitude = word & 0x7fffffff
  if (magnitude > infinity) return (word >>> 16) | quiet
  if (magnitude < smallestNormal) return (word >>> 16) & 0x8000
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
}

/** The number that 16 bits stand for. */
export function fromBf16Bits(half: number): number {
  bits[0] = half << 16
  return floats[0]!
}

/** The nearest bf16 number. */
export function roundToBf16(value: number): number {
  return fromBf16Bits(bf16Bits(value))
}

/** Zero, of the same sign, for a denormal f32. */
export function flushDenormal(value: number): number {
  if (value === 0 || !(Math.abs(value) < 2 ** -126)) return value
  return value < 0 ? -0 : 0
}
