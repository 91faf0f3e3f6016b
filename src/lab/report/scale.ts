/** From values to places along an axis, and where its ticks stand. */

export interface Scale {
  /** A place from 0 to 1. */
  at(value: number): number
  readonly ticks: readonly number[]
}

/**
 * Round numbers at even distances, some five of them: from at most `least` to at least `most`, or with `tight` only those
 * between the two, which are then the ends themselves.
 */
export function linearScale(least: number, most: number, { tight = false } = {}): Scale {
  const around = (Math.abs(most) || 1) / 2
  const [low, high] = isFlat(least, most) ? [least - around, most + around] : [least, most]
  const step = niceStep((high - low) / 4)
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)]
  const ticks = Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)))
  if (tight) {
    const inside = ticks.filter((tick) => tick >= low && tick <= high)
    return { ticks: inside, at: (value) => (value - low) / (high - low) }
  }
  const [from, to] = [ticks[0]!, ticks.at(-1)!]
  return { ticks, at: (value) => (value - from) / (to - from) }
}

/** Powers of ten, with 2 and 5 between them where the range is short; both ends above 0. */
export function logScale(least: number, most: number): Scale {
  const [low, high] = [Math.log10(least), Math.log10(isFlat(least, most) ? least * 1.1 : most)]
  const candidates: number[] = []
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    for (const digit of [1, 2, 5]) candidates.push(Number((digit * 10 ** power).toPrecision(12)))
  }
  const from = candidates.findLast((tick) => Math.log10(tick) <= low + 1e-9) ?? candidates[0]!
  const to = candidates.find((tick) => Math.log10(tick) >= high - 1e-9) ?? candidates.at(-1)!
  const inside = candidates.filter((tick) => tick >= from && tick <= to)
  const powers = inside.filter((tick) => Number.isInteger(Number(Math.log10(tick).toFixed(9))))
  const every = Math.ceil(powers.length / 6)
  const ticks = inside.length <= 7 ? inside : powers.filter((_, k) => k % every === 0)
  const [start, end] = [Math.log10(from), Math.log10(to)]
  return { ticks, at: (value) => (Math.log10(value) - start) / (end - start) }
}

/** Whether two values differ by nothing but rounding. */
function isFlat(least: number, most: number): boolean {
  return most - least <= 1e-9 * Math.max(Math.abs(least), Math.abs(most))
}

/** 1, 2 or 5 times a power of ten, the first at or above `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  return [1, 2, 5, 10].map((digit) => digit * power).find((nice) => nice >= step * (1 - 1e-9)) ?? 10 * power
}
