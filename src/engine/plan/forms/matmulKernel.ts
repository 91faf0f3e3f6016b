/** The kernel of a matrix product: loops over panels of A, B and k around the tile. */
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Kernel, Value } from '../../kernel/kernel.ts'
import type { MatmulPlan } from './matmul.ts'
import { askForResult, lanesOf, matmulTile, shareOfPanel, type Ahead, type TileOperand } from './matmulTile.ts'
import { eachPanel, evenBlocks } from './panels.ts'
import { copyRowPanels, rowPanelBytes, rowPanelCounts } from './rowPanels.ts'

const floatBytes = 4

/** Arguments: A, B (or its panels), C. `adds`: the product is added to what C holds; not for batches. */
export function matmulKernel(plan: MatmulPlan, adds = false): Kernel {
  const b = new KernelBuilder('matmul', plan.target)
  const emitter = new MatmulEmitter(b, plan, adds)
  if (plan.shape.batch > 1) emitter.byBatch()
  else if (plan.splitsColumns) emitter.byColumns()
  else emitter.byRows()
  return b.finish()
}

/** Row panels [from, to) of A for k from `step` on, and how a tile of the first of them reads it. */
interface RowBlock {
  readonly from: Value
  readonly to: Value
  readonly first: TileOperand
  /** Bytes from one row panel to the next. */
  readonly panelBytes: number
}

/** The steps of k that a pass covers; `adds` says that C holds the sum of earlier passes. */
interface DepthBlock {
  readonly start: Value | undefined
  readonly depth: Bound
  readonly adds: boolean
}

/** Steps [begin, end) of k, known when the kernel runs, that sum into a C of their own; none at all leave zeros there. */
export interface StepRange {
  readonly begin: Value
  readonly end: Value
  readonly c: Value
}

export class MatmulEmitter {
  readonly #b: KernelBuilder
  readonly #plan: MatmulPlan
  readonly #a: Value
  readonly #right: Value
  readonly #c: Value
  readonly #adds: boolean

  /** Takes the next three arguments: A, B (or its panels), C. */
  constructor(b: KernelBuilder, plan: MatmulPlan, adds = false) {
    this.#b = b
    this.#plan = plan
    this.#adds = adds
    this.#a = b.pointer()
    this.#right = b.pointer()
    this.#c = b.pointer()
  }

  /** Where the result number `index` of several begins. */
  output(index: Value): Value {
    const { m, n } = this.#plan.shape
    return this.#b.intAdd(this.#c, this.#b.intMul(index, m * n * floatBytes))
  }

  /** Row panels are the units; a block of them stays in cache while every panel of B passes. */
  byRows(range?: StepRange): void {
    const b = this.#b
    const { blocking, rowBlock } = this.#plan
    evenBlocks(b, [b.unitBegin, b.unitEnd], rowBlock, (from, to) => {
      this.#block(from, to, 0, blocking.columnPanels, range)
    })
  }

  /** Column panels are the units; each thread walks all rows, a block at a time. */
  byColumns(range?: StepRange): void {
    const b = this.#b
    const { blocking, rowBlock } = this.#plan
    evenBlocks(b, [b.int(0), b.int(blocking.rowPanels)], rowBlock, (from, to) => {
      this.#block(from, to, b.unitBegin, b.unitEnd, range)
    })
  }

  /** One row panel of one batch entry at a time. */
  byBatch(): void {
    const b = this.#b
    const { shape, blocking, packed, panelBytes } = this.#plan
    const bBatchBytes = packed ? blocking.columnPanels * panelBytes : shape.bBatch * floatBytes
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const batch = b.op('intDivImmediate', [unit], blocking.rowPanels)
      const from = b.op('intModImmediate', [unit], blocking.rowPanels)
      const a = b.intAdd(this.#a, b.intMul(batch, shape.aBatch * floatBytes))
      const right = b.intAdd(this.#right, b.intMul(batch, bBatchBytes))
      const c = b.intAdd(this.#c, b.intMul(batch, shape.m * shape.n * floatBytes))
      const rows = this.#rowsInPlace(a, from, b.intAdd(from, 1), undefined)
      this.#columns(0, blocking.columnPanels, (column, last) => {
        this.#rows(rows, { start: undefined, depth: shape.k, adds: false }, column, last, right, c)
      })
    })
  }

  /** All of k, or a range of it, for row panels [from, to) and column panels [columnFrom, columnTo). */
  #block(from: Value, to: Value, columnFrom: Bound, columnTo: Bound, range?: StepRange): void {
    const b = this.#b
    const { shape, depthBlocks, depth } = this.#plan
    const pass = (block: DepthBlock): void => {
      const rows = this.#rowBlock(from, to, block)
      this.#columns(columnFrom, columnTo, (column, last) => {
        this.#rows(rows, block, column, last, this.#right, range?.c ?? this.#c)
      })
    }
    if (depthBlocks === 1 && !range) return pass({ start: undefined, depth: shape.k, adds: this.#adds })
    const depthFrom = (start: Value): Value => b.intMin(b.op('intSub', [range?.end ?? b.int(shape.k), start]), depth)
    if (range) pass({ start: range.begin, depth: depthFrom(range.begin), adds: this.#adds })
    else pass({ start: undefined, depth, adds: this.#adds })
    if (depthBlocks === 1) return
    b.for(range ? b.intAdd(range.begin, depth) : depth, range?.end ?? shape.k, depth, (start) => {
      pass({ start, depth: depthFrom(start), adds: true })
    })
  }

  #rowBlock(from: Value, to: Value, { start, depth }: DepthBlock): RowBlock {
    const inPlace = this.#rowsInPlace(this.#a, from, to, start)
    if (!this.#plan.packsA) return inPlace
    const { blocking, rowBlock } = this.#plan
    const panelBytes = rowPanelBytes(this.#plan)
    const copy = this.#scratch(rowBlock * panelBytes)
    copyRowPanels(this.#b, this.#plan, { from, to, source: inPlace.first.pointer, copy, depth })
    const first = { pointer: copy, rowBytes: floatBytes, stepBytes: blocking.tileRows * floatBytes }
    return { from, to, first, panelBytes }
  }

  #rowsInPlace(a: Value, from: Value, to: Value, start: Value | undefined): RowBlock {
    const b = this.#b
    const { shape, blocking } = this.#plan
    const panelBytes = blocking.tileRows * shape.aRow * floatBytes
    const shifted = start ? b.intAdd(a, b.intMul(start, shape.aStep * floatBytes)) : a
    const first = {
      pointer: b.intAdd(shifted, b.intMul(from, panelBytes)),
      rowBytes: shape.aRow * floatBytes,
      stepBytes: shape.aStep * floatBytes,
    }
    return { from, to, first, panelBytes }
  }

  #copyAddress: Value | undefined
  /** The one scratch area; asked for again with the same size. */
  #scratch(bytes: number): Value {
    this.#copyAddress ??= this.#b.intAdd(this.#b.scratch, this.#b.reserveScratch(bytes))
    return this.#copyAddress
  }

  /** Column panels [from, to): the full ones in a loop, the narrow last one (if any) on its own. */
  #columns(from: Bound, to: Bound, body: (column: Value, last: boolean) => void): void {
    const { shape, blocking, panelWidth } = this.#plan
    eachPanel(this.#b, [from, to], { full: Math.floor(shape.n / panelWidth), all: blocking.columnPanels }, body)
  }

  #rows(rows: RowBlock, block: DepthBlock, column: Value, last: boolean, right: Value, c: Value): void {
    const { shape, blocking } = this.#plan
    eachPanel(this.#b, [rows.from, rows.to], rowPanelCounts(this.#plan), (panel, short) => {
      const count = short ? shape.m % blocking.tileRows : blocking.tileRows
      this.#tile(rows, count, panel, block, column, last, right, c)
    })
  }

  #tile(
    block: RowBlock,
    rows: number,
    panel: Value,
    { start, depth, adds }: DepthBlock,
    column: Value,
    last: boolean,
    right: Value,
    c: Value,
  ): void {
    const b = this.#b
    const { shape, blocking, packed, panelBytes, panelWidth } = this.#plan
    const shapeOfTile = this.#plan.tile(rows, last)
    const rowBytes = shape.n * floatBytes
    const stepBytes = (packed ? panelWidth : shape.bStep) * floatBytes
    const columnBytes = packed ? panelBytes : panelWidth * floatBytes
    const cTile = b.intAdd(
      b.intAdd(c, b.intMul(panel, blocking.tileRows * rowBytes)),
      b.intMul(column, panelWidth * floatBytes),
    )
    const panelStart = b.intAdd(right, b.intMul(column, columnBytes))
    const pointer = start ? b.intAdd(panelStart, b.intMul(start, stepBytes)) : panelStart
    const place = b.op('intSub', [panel, block.from])
    const cAt = (i: number, v: number) => b.at(cTile, i * rowBytes + v * b.lanes * floatBytes)
    askForResult(b, shapeOfTile, { pointer: cTile, rowBytes }, this.#plan.depth, adds)
    matmulTile(
      b,
      // Panels are padded to whole vectors, so only C needs the mask.
      packed ? { ...shapeOfTile, lastLanes: b.lanes } : shapeOfTile,
      { ...block.first, pointer: b.intAdd(block.first.pointer, b.intMul(place, block.panelBytes)) },
      { pointer, rowBytes: 0, stepBytes },
      depth,
      (i, v, sum) => b.store(sum, cAt(i, v), lanesOf(b, shapeOfTile, v)),
      {
        initial: adds ? (i, v) => b.load(cAt(i, v), lanesOf(b, shapeOfTile, v)) : undefined,
        ahead: packed && !this.#plan.isNear ? this.#nextPanel(pointer, place) : undefined,
      },
    )
  }

  #nextPanel(pointer: Value, place: Value): Ahead {
    const { panelBytes, panelWidth, blocking, rowBlock, depth } = this.#plan
    const next = { pointer: this.#b.intAdd(pointer, panelBytes), stepBytes: panelWidth * floatBytes }
    return shareOfPanel(this.#b, next, depth, place, Math.min(blocking.rowPanels, rowBlock))
  }
}
