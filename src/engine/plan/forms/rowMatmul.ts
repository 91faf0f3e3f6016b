/**
 * One row times a matrix, y [1, n] = x [1, k] · B [k, n]: every element of B is used once, so the memory's rate is all there
 * is to reach. B is read as it lies, as a few streams far apart from one another: a core has more lines on their way then
 * than in one.
 */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Kernel, Value } from '../../kernel/kernel.ts'
import type { BufferUse, FormContext } from '../launchSpec.ts'
import { columns } from './columns.ts'
import type { MatmulShape } from './matmul.ts'
import { partSumsKernel } from './partSums.ts'
import { eachLine } from './streams.ts'

const floatBytes = 4
/** A smaller matrix of rows stays in a cache, where a second launch costs more than narrow panels do. */
const leastBytes = 2 ** 20
/** Parts of the sum over B's rows: enough for many threads, few beside the rows of each. */
const mostParts = 16
const fewestRows = 16

/** Units of columns that lie each in one piece, and the least that is one's. */
const mostUnits = 64
const leastUnitBytes = 64 * 1024

/** Whether a product is read line by line instead of by tiles. */
export function isRowMatmul(shape: MatmulShape): boolean {
  if (shape.batch > 1 || shape.m > 1) return false
  return isByColumns(shape) || isByRows(shape)
}
function isByColumns({ bStep, aStep, k }: MatmulShape): boolean {
  return bStep === 1 && (aStep === 1 || k === 1)
}
function isByRows({ bColumn, n, k }: MatmulShape): boolean {
  return bColumn === 1 && k * n * floatBytes >= leastBytes && k >= 2 * fewestRows
}

export function lowerRowMatmul(context: FormContext, shape: MatmulShape, label: string): void {
  if (isByColumns(shape)) lowerColumns(context, shape, label)
  else lowerRows(context, shape, label)
}

/** Each column is a sum of its own; a unit is some of them. */
function lowerColumns(context: FormContext, shape: MatmulShape, label: string): void {
  const { n, k } = shape
  const { target } = context
  const perUnit = Math.max(Math.ceil(n / mostUnits), Math.ceil(leastUnitBytes / (k * floatBytes)))
  context.launch({
    key: `row matmul ${JSON.stringify(shape)}`,
    build: () => ({ kernel: columnsKernel(shape, perUnit, target), units: Math.ceil(n / perUnit) }),
    buffers: [context.read(0), context.read(1), context.write()],
    label,
    flops: 2 * n * k,
    bytes: (k * n + k + n) * floatBytes,
  })
}

/** Arguments: x, B, y. */
function columnsKernel({ n, k, bColumn }: MatmulShape, perUnit: number, target: KernelTarget): Kernel {
  const b = new KernelBuilder('row matmul by columns', target)
  const [x, right, y] = [b.pointer(), b.pointer(), b.pointer()]
  const slots = 2
  const dots = (indices: readonly Value[]): void => {
    const from = indices.map((column) => b.intAdd(right, b.intMul(column, bColumn * floatBytes)))
    const sums = from.map(() => Array.from({ length: slots }, () => b.variable(b.constant(0))))
    columns(b, { from: 0, to: k, size: k }, b.lanes, slots, ({ index, offset, lanes, slot }) => {
      const factor = b.load(b.at(x, offset * floatBytes, index), lanes)
      for (const [i, pointer] of from.entries()) {
        const sum = sums[i]![slot]!
        b.assign(sum, b.multiplyAdd(factor, b.load(b.at(pointer, offset * floatBytes, index), lanes), sum))
      }
    })
    for (const [i, column] of indices.entries()) {
      const total = sums[i]!.reduce((a, sum) => b.add(a, sum))
      b.store(b.op('reduceAdd', [total]), b.at(y, 0, column, floatBytes), 1)
    }
  }
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => eachLine(b, ...linesOf(b, unit, perUnit, n), dots))
  return b.finish()
}

/** Rows of B lie each in one piece: a unit is a block of them and leaves its part of the sum; a second launch adds the parts. */
function lowerRows(context: FormContext, shape: MatmulShape, label: string): void {
  const { n, k } = shape
  const { target } = context
  const perUnit = Math.max(fewestRows, Math.ceil(k / mostParts))
  const parts = Math.ceil(k / perUnit)
  const partBytes = parts * n * floatBytes
  const storage = context.temporary(partBytes)
  const part = (access: BufferUse['access']): BufferUse => ({ storage, offset: 0, access })
  context.launch({
    key: `row matmul ${JSON.stringify(shape)}`,
    build: () => ({ kernel: partsKernel(shape, perUnit, target), units: parts }),
    buffers: [context.read(0), context.read(1), part('write')],
    label,
    flops: 2 * n * k,
    bytes: (k * n + k) * floatBytes + partBytes,
  })
  context.launch({
    key: `sum of parts ${parts} ${n} 1`,
    build: () => partSumsKernel(parts, n, 1, target),
    buffers: [part('read'), context.write()],
    label: `sum of ${parts} parts`,
    flops: parts * n,
    bytes: partBytes + n * floatBytes,
  })
}

/** Arguments: x, B, parts [unit][n]. */
function partsKernel({ n, k, aStep, bStep }: MatmulShape, perUnit: number, target: KernelTarget): Kernel {
  const b = new KernelBuilder('row matmul by rows', target)
  const [x, right, parts] = [b.pointer(), b.pointer(), b.pointer()]
  const extent = { from: 0, to: n, size: n }
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const part = b.intAdd(parts, b.intMul(unit, n * floatBytes))
    columns(b, extent, b.lanes, 4, ({ index, offset, lanes }) => {
      b.store(b.constant(0), b.at(part, offset * floatBytes, index), lanes)
    })
    eachLine(b, ...linesOf(b, unit, perUnit, k), (rows) => {
      const from = rows.map((row) => b.intAdd(right, b.intMul(row, bStep * floatBytes)))
      const factors = rows.map((row) => b.broadcast(b.at(b.intAdd(x, b.intMul(row, aStep * floatBytes)))))
      columns(b, extent, b.lanes, 2, ({ index, offset, lanes }) => {
        const at = b.at(part, offset * floatBytes, index)
        const sum = from.reduce(
          (before, pointer, i) => {
            return b.multiplyAdd(factors[i]!, b.load(b.at(pointer, offset * floatBytes, index), lanes), before)
          },
          b.load(at, lanes),
        )
        b.store(sum, at, lanes)
      })
    })
  })
  return b.finish()
}

/** The lines of a unit: from, to. */
function linesOf(b: KernelBuilder, unit: Value, perUnit: number, all: number): [Value, Value] {
  const first = b.intMul(unit, perUnit)
  return [first, b.intMin(b.intAdd(first, perUnit), all)]
}
