const OFFSET_BASIS = 0x811c9dc5
const PRIME = 0x01000193

/**
 * A 32-bit number for a name: FNV-1a (Fowler, Noll, Vo) over the name's UTF-8 bytes, as an unsigned integer.
 * Used as the stream of a random sequence, so that the draws for a parameter depend on its name and not on its place.
 */
export function hashName(name: string): number {
  let hash = OFFSET_BASIS
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, PRIME)
  return hash >>> 0
}
