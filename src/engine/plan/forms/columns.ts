/** The loop along a row: whole blocks of vectors, then single vectors, then the lanes that are left. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Value } from '../../kernel/kernel.ts'

/** Columns [from, to) of a row of `size`. Computed bounds must start at a multiple of the block, and end at one or at `size`. */
export interface Columns {
  readonly from: Bound
  readonly to: Bound
  readonly size: number
}

/** Where a body computes: columns `index + offset` to `index + offset + lanes - 1`. */
export interface Place {
  readonly index: Value | undefined
  readonly offset: number
  readonly lanes: number
  /** Which of the block's vectors this is: 0 to unroll - 1. */
  readonly slot: number
}

/** Emits `body` for every vector of the columns, `unroll` at a time. `width` is the lanes to use: all, or 1. */
export function columns(
  b: KernelBuilder,
  extent: Columns,
  width: number,
  unroll: number,
  body: (place: Place) => void,
): void {
  const block = width * unroll
  const whole = Math.floor(extent.size / block) * block
  const rest = (): void => {
    for (let at = whole, slot = 0; at < extent.size; at += width, slot++) {
      body({ index: undefined, offset: at, lanes: Math.min(width, extent.size - at), slot })
    }
  }
  const blocks = (from: Bound, to: Bound): void =>
    b.for(from, to, block, (index) => {
      for (let slot = 0; slot < unroll; slot++) body({ index, offset: slot * width, lanes: width, slot })
    })
  if (typeof extent.to === 'number') {
    if (whole === block)
      for (let slot = 0; slot < unroll; slot++) body({ index: undefined, offset: slot * width, lanes: width, slot })
    else if (whole > 0) blocks(extent.from, whole)
    rest()
    return
  }
  if (whole > 0) blocks(extent.from, b.intMin(extent.to, whole))
  if (whole === extent.size) return
  // Runs once, in the call whose columns reach the end of the row.
  const from = typeof extent.from === 'number' ? b.int(extent.from) : extent.from
  b.for(b.intMax(from, whole), extent.to, extent.size, rest)
}
