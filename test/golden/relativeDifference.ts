/**
 * Largest |a − b| as a share of the largest |b|: an element near zero is as exact as its tensor, not as itself.
 * Infinity where a or b is NaN; throws where the lengths differ.
 */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers cannot be compared with ${b.length}`)
  let difference = 0
  let scale = 0
  for (let i = 0; i < b.length; i++) {
    const here = Math.abs(a[i]! - b[i]!)
    difference = Math.max(difference, Number.isNaN(here) ? Infinity : here)
    scale = Math.max(scale, Math.abs(b[i]!))
  }
  return scale === 0 ? difference : difference / scale
}
