/** Which rows belong to which group, by counting; and rows copied into that order. */
import { isContiguous } from '../../ir/layout.ts'
import { sizeOf } from '../../ir/node.ts'
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Address, Value } from '../../kernel/kernel.ts'
import type { Form } from '../launchSpec.ts'
import { gatherKernel } from './embedding.ts'
import type { FusedKernel } from './fused.ts'

const intBytes = 4
const floatBytes = 4

export const groupByForm: Form = {
  accepts: (_, layout) => isContiguous(layout),
  lower: (context) => {
    const { node, operands, target } = context
    const count = sizeOf(operands[0]!.layout.shape)
    const groups = node.attributes['groups'] as number
    context.launch({
      key: `groupBy ${count} ${groups}`,
      build: () => groupByKernel(count, groups, target),
      buffers: [context.read(0), context.write()],
      label: `groupBy ${count} ids in ${groups} groups`,
      flops: 0,
      bytes: (3 * count + groups) * intBytes,
    })
  },
}

/** Arguments: ids, the three tables. A counting sort in one unit: some instructions for each id. */
function groupByKernel(count: number, groups: number, target: KernelTarget): FusedKernel {
  const b = new KernelBuilder('groupBy', target)
  const [ids, tables] = [b.pointer(), b.pointer()]
  const next = b.intAdd(b.scratch, b.reserveScratch(groups * intBytes))
  const at = (base: Value, index: Value, offset = 0): Address => b.at(base, offset, index, intBytes)
  const store = (value: Value, address: Address): void => b.store(b.op('splat', [value]), address, 1)
  const take = (id: Value): Value => {
    const value = b.loadInt(at(next, id))
    store(b.intAdd(value, 1), at(next, id))
    return value
  }
  b.for(b.unitBegin, b.unitEnd, 1, () => {
    b.for(0, groups, 1, (group) => store(b.int(0), at(next, group)))
    b.for(0, count, 1, (k) => take(b.loadInt(at(ids, k))))
    const total = b.variable(b.int(0))
    b.for(0, groups, 1, (group) => {
      const members = b.loadInt(at(next, group))
      store(total, at(next, group))
      store(total, at(tables, group))
      b.assign(total, b.intAdd(total, members))
    })
    store(total, b.at(tables, groups * intBytes))
    const order = (groups + 1) * intBytes
    b.for(0, count, 1, (k) => {
      const place = take(b.loadInt(at(ids, k)))
      store(k, at(tables, place, order))
      store(place, at(tables, k, order + count * intBytes))
    })
  })
  return { kernel: b.finish(), units: 1 }
}

export const groupRowsForm: Form = {
  accepts: (k, layout) => (k === 0 ? layout.strides[1] === 1 : isContiguous(layout)),
  lower: (context) => {
    const { operands, target } = context
    const table = operands[0]!.layout
    const count = operands[1]!.layout.shape[0]!
    const [rows, width] = table.shape as readonly [number, number]
    const shape = { count, width, rowStride: table.strides[0]!, perRow: count / rows }
    context.launch({
      key: `gather ${JSON.stringify(shape)}`,
      build: () => gatherKernel(shape, target),
      buffers: [context.read(0), context.read(1), context.write()],
      label: `gather ${count} rows of ${width}`,
      flops: 0,
      bytes: 2 * count * width * floatBytes,
    })
  },
}
