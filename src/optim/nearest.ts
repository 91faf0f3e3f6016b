/** The closest known name to one that was mistyped, for "did you mean" in error messages. */

/** How many single-character edits (insert, delete, replace, swap of neighbours) turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

/**
 * The candidate nearest to `wanted`, or undefined when none is near (more than a third of its letters differ).
 * Case, `-` and `_` do not count. A dotted candidate also matches by its last part, so "heads" finds "model.heads".
 */
export function nearest(wanted: string, candidates: readonly string[]): string | undefined {
  const target = plain(wanted)
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of candidates) {
    const whole = plain(candidate)
    const tail = whole.slice(whole.lastIndexOf('.') + 1)
    const targetTail = target.slice(target.lastIndexOf('.') + 1)
    // Half an edit more for a match by the last part alone, so that a whole match wins.
    const distance = Math.min(editDistance(target, whole), editDistance(targetTail, tail) + 0.5)
    if (best === undefined || distance < best.distance) best = { candidate, distance }
  }
  const limit = Math.max(1.5, target.length / 3)
  return best !== undefined && best.distance <= limit ? best.candidate : undefined
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[-_\s]/g, '')
}
