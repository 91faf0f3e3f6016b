/** LEB128: integers in groups of 7 bits, lowest first, as WebAssembly's binary format writes them. */

/** Appends a non-negative integer below 2^53. */
export function appendUnsigned(bytes: number[], value: number): void {
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
}

/** Appends a signed integer, |value| < 2^53. */
export function appendSigned(bytes: number[], value: number): void {
  let rest = value
  // Bit 6 of the last group is the sign that the reader extends.
  for (; rest < -64 || rest >= 64; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest & 0x7f)
}

export function unsigned(value: number): number[] {
  const bytes: number[] = []
  appendUnsigned(bytes, value)
  return bytes
}

export function signed(value: number): number[] {
  const bytes: number[] = []
  appendSigned(bytes, value)
  return bytes
}
