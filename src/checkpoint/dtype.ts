/** Element types of safetensors files, and half precision as float32. */

/** Bytes per element; the names are the format's own (safetensors/src/tensor.rs, Dtype). Types below a byte are left out. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
  C64: 8,
} as const

export type Dtype = keyof typeof DTYPE_BYTES

export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(DTYPE_BYTES, name)
}

/** The types that weights are read and written in. */
export const FLOAT_DTYPES = ['F32', 'F16', 'BF16'] as const
export type FloatDtype = (typeof FLOAT_DTYPES)[number]

export function isFloatDtype(name: string): name is FloatDtype {
  return FLOAT_DTYPES.some((dtype) => dtype === name)
}

/** The numbers in that type: the array itself for F32, the bits of the rounded numbers otherwise. */
export function narrowTo(dtype: FloatDtype, numbers: Float32Array): Float32Array | Uint16Array {
  if (dtype === 'F32') return numbers
  const bits = new Uint16Array(numbers.length)
  if (dtype === 'BF16') narrowBf16(numbers, bits)
  else narrowF16(numbers, bits)
  return bits
}

/** Widens bfloat16, which is the upper half of a float32: exact. */
export function widenBf16(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
}

/** Widens IEEE half precision: exact, subnormal numbers and NaN included. */
export function widenF16(bits: Uint16Array, out: Float32Array): void {
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!
    const sign = half >= 0x8000 ? -1 : 1
    const exponent = (half >> 10) & 0x1f
    const fraction = half & 0x3ff
    if (exponent === 0) out[i] = sign * fraction * 2 ** -24
    else if (exponent < 31) out[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
    else out[i] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  }
}

/** Rounds to bfloat16, to the nearest and half-way cases to even; NaN stays NaN. */
export function narrowBf16(numbers: Float32Array, out: Uint16Array): void {
  const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const isNaN = (word & 0x7fffffff) > 0x7f800000
    // A quiet NaN keeps its upper payload; anything else rounds by carrying into the upper half.
    out[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
}

/** Rounds to IEEE half precision, to the nearest and half-way cases to even; beyond 65,519.99 it becomes infinite. */
export function narrowF16(numbers: Float32Array, out: Uint16Array): void {
  const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length)
  for (let i = 0; i < words.length; i++) {
    const sign = (words[i]! >>> 16) & 0x8000
    const magnitude = words[i]! & 0x7fffffff
    out[i] = sign | halfOf(magnitude)
  }
}

/** The bits of a non-negative float32 -> those of the nearest half. */
function halfOf(word: number): number {
  if (word > 0x7f800000) return 0x7e00 | ((word >>> 13) & 0x3ff)
  if (word >= 0x477ff000) return 0x7c00 // 65,520 and more round to infinity
  // Normal halves: rebias the exponent by 15 - 127, then round off 13 bits of the fraction.
  if (word >= 0x38800000) return (word - 0x38000000 + 0xfff + ((word >>> 13) & 1)) >>> 13
  // Subnormal halves are multiples of 2^-24.
  const shift = 126 - (word >>> 23)
  if (shift > 24) return 0
  const fraction = (word & 0x7fffff) | 0x800000
  const kept = fraction >>> shift
  const rest = fraction - kept * 2 ** shift
  const half = 2 ** (shift - 1)
  return rest > half || (rest === half && kept % 2 === 1) ? kept + 1 : kept
}
