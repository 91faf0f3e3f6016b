/** C = A B by tiles, with B rearranged into panels first where its own layout would be slow to read. */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Kernel, Value } from '../../kernel/kernel.ts'
import { matmulTile, lanesOf, type TileShape } from './matmulTile.ts'
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

/** Bytes of A that one thread walks again for each panel of B: half of a common 1 MiB level-2 cache. */
const rowBlockBytes = 512 * 1024
/** Fewer row panels than this and the columns are shared out instead. */
const fewestRowPanels = 16
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
  const { shape, target, panelWidth, panelBytes } = plan
  const b = new KernelBuilder('pack', target)
  const from = b.pointer()
  const to = b.pointer()
  const panels = plan.blocking.columnPanels
  const panel = (unit: Value, last: boolean): void => {
    const batch = b.op('intDivImmediate', [unit], panels)
    const column = b.op('intModImmediate', [unit], panels)
    const source = b.intAdd(
      b.intAdd(from, b.intMul(batch, shape.bBatch * floatBytes)),
      b.intMul(column, panelWidth * shape.bColumn * floatBytes),
    )
    const target = b.intAdd(to, b.intMul(unit, panelBytes))
    const tile = plan.tile(1, last)
    if (shape.bColumn === 1) copyRows(b, plan, tile, source, target)
    else copyElements(b, plan, tile, source, target)
  }
  const lastIsShort = shape.n % panelWidth > 0
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    if (!lastIsShort) return panel(unit, false)
    // Exactly one of the two loops runs, once.
    const column = b.op('intModImmediate', [unit], panels)
    const isLast = b.op('intDivImmediate', [b.intAdd(column, 1)], panels)
    b.for(isLast, 1, 1, () => panel(unit, false))
    b.for(0, isLast, 1, () => panel(unit, true))
  })
  return b.finish()
}

function copyRows(b: KernelBuilder, plan: MatmulPlan, tile: TileShape, source: Value, target: Value): void {
  const { shape, panelWidth } = plan
  const from = b.variable(source)
  const to = b.variable(target)
  b.for(0, shape.k, 1, () => {
    for (let v = 0; v < tile.vectors; v++) {
      b.store(b.load(b.at(from, v * b.lanes * floatBytes), lanesOf(b, tile, v)), b.at(to, v * b.lanes * floatBytes))
    }
    b.assign(from, b.intAdd(from, shape.bStep * floatBytes))
    b.assign(to, b.intAdd(to, panelWidth * floatBytes))
  })
}

/** One element at a time: the transposition that B^T needs. Lanes beyond n stay as they are; no tile stores them. */
function copyElements(b: KernelBuilder, plan: MatmulPlan, tile: TileShape, source: Value, target: Value): void {
  const { shape, panelWidth } = plan
  const from = b.variable(source)
  const to = b.variable(target)
  const width = (tile.vectors - 1) * b.lanes + tile.lastLanes
  b.for(0, shape.k, 1, () => {
    for (let j = 0; j < width; j++) {
      b.store(b.load(b.at(from, j * shape.bColumn * floatBytes), 1), b.at(to, j * floatBytes), 1)
    }
    b.assign(from, b.intAdd(from, shape.bStep * floatBytes))
    b.assign(to, b.intAdd(to, panelWidth * floatBytes))
  })
}

/** The product. Arguments: A, B (or its panels), C. */
export function matmulKernel(plan: MatmulPlan): Kernel {
  const b = new KernelBuilder('matmul', plan.target)
  const emitter = new MatmulEmitter(b, plan)
  if (plan.splitsColumns) emitter.byColumns()
  else if (plan.shape.batch === 1) emitter.byRows()
  else emitter.byBatch()
  return b.finish()
}

class MatmulEmitter {
  readonly #b: KernelBuilder
  readonly #plan: MatmulPlan
  readonly #a: Value
  readonly #right: Value
  readonly #c: Value

  constructor(b: KernelBuilder, plan: MatmulPlan) {
    this.#b = b
    this.#plan = plan
    this.#a = b.pointer()
    this.#right = b.pointer()
    this.#c = b.pointer()
  }

  /** Row panels are the units; a block of them stays in cache while every panel of B passes. */
  byRows(): void {
    const b = this.#b
    const { shape, blocking } = this.#plan
    const block = Math.max(1, Math.floor(rowBlockBytes / (blocking.tileRows * shape.k * floatBytes)))
    b.for(b.unitBegin, b.unitEnd, block, (first) => {
      const end = b.intMin(b.intAdd(first, block), b.unitEnd)
      this.#columns(0, blocking.columnPanels, (column, last) => {
        this.#rows(first, end, column, last, this.#a, this.#right, this.#c)
      })
    })
  }

  byColumns(): void {
    const b = this.#b
    this.#columns(b.unitBegin, b.unitEnd, (column, last) => {
      this.#rows(b.int(0), b.int(this.#plan.blocking.rowPanels), column, last, this.#a, this.#right, this.#c)
    })
  }

  /** One row panel of one batch entry at a time. */
  byBatch(): void {
    const b = this.#b
    const { shape, blocking, packed, panelBytes } = this.#plan
    const bBatchBytes = packed ? blocking.columnPanels * panelBytes : shape.bBatch * floatBytes
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const batch = b.op('intDivImmediate', [unit], blocking.rowPanels)
      const row = b.op('intModImmediate', [unit], blocking.rowPanels)
      const a = b.intAdd(this.#a, b.intMul(batch, shape.aBatch * floatBytes))
      const right = b.intAdd(this.#right, b.intMul(batch, bBatchBytes))
      const c = b.intAdd(this.#c, b.intMul(batch, shape.m * shape.n * floatBytes))
      this.#columns(0, blocking.columnPanels, (column, last) => {
        this.#rows(row, b.intAdd(row, 1), column, last, a, right, c)
      })
    })
  }

  /** Column panels [from, to): the full ones in a loop, the narrow last one (if any) on its own. */
  #columns(from: Value | number, to: Value | number, body: (column: Value, last: boolean) => void): void {
    const b = this.#b
    const { shape, blocking, panelWidth } = this.#plan
    const full = Math.floor(shape.n / panelWidth)
    if (full === blocking.columnPanels) return b.for(from, to, 1, (column) => body(column, false))
    const dynamic = (bound: Value | number): Value => (typeof bound === 'number' ? b.int(bound) : bound)
    b.for(from, b.intMin(dynamic(to), full), 1, (column) => body(column, false))
    b.for(b.intMax(dynamic(from), full), to, 1, (column) => body(column, true))
  }

  /** Row panels [from, to) of one column panel: the full ones in a loop, the short last one (if any) on its own. */
  #rows(from: Value, to: Value, column: Value, last: boolean, a: Value, right: Value, c: Value): void {
    const b = this.#b
    const { shape, blocking } = this.#plan
    const full = Math.floor(shape.m / blocking.tileRows)
    const rest = shape.m % blocking.tileRows
    const tile = (rows: number) => (panel: Value) => this.#tile(rows, panel, column, last, a, right, c)
    if (rest === 0) return b.for(from, to, 1, tile(blocking.tileRows))
    if (full > 0) b.for(from, b.intMin(to, full), 1, tile(blocking.tileRows))
    b.for(b.intMax(from, full), to, 1, tile(rest))
  }

  #tile(rows: number, panel: Value, column: Value, last: boolean, a: Value, right: Value, c: Value): void {
    const b = this.#b
    const { shape, blocking, packed, panelBytes, panelWidth } = this.#plan
    const shapeOfTile = this.#plan.tile(rows, last)
    const rowBytes = shape.n * floatBytes
    const cTile = b.intAdd(
      b.intAdd(c, b.intMul(panel, blocking.tileRows * rowBytes)),
      b.intMul(column, panelWidth * floatBytes),
    )
    matmulTile(
      b,
      // Panels are padded to whole vectors, so only the store needs the mask.
      packed ? { ...shapeOfTile, lastLanes: b.lanes } : shapeOfTile,
      {
        pointer: b.intAdd(a, b.intMul(panel, blocking.tileRows * shape.aRow * floatBytes)),
        rowBytes: shape.aRow * floatBytes,
        stepBytes: shape.aStep * floatBytes,
      },
      packed
        ? { pointer: b.intAdd(right, b.intMul(column, panelBytes)), rowBytes: 0, stepBytes: panelWidth * floatBytes }
        : {
            pointer: b.intAdd(right, b.intMul(column, panelWidth * floatBytes)),
            rowBytes: 0,
            stepBytes: shape.bStep * floatBytes,
          },
      shape.k,
      (i, v, sum) => {
        b.store(sum, b.at(cTile, i * rowBytes + v * b.lanes * floatBytes), lanesOf(b, shapeOfTile, v))
      },
    )
  }
}
