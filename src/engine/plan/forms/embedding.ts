/** Rows of a table by index, and gradients added back to them. */
import { isContiguous } from '../../ir/layout.ts'
import { sizeOf } from '../../ir/node.ts'
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { asMatrix } from '../layouts.ts'
import type { Form } from '../launchSpec.ts'
import { columns } from './columns.ts'
import type { FusedKernel } from './fused.ts'

const floatBytes = 4
const unitElements = 4096

export const gatherForm: Form = {
  accepts: (k, layout) => (k === 0 ? layout.strides[1] === 1 : isContiguous(layout)),
  lower: (context) => {
    const { node, operands, target } = context
    const table = operands[0]!.layout
    const shape = { count: sizeOf(operands[1]!.layout.shape), width: table.shape[1]!, rowStride: table.strides[0]! }
    context.launch({
      key: `gather ${JSON.stringify(shape)}`,
      build: () => gatherKernel(shape, target),
      buffers: [context.read(0), context.read(1), context.write()],
      label: `gather ${shape.count} rows of ${shape.width}`,
      flops: 0,
      bytes: 2 * sizeOf(node.shape) * floatBytes,
    })
  },
}

interface GatherShape {
  readonly count: number
  readonly width: number
  readonly rowStride: number
  /** Ids that name one row: id i is of row floor(i / perRow). 1 unless told. */
  readonly perRow?: number
}

/** Arguments: table, ids, result. Unit: a block of rows. */
export function gatherKernel({ count, width, rowStride, perRow = 1 }: GatherShape, target: KernelTarget): FusedKernel {
  const b = new KernelBuilder('gather', target)
  const [table, ids, result] = [b.pointer(), b.pointer(), b.pointer()]
  const perUnit = Math.max(1, Math.ceil(unitElements / width))
  b.for(b.intMul(b.unitBegin, perUnit), b.intMin(b.intMul(b.unitEnd, perUnit), count), 1, (row) => {
    const id = b.loadInt(b.at(ids, 0, row, floatBytes))
    const from = rowOf(b, table, perRow === 1 ? id : b.op('intDivImmediate', [id], perRow), rowStride)
    const to = rowOf(b, result, row, width)
    columns(b, { from: 0, to: width, size: width }, b.lanes, 2, ({ index, offset, lanes }) => {
      b.store(b.load(b.at(from, offset * floatBytes, index), lanes), b.at(to, offset * floatBytes, index), lanes)
    })
  })
  return { kernel: b.finish(), units: Math.ceil(count / perUnit) }
}

export const scatterAddForm: Form = {
  accepts: (k, layout) => (k === 2 ? asMatrix(layout) !== undefined : k === 0 || isContiguous(layout)),
  lower: (context) => {
    const { operands, target } = context
    const updates = asMatrix(operands[2]!.layout)!
    const shape = { count: updates.rows, width: updates.columns, rowStride: updates.rowStride }
    // Where the plan gave the result the storage of the base, the base is there already.
    if (context.read(0).storage !== context.write().storage) context.copy(0, 0)
    context.launch({
      key: `scatterAdd ${JSON.stringify(shape)}`,
      build: () => scatterAddKernel(shape, target),
      buffers: [context.read(1), context.read(2), context.write()],
      label: `scatterAdd ${shape.count} rows of ${shape.width}`,
      flops: shape.count * shape.width,
      bytes: 3 * shape.count * shape.width * floatBytes,
    })
  },
}

/**
 * Arguments: ids, updates, result. Rows may repeat, so each unit owns a block of columns and adds all rows to it in order:
 * the sum is the same however the units are shared out.
 */
function scatterAddKernel({ count, width, rowStride }: GatherShape, target: KernelTarget): FusedKernel {
  const b = new KernelBuilder('scatterAdd', target)
  const [ids, updates, result] = [b.pointer(), b.pointer(), b.pointer()]
  const block = 4 * b.lanes
  const units = Math.ceil(width / block)
  const addRows = (column: Value, lanes: readonly number[]): void => {
    const shift = b.intMul(column, floatBytes)
    const [from, to] = [b.intAdd(updates, shift), b.intAdd(result, shift)]
    b.for(0, count, 1, (row) => {
      const source = rowOf(b, from, row, rowStride)
      const sum = rowOf(b, to, b.loadInt(b.at(ids, 0, row, floatBytes)), width)
      for (const [v, count] of lanes.entries()) {
        const at = v * b.lanes * floatBytes
        b.store(b.add(b.load(b.at(sum, at), count), b.load(b.at(source, at), count)), b.at(sum, at), count)
      }
    })
  }
  const lanesFrom = (columnsLeft: number): number[] =>
    Array.from({ length: Math.ceil(Math.min(block, columnsLeft) / b.lanes) }, (_, v) =>
      Math.min(b.lanes, columnsLeft - v * b.lanes),
    )
  const full = Math.floor(width / block)
  if (full > 0) {
    b.for(b.unitBegin, b.intMin(b.unitEnd, full), 1, (unit) => addRows(b.intMul(unit, block), lanesFrom(block)))
  }
  if (full < units) {
    b.for(b.intMax(b.unitBegin, full), b.unitEnd, 1, (unit) =>
      addRows(b.intMul(unit, block), lanesFrom(width - full * block)),
    )
  }
  return { kernel: b.finish(), units }
}

function rowOf(b: KernelBuilder, base: Value, row: Value, rowStride: number): Value {
  return b.intAdd(base, b.intMul(row, rowStride * floatBytes))
}
