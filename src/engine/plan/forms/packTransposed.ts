/** B stored by columns, rearranged into panels: each panel is the transpose of some columns. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { transposeSquare } from '../../kernel/transpose.ts'
import { lanesOf, type TileShape } from './matmulTile.ts'

/** Strides in elements. */
export interface ColumnPanel {
  /** Steps of the product: rows of the panel. */
  readonly k: number
  /** From one step of B to the next. */
  readonly bStep: number
  /** From one column of B to the next. */
  readonly bColumn: number
  /** From one step of the panel to the next. */
  readonly panelWidth: number
}

const floatBytes = 4
/** Floats of a cache line: a stretch of k that is read while its line is at hand. */
const line = 16

/**
 * panel[k, j] = B[k, j] for all k and the tile's columns j, where B's columns are not next to each other. A whole line of each
 * column is used at once, since the columns may lie so far apart that they drive each other out of the cache. Lanes of
 * the panel beyond the columns are zeros, or stay as they are; no tile stores them.
 */
export function copyColumns(b: KernelBuilder, panel: ColumnPanel, tile: TileShape, source: Value, target: Value): void {
  const { k: depth, bStep, panelWidth } = panel
  const at = (k: Value): [Value, Value] => [
    b.intAdd(source, b.intMul(k, bStep * floatBytes)),
    b.intAdd(target, b.intMul(k, panelWidth * floatBytes)),
  ]
  const copy = bStep === 1 ? copySquares : copyElements
  const whole = Math.floor(depth / line) * line
  b.for(0, whole, line, (k) => copy(b, panel, tile, ...at(k), line))
  if (whole < depth) copy(b, panel, tile, ...at(b.int(whole)), depth - whole)
}

/** Steps [0, steps) of columns without gaps, a square of lanes x lanes at a time, transposed in registers. */
function copySquares(
  b: KernelBuilder,
  { bColumn, panelWidth }: ColumnPanel,
  tile: TileShape,
  from: Value,
  to: Value,
  steps: number,
): void {
  for (let v = 0; v < tile.vectors; v++) {
    for (let k = 0; k < steps; k += b.lanes) {
      const count = Math.min(b.lanes, steps - k)
      const columns = Array.from({ length: b.lanes }, (_, j) => {
        if (j >= lanesOf(b, tile, v)) return b.constant(0)
        return b.load(b.at(from, ((v * b.lanes + j) * bColumn + k) * floatBytes), count)
      })
      const rows = transposeSquare(b, columns).slice(0, count)
      rows.forEach((row, i) => b.store(row, b.at(to, ((k + i) * panelWidth + v * b.lanes) * floatBytes)))
    }
  }
}

/** Steps [0, steps) one element at a time: for any strides. */
function copyElements(
  b: KernelBuilder,
  { bStep, bColumn, panelWidth }: ColumnPanel,
  tile: TileShape,
  from: Value,
  to: Value,
  steps: number,
): void {
  const width = (tile.vectors - 1) * b.lanes + tile.lastLanes
  b.for(0, width, 1, (j) => {
    const column = b.intAdd(from, b.intMul(j, bColumn * floatBytes))
    const lane = b.intAdd(to, b.intMul(j, floatBytes))
    for (let k = 0; k < steps; k++) {
      const element = b.load(b.at(column, k * bStep * floatBytes), 1)
      b.store(element, b.at(lane, k * panelWidth * floatBytes), 1)
    }
  })
}
