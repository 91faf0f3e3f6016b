/** Tables for people: columns that fit their cells, and that are left out, least useful first, on narrow terminals. */

/** How one column is made from a row. */
export interface TextColumn<Row> {
  readonly title: string
  readonly align: 'left' | 'right'
  /** The larger, the longer it stays when the table is too wide; 0 is left out first. */
  readonly keep: number
  readonly cell: (row: Row) => string
}

export interface TextTable<Row> {
  readonly header: string
  readonly line: (row: Row) => string
}

const GAP = '  '

/**
 * A table of these columns, wide enough for all `rows`. Columns of the least `keep` go until it fits `width`
 * characters; the last two always stay. Lines are not trimmed.
 */
export function textTable<Row>(
  columns: readonly TextColumn<Row>[],
  rows: readonly Row[],
  width: number,
): TextTable<Row> {
  let sized = columns.map((column) => {
    const cells = [column.title, ...rows.map((row) => column.cell(row))]
    return { column, size: Math.max(...cells.map((cell) => cell.length)) }
  })
  const total = (): number => sized.reduce((sum, { size }) => sum + size + GAP.length, -GAP.length)
  while (total() > width && sized.length > 2) {
    const least = Math.min(...sized.map(({ column }) => column.keep))
    sized = sized.filter(({ column }) => column.keep !== least)
  }
  const join = (text: (column: TextColumn<Row>) => string): string =>
    sized
      .map(({ column, size }) => (column.align === 'left' ? text(column).padEnd(size) : text(column).padStart(size)))
      .join(GAP)
  return { header: join(({ title }) => title), line: (row) => join(({ cell }) => cell(row)) }
}

/** The words of a text in lines of at most `width` characters; longer words stand alone. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

export type Paint = Readonly<Record<'bold' | 'dim' | 'warn', (text: string) => string>>

/** ANSI styles, or none. */
export function painter(color: boolean): Paint {
  const ansi = (open: number, close: number) => (text: string) =>
    color ? `\u001B[${open}m${text}\u001B[${close}m` : text
  return { bold: ansi(1, 22), dim: ansi(2, 22), warn: ansi(33, 39) }
}

/** 1234567 -> "1,234,567". */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** At most `digits` significant digits: 0.0547722 -> "0.05477". */
export function short(value: number, digits = 4): string {
  return String(Number(value.toPrecision(digits)))
}

/** A share: 0.896 -> "89.6 %", 2.5e-9 -> "2.5e-7 %". */
export function percent(share: number): string {
  const value = share * 100
  if (share === 0 || Math.abs(value) >= 0.05) return `${share === 1 ? '100' : value.toFixed(1)} %`
  return `${value.toExponential(1)} %`
}
