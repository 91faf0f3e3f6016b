/** C = A B by tiles, with B rearranged into panels first where its own layout would be slow to read. */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Kernel, Value } from '../../kernel/kernel.ts'
import type { TileShape } from './matmulTile.ts'
import { copyRows, sideBySide } from './packRows.ts'
import { copyColumns } from './packTransposed.ts'
import { chooseTile, type Blocking } from './tileChoice.ts'

/** Strides in elements. A is [batch, m, k], B is [batch, k, n], C is [batch, m, n] without gaps. */
export interface MatmulShape {
  readonly batch: number
  readonly m: number
  readonly n: number
  readonly k: number
  readonly aBatch: number
  readonly aRow: number
  readonly aStep: number
  readonly bBatch: number
  readonly bStep: number
  readonly bColumn: number
}

/** Bytes of A that one thread walks again for each panel of B. */
const rowBlockBytes = 256 * 1024
/** A deeper product is cut along k, so that a panel of B stays in the level-1 cache, or nearly, while A passes. */
const deepest = 1536
const blockDepth = 512
/** A is rearranged when at least this many columns of C will read it: transposed, and as it is. */
const packFromColumns = 96
const packRowsFromColumns = 192
/** Fewer row panels than this and the columns are shared out instead. */
const fewestRowPanels = 16
/** Rows of A that are worth a walk over B; fewer where B is small enough to be near. */
export const fewestRows = 64
const fewestRowsNear = 24
const nearBytes = 256 * 1024
/** B is rearranged when at least this many rows of A will read it. */
const packFromRows = 48

const floatBytes = 4

export class MatmulPlan {
  readonly shape: MatmulShape
  readonly target: KernelTarget
  readonly blocking: Blocking
  /** Whether B is rearranged into panels [columnPanels][k][tileVectors * lanes] first. */
  readonly packed: boolean

  constructor(shape: MatmulShape, target: KernelTarget) {
    this.shape = shape
    this.target = target
    this.blocking = chooseTile(target, shape.m, shape.n)
    this.packed = shape.bColumn !== 1 || (shape.m >= packFromRows && shape.bStep > this.panelWidth)
  }

  /**
   * Whether each thread copies its block of A to scratch memory before use, in the order of its reading (`rowPanels.ts`): one
   * stream instead of as many as a tile has rows, which may also fight for the same few cache lines.
   */
  get packsA(): boolean {
    const { shape } = this
    if (shape.batch > 1 || shape.n < packFromColumns) return false
    if (shape.aStep === 1) return shape.n >= packRowsFromColumns
    return shape.aRow === 1 && shape.aStep > this.blocking.tileRows
  }
  /** Whether all of B stays in a level-2 cache. */
  get isNear(): boolean {
    return this.shape.k * this.shape.n * floatBytes <= nearBytes
  }
  /** Into how many parts k is cut. */
  get depthBlocks(): number {
    return this.shape.batch > 1 || this.shape.k <= deepest ? 1 : Math.ceil(this.shape.k / blockDepth)
  }
  /** Steps of k in each part but the last. */
  get depth(): number {
    return Math.ceil(this.shape.k / this.depthBlocks)
  }
  /** Row panels that are walked again for each panel of B. */
  get rowBlock(): number {
    return Math.max(1, Math.floor(rowBlockBytes / (this.blocking.tileRows * this.depth * floatBytes)))
  }
  get panelWidth(): number {
    return this.blocking.tileVectors * this.target.lanes
  }
  get panelBytes(): number {
    return this.shape.k * this.panelWidth * floatBytes
  }
  get packedBytes(): number {
    return this.shape.batch * this.blocking.columnPanels * this.panelBytes
  }
  get packUnits(): number {
    return this.shape.batch * this.blocking.columnPanels
  }
  /** One matrix with too few row panels to share is split by columns. */
  get splitsColumns(): boolean {
    const { rowPanels, columnPanels } = this.blocking
    return this.shape.batch === 1 && rowPanels < fewestRowPanels && columnPanels > rowPanels
  }
  get units(): number {
    const { rowPanels, columnPanels } = this.blocking
    return this.splitsColumns ? columnPanels : this.shape.batch * rowPanels
  }
  /** Each call walks all of B, or copies all of A where columns are shared out: it should be worth that. */
  get grain(): number {
    const { shape } = this
    const { tileRows, columnPanels } = this.blocking
    if (this.splitsColumns) return this.packsA ? Math.ceil(columnPanels / 8) : 1
    return shape.batch > 1 ? 1 : Math.ceil((this.isNear ? fewestRowsNear : fewestRows) / tileRows)
  }
  /** Width in columns of column panel p, and its tile for `rows` rows. */
  tile(rows: number, lastPanel: boolean): TileShape {
    const rest = this.shape.n % this.panelWidth
    const width = lastPanel && rest > 0 ? rest : this.panelWidth
    const vectors = Math.ceil(width / this.target.lanes)
    return { rows, vectors, lastLanes: width - (vectors - 1) * this.target.lanes }
  }
}

/** Copies B into panels. Arguments: B, panels. Unit: one panel of one batch entry. */
export function packKernel(plan: MatmulPlan): Kernel {
  const b = new KernelBuilder('pack', plan.target)
  const [from, to] = [b.pointer(), b.pointer()]
  const alone = b.variable(b.unitBegin)
  if (plan.shape.batch === 1 && plan.shape.bColumn === 1) b.assign(alone, packSideBySide(b, plan, from, to))
  b.for(alone, b.unitEnd, 1, (unit) => packPanel(b, plan, from, to, unit))
  return b.finish()
}

/** Copies some panels at a time, as long as there are as many and all are full; returns the unit that comes next. */
function packSideBySide(b: KernelBuilder, plan: MatmulPlan, from: Value, to: Value): Value {
  const { shape, panelWidth, panelBytes } = plan
  const full = b.intMin(b.unitEnd, Math.floor(shape.n / panelWidth))
  const turns = b.op('intDivImmediate', [b.intMax(b.op('intSub', [full, b.unitBegin]), 0)], sideBySide)
  const next = b.intAdd(b.unitBegin, b.intMul(turns, sideBySide))
  b.for(b.unitBegin, next, sideBySide, (unit) => {
    const source = b.intAdd(from, b.intMul(unit, panelWidth * floatBytes))
    const target = b.intAdd(to, b.intMul(unit, panelBytes))
    copyRows(b, { ...shape, panelWidth, panelBytes }, plan.tile(1, false), sideBySide, source, target)
  })
  return next
}

/** Copies one panel of one batch entry: number `unit` of all, from B at `from` to the panels at `to`. */
export function packPanel(b: KernelBuilder, plan: MatmulPlan, from: Value, to: Value, unit: Value): void {
  const { shape, panelWidth, panelBytes } = plan
  const panels = plan.blocking.columnPanels
  const batch = b.op('intDivImmediate', [unit], panels)
  const column = b.op('intModImmediate', [unit], panels)
  const panel = (last: boolean): void => {
    const source = b.intAdd(
      b.intAdd(from, b.intMul(batch, shape.bBatch * floatBytes)),
      b.intMul(column, panelWidth * shape.bColumn * floatBytes),
    )
    const target = b.intAdd(to, b.intMul(unit, panelBytes))
    const tile = plan.tile(1, last)
    if (shape.bColumn === 1) copyRows(b, { ...shape, panelWidth, panelBytes }, tile, 1, source, target)
    else copyColumns(b, { ...shape, panelWidth }, tile, source, target)
  }
  if (shape.n % panelWidth === 0) return panel(false)
  // Exactly one of the two loops runs, once.
  const isLast = b.op('intDivImmediate', [b.intAdd(column, 1)], panels)
  b.for(isLast, 1, 1, () => panel(false))
  b.for(0, isLast, 1, () => panel(true))
}
