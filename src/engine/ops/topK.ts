/** The largest elements of each row. */
import { lastAxisIndex, toFloat, toInt } from './cast.ts'
import { equal, notEqual, select } from './compare.ts'
import { createTensor } from './create.ts'
import { div, mul, sub } from './elementwise.ts'
import { concat } from './join.ts'
import { reshape } from './movement.ts'
import { maxOver, sum } from './reduce.ts'
import { ShapeError, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

/**
 * x [N, E] -> i32 [N, k]: the columns of each row's k largest elements, the largest first, of equal ones the lower column
 * first. Always in [0, E), also where NaN leaves the choice open. Attributes: k.
 */
export const topKIndicesRow: OpRow = {
  name: 'topKIndices',
  infer: (inputs, attributes) => {
    checkDTypes('topKIndices', inputs, ['f32'])
    const [{ shape }] = inputs as [Tensor]
    const k = attributes['k'] as number
    if (shape.length === 2 && Number.isSafeInteger(k) && k >= 1 && k <= shape[1]!) {
      return { dtype: 'i32', shape: [shape[0]!, k] }
    }
    throw new ShapeError(`topK: cannot take the ${k} largest of each row of ${describeType(inputs[0]!)}`)
  },
  evaluate: ([x], attributes, output) => {
    const k = attributes['k'] as number
    const [rows, width] = x!.shape as readonly [number, number]
    for (let row = 0; row < rows; row++) {
      const values = x!.data.subarray(row * width, (row + 1) * width)
      const order = Array.from(values, (_, column) => column).toSorted((a, b) => values[b]! - values[a]! || a - b)
      output.data.set(order.slice(0, k), row * k)
    }
  },
  lowering: { kind: 'compose', compose: ([x], attributes) => rounds(x!, attributes['k'] as number) },
  gradient: { none: 'its result is an integer' },
  flops: ([x], _, attributes) => x!.shape[0]! * x!.shape[1]! * (attributes['k'] as number),
  samples: [
    { inputs: [{ shape: [9, 8] }], attributes: { k: 2 } },
    { inputs: [{ shape: [5, 33] }], attributes: { k: 1 } },
    { inputs: [{ shape: [2, 3], values: [1, 1, 1, 0, 2, 2] }], attributes: { k: 3 } },
    { inputs: [{ shape: [1, 1] }], attributes: { k: 1 } },
  ],
}

/** One round for each of the k: the maximum of what is free, and the first column that has it. All of it fuses by rows. */
function rounds(x: Tensor, k: number): Tensor {
  const last = x.shape[1]! - 1
  const column = toFloat(lastAxisIndex(x.shape))
  const chosen: Tensor[] = []
  let free: Tensor | undefined
  for (let round = 0; round < k; round++) {
    // -1 / 0 is -∞, which attributes, being JSON, cannot say
    const candidates: Tensor = free ? select(free, x, div(-1, free)) : x
    const isTop = equal(candidates, maxOver(candidates, -1, { keepDims: true }))
    const first = select(free ? mul(isTop, free) : isTop, sub(last, column), 0)
    const index = sub(last, maxOver(first, -1, { keepDims: true }))
    chosen.push(toInt(index))
    const isOther = notEqual(column, index)
    free = free ? mul(free, isOther) : isOther
  }
  return chosen.length === 1 ? chosen[0]! : concat(chosen, 1)
}

export interface TopK {
  /** i32 [N, k], the largest first; of equal elements the lower column first. No gradient. */
  readonly indices: Tensor
  /** [N, k]; the gradient goes to the elements chosen. */
  readonly values: Tensor
}

/** The k largest elements of each row of x [N, E], and their columns. */
export function topK(x: Tensor, k: number): TopK {
  const indices = createTensor(topKIndicesRow, [x], { k })
  return { indices, values: takeColumns(x, indices) }
}

/** x [N, E], indices i32 [N, k] -> [N, k]: from each row the elements at its indices. Costs N·k·E: meant for short rows. */
export function takeColumns(x: Tensor, indices: Tensor): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const count = indices.shape[1]!
  const isChosen = equal(lastAxisIndex([rows, count, width]), reshape(indices, [rows, count, 1]))
  return sum(select(isChosen, reshape(x, [rows, 1, width]), 0), -1)
}
