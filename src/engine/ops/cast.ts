/** Between the dtypes, and positions as numbers. */
import { sizeOf, type Shape } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { elementwiseRow } from './elementwiseRow.ts'
import type { OpRow, Tensor } from './row.ts'
import { checkShape } from './shape.ts'

export const toFloatRow = elementwiseRow({
  name: 'toFloat',
  inputs: ['i32'],
  cost: 1,
  meaning: (a) => a,
  emit: (b, [x]) => b.op('toFloat', [x!]),
  gradient: { none: 'its input is an integer' },
  samples: [
    { inputs: [{ shape: [3, 7], dtype: 'i32', low: -50, high: 50 }] },
    { inputs: [{ shape: [1], dtype: 'i32', low: -5, high: 5 }] },
  ],
})

/** Truncates toward zero; |a| < 2^31. */
export const toIntRow = elementwiseRow({
  name: 'toInt',
  inputs: ['f32'],
  output: 'i32',
  cost: 1,
  meaning: (a) => Math.trunc(a),
  emit: (b, [x]) => b.op('toInt', [x!]),
  gradient: { none: 'its result is an integer' },
  samples: [{ inputs: [{ shape: [3, 7], low: -50, high: 50 }] }, { inputs: [{ shape: [1], low: -5, high: 5 }] }],
})

/** Attributes: shape (at least one axis). */
export const lastAxisIndexRow: OpRow = {
  name: 'lastAxisIndex',
  infer: (_, attributes) => {
    const shape = attributes['shape'] as Shape
    checkShape('lastAxisIndex', shape)
    return { dtype: 'i32', shape }
  },
  evaluate: (_, __, output) => {
    const width = output.shape.at(-1) ?? 1
    for (let at = 0; at < output.data.length; at++) output.data[at] = at % width
  },
  lowering: {
    kind: 'elementwise',
    cost: 1,
    position: 'lastAxisIndex',
    emit: (_, __, ___, position) => position.lastAxisIndex(),
  },
  gradient: { none: 'its result is an integer' },
  flops: (_, output) => sizeOf(output.shape),
  samples: [
    { inputs: [], attributes: { shape: [3, 7] } },
    { inputs: [], attributes: { shape: [2, 2, 33] } },
  ],
}

/** i32 to f32. */
export function toFloat(x: Tensor): Tensor {
  return createTensor(toFloatRow, [x])
}
/** f32 to i32, truncated toward zero. */
export function toInt(x: Tensor): Tensor {
  return createTensor(toIntRow, [x])
}
/** i32 of the given shape: each element's index along the last axis. */
export function lastAxisIndex(shape: Shape): Tensor {
  return createTensor(lastAxisIndexRow, [], { shape })
}
