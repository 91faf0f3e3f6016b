/** What a list of measured times amounts to. */

export interface Spread {
  readonly median: number
  readonly lowerQuartile: number
  readonly upperQuartile: number
  readonly count: number
}

/** The value below which a share (0 to 1) of the list lies, interpolated linearly (Hyndman and Fan 1996, type 7). */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('An empty list has no quantiles.')
  const sorted = values.toSorted((a, b) => a - b)
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  const [lower, upper] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!]
  return lower + (at - below) * (upper - lower)
}

/** Median and quartiles. Throws RangeError for an empty list. */
export function spreadOf(values: readonly number[]): Spread {
  return {
    median: quantile(values, 0.5),
    lowerQuartile: quantile(values, 0.25),
    upperQuartile: quantile(values, 0.75),
    count: values.length,
  }
}
