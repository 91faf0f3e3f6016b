/** Rows of A copied to scratch memory in the order in which tiles read them: [panel][k][tileRows]. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Value } from '../../kernel/kernel.ts'
import { interleaveRows, transposeSquare } from '../../kernel/transpose.ts'
import { fullThenShort } from './panels.ts'
import type { MatmulPlan } from './matmul.ts'

const floatBytes = 4
const lineBytes = 64
/** Steps of k that lie far apart are asked for so many ahead: no stream is long enough for the processor to do so. */
const stepsAhead = 8

/** Row panels [from, to), the first of which begins at `source`, for `depth` steps of k; the copy begins at `copy`. */
export interface RowPanels {
  readonly from: Value
  readonly to: Value
  readonly source: Value
  readonly copy: Value
  readonly depth: Bound
}

/** A cache line more than they need, so that panels do not fall on the same few lines of the level-1 cache. */
export function rowPanelBytes(plan: MatmulPlan): number {
  return plan.depth * plan.blocking.tileRows * floatBytes + lineBytes
}

/** Panels with all their rows, and all panels. */
export function rowPanelCounts({ shape, blocking }: MatmulPlan): { readonly full: number; readonly all: number } {
  return { full: Math.floor(shape.m / blocking.tileRows), all: blocking.rowPanels }
}

/**
 * A is read as it lies: along its rows where they lie along k, with squares transposed in registers; along k else. Vectors
 * are stored whole, in order of k: what is too much is written over by the next step, or lies in the gap between panels.
 */
export function copyRowPanels(b: KernelBuilder, plan: MatmulPlan, panels: RowPanels): void {
  if (plan.shape.aStep === 1) copyAlongRows(b, plan, panels)
  else copyAlongSteps(b, plan, panels)
}

function copyAlongRows(b: KernelBuilder, plan: MatmulPlan, { from, to, source, copy, depth }: RowPanels): void {
  const { shape, blocking } = plan
  const { tileRows } = blocking
  const stepBytes = tileRows * floatBytes
  const whole =
    typeof depth === 'number' ? depth - (depth % b.lanes) : b.intMul(b.op('intDivImmediate', [depth], b.lanes), b.lanes)
  fullThenShort(b, [from, to], rowPanelCounts(plan), (begin, end, short) => {
    const rows = short ? shape.m % tileRows : tileRows
    b.for(begin, end, 1, (panel) => {
      const index = b.op('intSub', [panel, from])
      const rowsFrom = b.intAdd(source, b.intMul(index, tileRows * shape.aRow * floatBytes))
      const panelTo = b.intAdd(copy, b.intMul(index, rowPanelBytes(plan)))
      const at = (i: number, k: Value) => b.at(rowsFrom, i * shape.aRow * floatBytes, k)
      b.for(0, whole, b.lanes, (k) => {
        const vectors = Array.from({ length: rows }, (_, i) => b.load(at(i, k)))
        const stepTo = b.intAdd(panelTo, b.intMul(k, stepBytes))
        storeSteps(b, vectors, tileRows, (bytes) => b.at(stepTo, bytes))
      })
      if (whole === depth) return
      b.for(whole, depth, 1, (k) => {
        const stepTo = b.intAdd(panelTo, b.intMul(k, stepBytes))
        for (let i = 0; i < rows; i++) b.store(b.load(at(i, k), 1), b.at(stepTo, i * floatBytes), 1)
      })
    })
  })
}

/** Vectors along k, one for each row, as `lanes` steps of `tileRows` numbers. */
function storeSteps(
  b: KernelBuilder,
  vectors: readonly Value[],
  tileRows: number,
  at: (bytes: number) => ReturnType<KernelBuilder['at']>,
): void {
  if (vectors.length === tileRows && 2 * tileRows === b.lanes) {
    interleaveRows(b, vectors).forEach((vector, k) => b.store(vector, at(k * b.lanes * floatBytes)))
    return
  }
  const square = Array.from({ length: b.lanes }, (_, i) => vectors[i] ?? b.constant(0))
  transposeSquare(b, square).forEach((vector, k) => b.store(vector, at(k * tileRows * floatBytes)))
}

function copyAlongSteps(b: KernelBuilder, plan: MatmulPlan, { from, to, source, copy, depth }: RowPanels): void {
  const { shape, blocking } = plan
  const { tileRows } = blocking
  const copyPanels = (begin: Value, end: Value, rows: number): void => {
    const first = b.op('intSub', [begin, from])
    const panelFrom = b.intAdd(source, b.intMul(first, tileRows * floatBytes))
    const panelTo = b.intAdd(copy, b.intMul(first, rowPanelBytes(plan)))
    b.for(0, depth, 1, (k) => {
      const stepFrom = b.variable(b.intAdd(panelFrom, b.intMul(k, shape.aStep * floatBytes)))
      const stepTo = b.variable(b.intAdd(panelTo, b.intMul(k, tileRows * floatBytes)))
      b.for(begin, end, 1, () => {
        for (let at = 0; at < rows; at += b.lanes) {
          const lanes = Math.min(b.lanes, rows - at)
          b.store(b.load(b.at(stepFrom, at * floatBytes), lanes), b.at(stepTo, at * floatBytes), lanes)
        }
        b.prefetch(b.at(stepFrom, stepsAhead * shape.aStep * floatBytes), 'read')
        b.assign(stepFrom, b.intAdd(stepFrom, tileRows * floatBytes))
        b.assign(stepTo, b.intAdd(stepTo, rowPanelBytes(plan)))
      })
    })
  }
  // Whole vectors where A has as many columns left.
  const wide = Math.ceil(tileRows / b.lanes) * b.lanes
  const wholeVectors = Math.max(0, Math.floor((shape.m - wide) / tileRows) + 1)
  if (wholeVectors > 0) copyPanels(from, b.intMin(to, wholeVectors), wide)
  fullThenShort(b, [b.intMax(from, wholeVectors), to], rowPanelCounts(plan), (begin, end, short) => {
    copyPanels(begin, end, short ? shape.m % tileRows : tileRows)
  })
}
