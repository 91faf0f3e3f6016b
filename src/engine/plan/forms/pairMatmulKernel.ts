/** The kernel of a product of panels of bf16 pairs: loops over row panels, column panels and k around the tile. */
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Kernel, Value } from '../../kernel/kernel.ts'
import { askForResult, matmulTile, shareOfPanel } from './matmulTile.ts'
import type { PairMatmulPlan } from './pairMatmul.ts'
import { eachPanel, evenBlocks } from './panels.ts'

const wordBytes = 4

/** The pairs of k that a pass covers; `adds` says that C holds the sum of earlier passes. */
interface Depth {
  readonly start: Bound
  readonly count: Bound
  readonly adds: boolean
}

/** Where the panels and C of a batch entry begin. */
interface Operands {
  readonly left: Value
  readonly right: Value
  readonly c: Value
}

/** Arguments: panels of A, panels of B, C, to which the product is added where `adds` says so. */
export function pairMatmulKernel(plan: PairMatmulPlan, adds: boolean): Kernel {
  const b = new KernelBuilder('matmul bf16', plan.target)
  const emitter = new PairEmitter(b, plan, adds)
  const { shape, blocking, rowBlock, splitsColumns } = plan
  const operands = { left: b.pointer(), right: b.pointer(), c: b.pointer() }
  if (shape.batch > 1) {
    b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
      const entry = emitter.entry(operands, b.op('intDivImmediate', [unit], blocking.rowPanels))
      const row = b.op('intModImmediate', [unit], blocking.rowPanels)
      emitter.block(entry, row, b.intAdd(row, 1), 0, blocking.columnPanels)
    })
    return b.finish()
  }
  const [begin, end] = splitsColumns ? [b.int(0), b.int(blocking.rowPanels)] : [b.unitBegin, b.unitEnd]
  const [columnFrom, columnTo] = splitsColumns ? [b.unitBegin, b.unitEnd] : [0, blocking.columnPanels]
  evenBlocks(b, [begin, end], rowBlock, (from, to) => emitter.block(operands, from, to, columnFrom, columnTo))
  return b.finish()
}

class PairEmitter {
  readonly #b: KernelBuilder
  readonly #plan: PairMatmulPlan
  readonly #adds: boolean

  constructor(b: KernelBuilder, plan: PairMatmulPlan, adds: boolean) {
    this.#b = b
    this.#plan = plan
    this.#adds = adds
  }

  entry({ left, right, c }: Operands, batch: Value): Operands {
    const b = this.#b
    const { shape, blocking, leftPanelBytes, rightPanelBytes } = this.#plan
    return {
      left: b.intAdd(left, b.intMul(batch, blocking.rowPanels * leftPanelBytes)),
      right: b.intAdd(right, b.intMul(batch, blocking.columnPanels * rightPanelBytes)),
      c: b.intAdd(c, b.intMul(batch, shape.m * shape.n * wordBytes)),
    }
  }

  /** All of k for row panels [from, to) and column panels [columnFrom, columnTo). */
  block(operands: Operands, from: Value, to: Value, columnFrom: Bound, columnTo: Bound): void {
    const b = this.#b
    const { pairs, depth, depthBlocks } = this.#plan
    const pass = (part: Depth): void =>
      this.#columns(columnFrom, columnTo, (column, last) => this.#rows(operands, from, to, column, last, part))
    pass({ start: 0, count: depth, adds: this.#adds })
    if (depthBlocks === 1) return
    b.for(depth, pairs, depth, (start) => {
      pass({ start, count: b.intMin(b.op('intSub', [b.int(pairs), start]), depth), adds: true })
    })
  }

  /** The full column panels in a loop, the narrow last one (if any) on its own. */
  #columns(from: Bound, to: Bound, body: (column: Value, last: boolean) => void): void {
    const { shape, blocking, panelWidth } = this.#plan
    eachPanel(this.#b, [from, to], { full: Math.floor(shape.n / panelWidth), all: blocking.columnPanels }, body)
  }

  /** Row panels with all their rows, then the short last one (if any). */
  #rows(operands: Operands, from: Value, to: Value, column: Value, last: boolean, depth: Depth): void {
    const b = this.#b
    const { shape, blocking } = this.#plan
    const full = Math.floor(shape.m / blocking.tileRows)
    eachPanel(b, [from, to], { full, all: blocking.rowPanels }, (panel, short) => {
      const rows = short ? shape.m % blocking.tileRows : blocking.tileRows
      this.#tile(operands, panel, b.op('intSub', [panel, from]), rows, column, last, depth)
    })
  }

  /** Tile number `place` of its block. */
  #tile(
    operands: Operands,
    panel: Value,
    place: Value,
    rows: number,
    column: Value,
    last: boolean,
    depth: Depth,
  ): void {
    const b = this.#b
    const { shape, blocking, panelWidth, leftByRows, leftStride, leftPanelBytes, rightPanelBytes } = this.#plan
    const { shape: tile, lanes } = this.#plan.tile(rows, last)
    const rowBytes = shape.n * wordBytes
    const c = b.intAdd(
      b.intAdd(operands.c, b.intMul(panel, blocking.tileRows * rowBytes)),
      b.intMul(column, panelWidth * wordBytes),
    )
    const at = (i: number, v: number) => b.at(c, i * rowBytes + v * b.lanes * wordBytes)
    const shifted = (base: Value, stepBytes: number): Value => {
      if (depth.start === 0) return base
      return b.intAdd(base, b.intMul(depth.start as Value, stepBytes))
    }
    const left = leftByRows
      ? { rowBytes: leftStride, stepBytes: wordBytes }
      : { rowBytes: wordBytes, stepBytes: leftStride }
    const rightStep = panelWidth * wordBytes
    const right = shifted(b.intAdd(operands.right, b.intMul(column, rightPanelBytes)), rightStep)
    const next = { pointer: b.intAdd(right, rightPanelBytes), stepBytes: rightStep }
    askForResult(b, tile, { pointer: c, rowBytes }, this.#plan.depth, depth.adds)
    matmulTile(
      b,
      tile,
      { ...left, pointer: shifted(b.intAdd(operands.left, b.intMul(panel, leftPanelBytes)), left.stepBytes) },
      { pointer: right, rowBytes: 0, stepBytes: rightStep },
      depth.count,
      (i, v, sum) => b.store(sum, at(i, v), lanes(v)),
      {
        initial: depth.adds ? (i, v) => b.load(at(i, v), lanes(v)) : undefined,
        ahead: shareOfPanel(b, next, this.#plan.depth, place, Math.min(blocking.rowPanels, this.#plan.rowBlock)),
      },
    )
  }
}
