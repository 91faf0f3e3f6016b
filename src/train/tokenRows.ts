/** The erased-token view: rows of a token table by how often their token was seen. */

export interface RowGroup {
  /** How often the tokens were seen, from and to, both included. */
  readonly from: number
  readonly to: number
  readonly rows: number
  /** √(Σ‖row‖² / Σ‖row at the start‖²); null where those rows began as 0. */
  readonly ratio: number | null
  /** The smallest ratio of one row; null where no row began above 0. */
  readonly least: number | null
}

/** Never; 1 to 9 times; 10 to 99; … Groups without a row are left out. */
export function groupRows(
  seen: ArrayLike<number>,
  squares: ArrayLike<number>,
  initial: ArrayLike<number>,
): readonly RowGroup[] {
  const groups = new Map<number, { rows: number; now: number; start: number; least: number }>()
  for (let row = 0; row < squares.length; row++) {
    const power = seen[row] === 0 ? -1 : Math.floor(Math.log10(seen[row]!) + 1e-12)
    const group = groups.get(power) ?? { rows: 0, now: 0, start: 0, least: Infinity }
    groups.set(power, group)
    const start = initial[row]! ** 2
    group.rows++
    group.now += squares[row]!
    group.start += start
    if (start > 0) group.least = Math.min(group.least, Math.sqrt(squares[row]! / start))
  }
  return [...groups]
    .toSorted(([a], [b]) => a - b)
    .map(([power, { rows, now, start, least }]) => ({
      from: power < 0 ? 0 : 10 ** power,
      to: power < 0 ? 0 : 10 ** (power + 1) - 1,
      rows,
      ratio: start === 0 ? null : Math.sqrt(now / start),
      least: least === Infinity ? null : least,
    }))
}
