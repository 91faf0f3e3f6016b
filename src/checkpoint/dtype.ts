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
