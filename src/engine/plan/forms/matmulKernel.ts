/** The kernel of a matrix product: loops over panels of A, B and k around the tile. */
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Kernel, Value } from '../../kernel/kernel.ts'
import { columns } from './columns.ts'
import type { MatmulPlan } from './matmul.ts'
import { eachPanel } from './panels.ts'
import { lanesOf, matmulTile, type TileOperand } from './matmulTile.ts'

const floatBytes = 4
const lineBytes = 64

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
    b.for(b.unitBegin, b.unitEnd, rowBlock, (from) => {
      const to = b.intMin(b.intAdd(from, rowBlock), b.unitEnd)
      this.#block(from, to, 0, blocking.columnPanels, range)
    })
  }

  /** Column panels are the units; each thread walks all rows, a block at a time. */
  byColumns(range?: StepRange): void {
    const b = this.#b
    const { blocking, rowBlock } = this.#plan
    b.for(0, blocking.rowPanels, rowBlock, (from) => {
      const to = b.intMin(b.intAdd(from, rowBlock), blocking.rowPanels)
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

  #rowBlock(from: Value, to: Value, block: DepthBlock): RowBlock {
    const { packsA } = this.#plan
    if (packsA === 'rows') return this.#copyRows(from, to, block)
    if (packsA === 'steps') return this.#copySteps(from, to, block)
    return this.#rowsInPlace(this.#a, from, to, block.start)
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

  /** Rows of A copied to scratch, a cache line more than their length apart. */
  #copyRows(from: Value, to: Value, { start, depth }: DepthBlock): RowBlock {
    const b = this.#b
    const { shape, blocking, rowBlock } = this.#plan
    const line = 16
    const stride = Math.ceil(this.#plan.depth / line) * line + line
    const copy = this.#scratch(rowBlock * blocking.tileRows * stride * floatBytes)
    const firstRow = b.intMul(from, blocking.tileRows)
    const source = this.#rowsInPlace(this.#a, from, to, start).first.pointer
    const count = b.op('intSub', [b.intMin(b.intMul(to, blocking.tileRows), shape.m), firstRow])
    b.for(0, count, 1, (row) => {
      const rowFrom = b.intAdd(source, b.intMul(row, shape.aRow * floatBytes))
      const rowTo = b.intAdd(copy, b.intMul(row, stride * floatBytes))
      const copyLanes = (index: Value | undefined, offset: number, lanes: number): void => {
        b.store(
          b.load(b.at(rowFrom, offset * floatBytes, index), lanes),
          b.at(rowTo, offset * floatBytes, index),
          lanes,
        )
      }
      if (typeof depth === 'number') {
        columns(b, { from: 0, to: depth, size: depth }, b.lanes, 4, ({ index, offset, lanes }) => {
          copyLanes(index, offset, lanes)
        })
      } else {
        const whole = b.intMul(b.op('intDivImmediate', [depth], b.lanes), b.lanes)
        b.for(0, whole, b.lanes, (index) => copyLanes(index, 0, b.lanes))
        b.for(whole, depth, 1, (index) => copyLanes(index, 0, 1))
      }
    })
    const first = { pointer: copy, rowBytes: stride * floatBytes, stepBytes: floatBytes }
    return { from, to, first, panelBytes: blocking.tileRows * stride * floatBytes }
  }

  /**
   * Panels of A's rows copied to scratch as [panel][k][tileRows], the panels a cache line apart so that they do not fall on
   * the same few lines of the level-1 cache. A is read as it lies, step by step.
   */
  #copySteps(from: Value, to: Value, { start, depth }: DepthBlock): RowBlock {
    const b = this.#b
    const { shape, blocking, rowBlock } = this.#plan
    const { tileRows } = blocking
    const panelBytes = this.#plan.depth * tileRows * floatBytes + lineBytes
    const copy = this.#scratch(rowBlock * panelBytes)
    const source = this.#rowsInPlace(this.#a, from, to, start).first.pointer
    const copyPanels = (begin: Value, end: Value, rows: number): void => {
      const first = b.op('intSub', [begin, from])
      const panelFrom = b.intAdd(source, b.intMul(first, tileRows * floatBytes))
      const panelTo = b.intAdd(copy, b.intMul(first, panelBytes))
      b.for(0, depth, 1, (k) => {
        const stepFrom = b.variable(b.intAdd(panelFrom, b.intMul(k, shape.aStep * floatBytes)))
        const stepTo = b.variable(b.intAdd(panelTo, b.intMul(k, tileRows * floatBytes)))
        b.for(begin, end, 1, () => {
          for (let at = 0; at < rows; at += b.lanes) {
            const lanes = Math.min(b.lanes, rows - at)
            b.store(b.load(b.at(stepFrom, at * floatBytes), lanes), b.at(stepTo, at * floatBytes), lanes)
          }
          b.assign(stepFrom, b.intAdd(stepFrom, tileRows * floatBytes))
          b.assign(stepTo, b.intAdd(stepTo, panelBytes))
        })
      })
    }
    // Whole vectors where A has as many columns left: what is too much is written over by the next step, or lies in the gap.
    const wide = Math.ceil(tileRows / b.lanes) * b.lanes
    const wholeVectors = Math.max(0, Math.floor((shape.m - wide) / tileRows) + 1)
    if (wholeVectors > 0) copyPanels(from, b.intMin(to, wholeVectors), wide)
    this.#fullAndRest(b.intMax(from, wholeVectors), to, copyPanels)
    const first = { pointer: copy, rowBytes: floatBytes, stepBytes: tileRows * floatBytes }
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

  /** Row panels [from, to): those with all their rows, then the short last one (if any). */
  #fullAndRest(from: Value, to: Value, body: (begin: Value, end: Value, rows: number) => void): void {
    const b = this.#b
    const { shape, blocking } = this.#plan
    const full = Math.floor(shape.m / blocking.tileRows)
    const rest = shape.m % blocking.tileRows
    if (rest === 0) return body(from, to, blocking.tileRows)
    if (full > 0) body(from, b.intMin(to, full), blocking.tileRows)
    body(b.intMax(from, full), to, rest)
  }

  #rows(rows: RowBlock, block: DepthBlock, column: Value, last: boolean, right: Value, c: Value): void {
    this.#fullAndRest(rows.from, rows.to, (begin, end, count) => {
      this.#b.for(begin, end, 1, (panel) => this.#tile(rows, count, panel, block, column, last, right, c))
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
    const cAt = (i: number, v: number) => b.at(cTile, i * rowBytes + v * b.lanes * floatBytes)
    matmulTile(
      b,
      // Panels are padded to whole vectors, so only C needs the mask.
      packed ? { ...shapeOfTile, lastLanes: b.lanes } : shapeOfTile,
      {
        ...block.first,
        pointer: b.intAdd(block.first.pointer, b.intMul(b.op('intSub', [panel, block.from]), block.panelBytes)),
      },
      { pointer: start ? b.intAdd(panelStart, b.intMul(start, stepBytes)) : panelStart, rowBytes: 0, stepBytes },
      depth,
      (i, v, sum) => b.store(sum, cAt(i, v), lanesOf(b, shapeOfTile, v)),
      adds ? (i, v) => b.load(cAt(i, v), lanesOf(b, shapeOfTile, v)) : undefined,
    )
  }
}
