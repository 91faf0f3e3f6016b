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
 * The candidate nearest to `wanted`, or undefined when none is near: more than a third of the letters of a part
 * differ. Case, `-` and `_` do not count. Dotted paths are compared part by part, and a path may be found by its last
 * part alone: "heads" and "train.heads" both find "model.heads".
 */
export function nearest(wanted: string, candidates: readonly string[]): string | undefined {
  const target = split(wanted)
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of candidates) {
    const distance = distanceBetween(target, split(candidate))
    if (distance !== undefined && (best === undefined || distance < best.distance)) best = { candidate, distance }
  }
  return best?.candidate
}

interface Parts {
  readonly section: string
  readonly last: string
}

function distanceBetween(wanted: Parts, candidate: Parts): number | undefined {
  if (wanted.section === '' || candidate.section === '') {
    // One of the two has no dot, as "llm-c" for "llm.c": the whole may fit where the parts do not.
    const whole = editDistance(wanted.section + wanted.last, candidate.section + candidate.last)
    if (whole <= tolerance(wanted.last)) return whole
  }
  const last = editDistance(wanted.last, candidate.last)
  if (last > tolerance(wanted.last)) return undefined
  if (wanted.section === candidate.section) return last
  if (wanted.section === '') return last + 0.5
  const section = editDistance(wanted.section, candidate.section)
  if (section <= tolerance(wanted.section)) return last + section
  // Another section altogether: only when the last part is right.
  return last === 0 ? tolerance(wanted.section) + 1 : undefined
}

function tolerance(text: string): number {
  return Math.max(1, Math.floor(text.length / 3))
}

function split(text: string): Parts {
  const plain = text.toLowerCase().replaceAll(/[-_\s]/g, '')
  const dot = plain.lastIndexOf('.')
  return { section: plain.slice(0, Math.max(0, dot)), last: plain.slice(dot + 1) }
}
