/** B stored by rows, rearranged into panels: each row goes to as many panels as it has columns for. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { lanesOf, type TileShape } from './matmulTile.ts'

const floatBytes = 4
/** Panels that are written together, so that a stretch of each row is read at once instead of a line. */
export const sideBySide = 4

export interface PanelsOfRows {
  /** Steps of the product: rows. */
  readonly k: number
  /** Floats from one row of B to the next, and from one step of a panel to the next. */
  readonly bStep: number
  readonly panelWidth: number
  /** From one panel to the next. */
  readonly panelBytes: number
}

/** Copies `count` panels next to one another; `tile` says how wide each is. */
export function copyRows(
  b: KernelBuilder,
  { k, bStep, panelWidth, panelBytes }: PanelsOfRows,
  tile: TileShape,
  count: number,
  source: Value,
  target: Value,
): void {
  const from = b.variable(source)
  const to = b.variable(target)
  b.for(0, k, 1, () => {
    for (let panel = 0; panel < count; panel++) {
      for (let v = 0; v < tile.vectors; v++) {
        const lane = v * b.lanes
        const value = b.load(b.at(from, (panel * panelWidth + lane) * floatBytes), lanesOf(b, tile, v))
        b.store(value, b.at(to, panel * panelBytes + lane * floatBytes))
      }
    }
    b.assign(from, b.intAdd(from, bStep * floatBytes))
    b.assign(to, b.intAdd(to, panelWidth * floatBytes))
  })
}
