/** Numbers and text as the page shows them. */

/** Three significant digits: 1,234,567 · 12.3 · 0.00123 · 1.23e-7. */
export function number(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size !== 0 && size < 1e-4) return value.toExponential(2).replace(/\.?0+e/, 'e')
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

/** Nats per token: up to four decimals. */
export function loss(value: number | null): string {
  return value === null || !Number.isFinite(value) ? '–' : String(Number(value.toFixed(4)))
}

/** A share as a percentage of three digits. */
export function percent(value: number | null): string {
  return value === null || !Number.isFinite(value) ? '–' : `${number(100 * value)} %`
}

export function toDegrees(radians: number | null): number | null {
  return radians === null ? null : (radians * 180) / Math.PI
}

/** Radians, written as degrees. */
export function degrees(radians: number | null): string {
  return radians === null ? '–' : `${number(toDegrees(radians))}°`
}

export function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(CONTROL, '\u{FFFD}')
}

/** What XML and HTML do not let stand in text. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFFFE\uFFFF]/g

/** A token as people can read it: blanks and control characters by name, quotes around the rest. */
export function tokenText(text: string, id: number): string {
  if (text === '' || text.includes('\u{FFFD}')) return `id ${id}`
  const shown = JSON.stringify(text).slice(1, -1)
  return `“${shown}”`
}
