/** The parts of a head that a kernel of attention works on at a time. */
import type { Bound, Value } from '../../kernel/kernel.ts'
import type { TileOperand } from './matmulTile.ts'

/** A right operand that is read row by row. */
export type RightRows = Pick<TileOperand, 'pointer' | 'stepBytes'>

/** Query rows [first, end). */
export interface Panel {
  readonly first: Value
  readonly end: Value
  /** Where whole tiles end; a short one may follow. */
  readonly whole: Value
  /** The first key, at the start of a tile, that any row sees, and where scores begin so that those from it on are set. */
  readonly firstKey: Bound
  readonly firstScore: Bound
}

/** Query rows of a panel that go through the registers together. */
export interface QueryTile {
  /** The first row, counted from the panel's first and from the first query; and its place among the keys. */
  readonly row: Value
  readonly query: Value
  readonly position: Value
  readonly rows: number
  /** Keys whose scores its products read. */
  readonly from: Bound
  readonly to: Value
  /** Where the scores of its panel begin. */
  readonly panelFrom: Bound
}

/** Rows of a panel [rows, D], in scratch memory, as operands. */
export interface PanelRows {
  readonly left: TileOperand
  right(): RightRows
}
