/** Rows of a table by index, and the reverse. */
import { sameShape, sizeOf } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { ShapeError, type NdArray, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

function checkIds(op: string, ids: NdArray, vocabulary: number): void {
  for (const id of ids.data) {
    if (id >= 0 && id < vocabulary) continue
    throw new RangeError(`${op}: id ${id} is outside the table's ${vocabulary} rows (0 to ${vocabulary - 1})`)
  }
}

/** table [V, C], ids i32 [...] -> [..., C]. Ids are in range by contract: the data layer checks them. */
export const gatherRow: OpRow = {
  name: 'gather',
  infer: (inputs) => {
    checkDTypes('gather', inputs, ['f32', 'i32'])
    const [table, ids] = inputs
    if (table!.shape.length === 2) return { dtype: 'f32', shape: [...ids!.shape, table!.shape[1]!] }
    throw new ShapeError(`gather: the table must be [rows, width], got ${describeType(table!)}`)
  },
  evaluate: ([table, ids], _, output) => {
    const [rows, width] = table!.shape as readonly [number, number]
    checkIds('gather', ids!, rows)
    ids!.data.forEach((id, k) => output.data.set(table!.data.subarray(id * width, (id + 1) * width), k * width))
  },
  lowering: { kind: 'form', form: 'gather' },
  gradient: ({ inputs: [, ids], gradient }) => [
    { kind: 'accumulate', onto: (sum) => scatterAdd(sum, ids!, gradient) },
    undefined,
  ],
  flops: () => 0,
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [2, 9], dtype: 'i32', low: 0, high: 7 }] },
    { inputs: [{ shape: [3, 17] }, { shape: [1], dtype: 'i32', low: 0, high: 3 }] },
  ],
}

/** base [V, C], ids i32 [...], updates [..., C] -> base with updates[k] added to row ids[k], in the order of k. */
export const scatterAddRow: OpRow = {
  name: 'scatterAdd',
  infer: (inputs) => {
    checkDTypes('scatterAdd', inputs, ['f32', 'i32', 'f32'])
    const [base, ids, updates] = inputs
    const expected = [...ids!.shape, base!.shape[1] ?? 0]
    if (base!.shape.length === 2 && sameShape(updates!.shape, expected)) return { dtype: 'f32', shape: base!.shape }
    throw new ShapeError(
      `scatterAdd: base ${describeType(base!)}, ids ${describeType(ids!)} and updates ${describeType(updates!)} ` +
        'do not fit; expected [V, C], [...] and [..., C]',
    )
  },
  evaluate: ([base, ids, updates], _, output) => {
    const [rows, width] = base!.shape as readonly [number, number]
    checkIds('scatterAdd', ids!, rows)
    output.data.set(base!.data)
    ids!.data.forEach((id, k) => {
      for (let c = 0; c < width; c++) output.data[id * width + c]! += updates!.data[k * width + c]!
    })
  },
  lowering: { kind: 'form', form: 'scatterAdd' },
  gradient: ({ inputs: [, ids], gradient }) => [gradient, undefined, gather(gradient, ids!)],
  flops: ([, , updates]) => sizeOf(updates!.shape),
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [2, 9], dtype: 'i32', low: 0, high: 7 }, { shape: [2, 9, 5] }] },
    { inputs: [{ shape: [3, 17] }, { shape: [1], dtype: 'i32', low: 0, high: 3 }, { shape: [1, 17] }] },
  ],
}

/** Rows of a table: table [V, C], ids i32 [...] -> [..., C]. */
export function gather(table: Tensor, ids: Tensor): Tensor {
  return createTensor(gatherRow, [table, ids])
}

/** base [V, C] with updates [..., C] added to the rows that ids i32 [...] name. */
export function scatterAdd(base: Tensor, ids: Tensor, updates: Tensor): Tensor {
  return createTensor(scatterAddRow, [base, ids, updates])
}
