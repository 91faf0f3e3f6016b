/** Numbers as people read them. */

/** 1234567 -> "1,234,567". */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** A loss or norm: four decimals, or fewer where it is large. */
export function decimal(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Math.abs(value) < 1000 ? value.toFixed(4) : value.toExponential(3)
}

/** Three significant digits with a unit prefix: 1.24e8 -> "124 M". */
export function scaled(value: number): string {
  const steps = [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const
  const [size, prefix] = steps.find(([size]) => Math.abs(value) >= size) ?? [1, '']
  return `${Number((value / size).toPrecision(3))} ${prefix}`.trimEnd()
}

/** Bytes in powers of 1024: "12.3 MiB". */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toPrecision(3))} ${units[unit] ?? 'B'}`
}

/** A time to wait: "8 s", "3 min 05 s", "2 h 10 min", "4 d 3 h". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '?'
  const total = Math.round(seconds)
  if (total < 60) return `${total} s`
  if (total < 3600) return `${Math.floor(total / 60)} min ${twoDigits(total % 60)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`
  const hours = Math.round(seconds / 3600)
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** 7 -> "07". */
export function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
