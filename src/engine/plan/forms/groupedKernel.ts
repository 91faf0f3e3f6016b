/** The kernel of a product by group: loops over groups, their rows, and panels of their matrices around the tile. */
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Value } from '../../kernel/kernel.ts'
import type { BuiltKernel } from '../launchSpec.ts'
import { fewestRows, type MatmulPlan } from './matmul.ts'
import { eachPanel } from './panels.ts'
import { lanesOf, matmulTile } from './matmulTile.ts'

const floatBytes = 4
const intBytes = 4

/** The places [begin, end) of a group. */
export function rowsOf(b: KernelBuilder, offsets: Value, group: Value): { begin: Value; end: Value } {
  return {
    begin: b.loadInt(b.at(offsets, 0, group, intBytes)),
    end: b.loadInt(b.at(offsets, intBytes, group, intBytes)),
  }
}

/**
 * Arguments: rows, matrices (or their panels), offsets, result. The plan's batch are the groups, its m all rows together.
 *
 * Units are row panels in order of memory, or column panels where there are few rows. Groups begin new row panels, so their
 * number is known only when the kernel runs; as many units are planned as there can be, and the last ones may be empty.
 */
export function groupedMatmulKernel(plan: MatmulPlan, packed: boolean): BuiltKernel {
  const b = new KernelBuilder('grouped matmul', plan.target)
  const emitter = new GroupedEmitter(b, plan, packed)
  const { columnPanels } = plan.blocking
  const mostPanels = mostRowPanels(plan)
  const byColumns = mostPanels < fewestRowPanels && columnPanels > 1
  if (byColumns) emitter.byColumns()
  else emitter.byRows()
  const grain = byColumns ? 1 : Math.ceil(fewestRows / plan.blocking.tileRows)
  return { kernel: b.finish(), units: byColumns ? columnPanels : mostPanels, grain }
}

/** Fewer row panels than this and the columns are shared out instead. */
const fewestRowPanels = 32

/** No routing needs more: a group's last panel may be short, and there are at most as many groups with rows as rows. */
function mostRowPanels({ shape, blocking }: MatmulPlan): number {
  const short = Math.min(shape.batch, shape.m)
  return Math.floor((shape.m + short * (blocking.tileRows - 1)) / blocking.tileRows)
}

/** A group's rows and matrix. */
interface Group {
  readonly x: Value
  readonly right: Value
  readonly c: Value
  /** Row panels with all their rows, and the rows after them. */
  readonly fullPanels: Value
  readonly rest: Value
}

class GroupedEmitter {
  readonly #b: KernelBuilder
  readonly #plan: MatmulPlan
  readonly #packed: boolean
  readonly #x: Value
  readonly #right: Value
  readonly #offsets: Value
  readonly #c: Value

  constructor(b: KernelBuilder, plan: MatmulPlan, packed: boolean) {
    this.#b = b
    this.#plan = plan
    this.#packed = packed
    this.#x = b.pointer()
    this.#right = b.pointer()
    this.#offsets = b.pointer()
    this.#c = b.pointer()
  }

  byRows(): void {
    const b = this.#b
    const { shape, blocking } = this.#plan
    const panelsBefore = b.variable(b.int(0))
    b.for(0, shape.batch, 1, (index) => {
      this.#group(index, (group, panels) => {
        const from = b.intMax(b.op('intSub', [b.unitBegin, panelsBefore]), 0)
        const to = b.intMin(b.op('intSub', [b.unitEnd, panelsBefore]), panels)
        this.#rowBlocks(group, from, to, 0, blocking.columnPanels)
        b.assign(panelsBefore, b.intAdd(panelsBefore, panels))
      })
    })
  }

  byColumns(): void {
    const b = this.#b
    b.for(0, this.#plan.shape.batch, 1, (index) => {
      this.#group(index, (group, panels) => this.#rowBlocks(group, b.int(0), panels, b.unitBegin, b.unitEnd))
    })
  }

  #group(index: Value, body: (group: Group, panels: Value) => void): void {
    const b = this.#b
    const { shape, blocking, panelBytes } = this.#plan
    const { begin, end } = rowsOf(b, this.#offsets, index)
    const rows = b.op('intSub', [end, begin])
    const matrixBytes = this.#packed ? blocking.columnPanels * panelBytes : shape.bBatch * floatBytes
    const group = {
      x: b.intAdd(this.#x, b.intMul(begin, shape.aRow * floatBytes)),
      right: b.intAdd(this.#right, b.intMul(index, matrixBytes)),
      c: b.intAdd(this.#c, b.intMul(begin, shape.n * floatBytes)),
      fullPanels: b.op('intDivImmediate', [rows], blocking.tileRows),
      rest: b.op('intModImmediate', [rows], blocking.tileRows),
    }
    body(group, b.intAdd(group.fullPanels, b.intMin(group.rest, 1)))
  }

  /** A block of row panels stays in cache while every panel of the matrix passes. */
  #rowBlocks(group: Group, from: Value, to: Value, columnFrom: Bound, columnTo: Bound): void {
    const b = this.#b
    const { rowBlock } = this.#plan
    b.for(from, to, rowBlock, (first) => {
      const last = b.intMin(b.intAdd(first, rowBlock), to)
      this.#columns(columnFrom, columnTo, (column, isLast) => this.#rows(group, first, last, column, isLast))
    })
  }

  /** The full column panels in a loop, the narrow last one (if any) on its own. */
  #columns(from: Bound, to: Bound, body: (column: Value, last: boolean) => void): void {
    const { shape, blocking, panelWidth } = this.#plan
    eachPanel(this.#b, [from, to], { full: Math.floor(shape.n / panelWidth), all: blocking.columnPanels }, body)
  }

  /** Row panels [from, to) of a group: full ones, then the rows that are left by shorter tiles, each at most once. */
  #rows(group: Group, from: Value, to: Value, column: Value, last: boolean): void {
    const b = this.#b
    const { tileRows } = this.#plan.blocking
    b.for(from, b.intMin(to, group.fullPanels), 1, (panel) => {
      this.#tile(group, b.intMul(panel, tileRows), tileRows, column, last)
    })
    if (tileRows === 1) return
    b.for(b.intMax(from, group.fullPanels), to, 1, (panel) => {
      const row = b.variable(b.intMul(panel, tileRows))
      for (let rows = 2 ** Math.floor(Math.log2(tileRows - 1)); rows >= 1; rows /= 2) {
        const times = b.op('intModImmediate', [b.op('intDivImmediate', [group.rest], rows)], 2)
        b.for(0, times, 1, () => {
          this.#tile(group, row, rows, column, last)
          b.assign(row, b.intAdd(row, rows))
        })
      }
    })
  }

  #tile(group: Group, row: Value, rows: number, column: Value, last: boolean): void {
    const b = this.#b
    const { shape, panelBytes, panelWidth } = this.#plan
    const tile = this.#plan.tile(rows, last)
    const c = b.intAdd(
      b.intAdd(group.c, b.intMul(row, shape.n * floatBytes)),
      b.intMul(column, panelWidth * floatBytes),
    )
    matmulTile(
      b,
      // panels are padded to whole vectors, so only the result needs the mask
      this.#packed ? { ...tile, lastLanes: b.lanes } : tile,
      {
        pointer: b.intAdd(group.x, b.intMul(row, shape.aRow * floatBytes)),
        rowBytes: shape.aRow * floatBytes,
        stepBytes: shape.aStep * floatBytes,
      },
      {
        pointer: b.intAdd(group.right, b.intMul(column, this.#packed ? panelBytes : panelWidth * floatBytes)),
        rowBytes: 0,
        stepBytes: (this.#packed ? panelWidth : shape.bStep) * floatBytes,
      },
      shape.k,
      (i, v, sum) => b.store(sum, b.at(c, (i * shape.n + v * b.lanes) * floatBytes), lanesOf(b, tile, v)),
    )
  }
}
