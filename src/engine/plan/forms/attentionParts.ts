/** Gradients of keys and values that several units share: each leaves those of its query heads, and a second launch adds them up. */
import { contiguous } from '../../ir/layout.ts'
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { BuiltKernel } from '../launchSpec.ts'
import { floatBytes, headStrides, queryHeadsOfUnit, type AttentionShape, type HeadStrides } from './attentionShape.ts'
import { columns } from './columns.ts'
import { sumDown } from './partSums.ts'

/** Floats of a unit. */
const unitFloats = 4096

export interface GradientParts {
  /** Query heads of a unit. */
  readonly share: number
  /** Units that share a key head; where it is 1 they write the result itself, and nothing here is needed. */
  readonly count: number
  /** Of a part, [B, T, 2 keyHeads, D]. */
  readonly strides: HeadStrides
  /** Floats of a part. */
  readonly size: number
}

export function gradientParts(shape: AttentionShape): GradientParts {
  const { batch, time, heads, keyHeads, headDim } = shape
  const share = queryHeadsOfUnit(shape)
  const strides = headStrides(contiguous([batch, time, 2 * keyHeads, headDim]))
  return { share, count: heads / keyHeads / share, strides, size: batch * strides.batch }
}

/** Arguments: the parts, one after another, and the result [B, T, heads + 2 keyHeads, D] whose last heads are their sum. */
export function sumOfPartsKernel(
  { batch, time, heads, headDim }: AttentionShape,
  { count, strides, size }: GradientParts,
  packed: HeadStrides,
  target: KernelTarget,
): BuiltKernel {
  const b = new KernelBuilder('sum of key gradients', target)
  const [parts, gradients] = [b.pointer(), b.pointer()]
  const width = strides.time
  const perUnit = Math.ceil(unitFloats / width)
  const end = b.intMin(b.intMul(b.unitEnd, perUnit), batch * time)
  b.for(b.intMul(b.unitBegin, perUnit), end, 1, (row) => {
    const from = b.intAdd(parts, b.intMul(row, width * floatBytes))
    const to = b.intAdd(gradients, b.intMul(row, packed.time * floatBytes))
    columns(b, { from: 0, to: width, size: width }, b.lanes, 1, ({ index, offset, lanes }) => {
      const column = index ? b.intAdd(from, b.intMul(index, floatBytes)) : from
      const sum = sumDown(b, b.intAdd(column, offset * floatBytes), count, size, lanes)
      b.store(sum, b.at(to, (heads * headDim + offset) * floatBytes, index), lanes)
    })
  })
  return { kernel: b.finish(), units: Math.ceil((batch * time) / perUnit) }
}
