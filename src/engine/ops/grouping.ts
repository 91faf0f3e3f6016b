/** Rows brought together by group, and back: integer bookkeeping, and row copies whose gradients are row copies. */
import { sizeOf } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { gather } from './embedding.ts'
import { reshape, slice } from './movement.ts'
import { sum } from './reduce.ts'
import { ShapeError, type NdArray, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

/**
 * ids i32 [...], each in [0, groups), n of them -> i32 [groups + 1 + 2n], three tables one after another:
 * - offsets [groups + 1]: group g has the places offsets[g] to offsets[g + 1] - 1;
 * - order [n]: which id stands at each place. Stable: within a group in the order of the ids;
 * - inverse [n]: the place of each id.
 * Attributes: groups. Ids are in range by contract.
 */
export const groupByRow: OpRow = {
  name: 'groupBy',
  infer: (inputs, attributes) => {
    checkDTypes('groupBy', inputs, ['i32'])
    const groups = attributes['groups']
    if (Number.isSafeInteger(groups) && Number(groups) >= 1) {
      return { dtype: 'i32', shape: [Number(groups) + 1 + 2 * sizeOf(inputs[0]!.shape)] }
    }
    throw new ShapeError(`groupBy: the number of groups must be a whole number from 1, got ${String(groups)}`)
  },
  evaluate: ([ids], attributes, output) => {
    const groups = attributes['groups'] as number
    const count = ids!.data.length
    const places = Array.from({ length: groups }, () => [] as number[])
    ids!.data.forEach((id, k) => {
      const members = places[id]
      if (!members) throw new RangeError(`groupBy: id ${id} is outside the ${groups} groups (0 to ${groups - 1})`)
      members.push(k)
    })
    let place = 0
    for (const [group, members] of places.entries()) {
      for (const k of members) {
        output.data[groups + 1 + place] = k
        output.data[groups + 1 + count + k] = place++
      }
      output.data[group + 1] = place
    }
  },
  lowering: { kind: 'form', form: 'groupBy' },
  gradient: { none: 'its input and result are integers' },
  flops: () => 0,
  samples: [
    { inputs: [{ shape: [9, 2], dtype: 'i32', low: 0, high: 5 }], attributes: { groups: 5 } },
    // most groups are empty
    { inputs: [{ shape: [3], dtype: 'i32', low: 0, high: 40 }], attributes: { groups: 40 } },
    // one takes all
    { inputs: [{ shape: [21], dtype: 'i32', low: 2, high: 3 }], attributes: { groups: 4 } },
    { inputs: [{ shape: [1], dtype: 'i32', low: 0, high: 1 }], attributes: { groups: 1 } },
  ],
}

/**
 * x [N, C], order i32 [N·k] and its inverse -> [N·k, C]: row i is row floor(order[i] / k) of x, so that each row of x is
 * seen k times. The inverse serves the gradient, which thereby is a row copy too and no scattered sum.
 */
export const groupRowsRow: OpRow = {
  name: 'groupRows',
  infer: (inputs) => {
    checkDTypes('groupRows', inputs, ['f32', 'i32', 'i32'])
    const [x, order, inverse] = inputs
    const count = order!.shape[0] ?? 0
    const fits = x!.shape.length === 2 && order!.shape.length === 1 && inverse!.shape.length === 1
    if (fits && inverse!.shape[0] === count && count % (x!.shape[0] ?? 1) === 0) {
      return { dtype: 'f32', shape: [count, x!.shape[1]!] }
    }
    throw new ShapeError(
      `groupRows: x ${describeType(x!)}, order ${describeType(order!)} and inverse ${describeType(inverse!)} do not ` +
        'fit; expected [N, C] and twice [N·k]',
    )
  },
  evaluate: ([x, order], _, output) => {
    const [rows, width] = x!.shape as readonly [number, number]
    const repeats = order!.data.length / rows
    checkPlaces(order!)
    order!.data.forEach((place, i) => {
      const row = Math.floor(place / repeats)
      output.data.set(x!.data.subarray(row * width, (row + 1) * width), i * width)
    })
  },
  lowering: { kind: 'form', form: 'groupRows' },
  gradient: ({ inputs: [x, , inverse], gradient }) => {
    const [rows, width] = x!.shape as readonly [number, number]
    const ungrouped = gather(gradient, inverse!)
    if (inverse!.shape[0] === rows) return [ungrouped, undefined, undefined]
    return [sum(reshape(ungrouped, [rows, -1, width]), 1), undefined, undefined]
  },
  flops: () => 0,
  samples: [
    {
      inputs: [
        { shape: [3, 5] },
        { shape: [6], dtype: 'i32', values: [4, 0, 5, 2, 1, 3] },
        { shape: [6], dtype: 'i32', values: [1, 4, 3, 5, 0, 2] },
      ],
    },
    {
      inputs: [
        { shape: [3, 37] },
        { shape: [3], dtype: 'i32', values: [2, 0, 1] },
        { shape: [3], dtype: 'i32', values: [1, 2, 0] },
      ],
    },
  ],
}

function checkPlaces(order: NdArray): void {
  const count = order.data.length
  for (const place of order.data) {
    if (place >= 0 && place < count) continue
    throw new RangeError(`groupRows: place ${place} is outside the ${count} rows (0 to ${count - 1})`)
  }
}

export interface Grouping {
  /** i32 [groups + 1]: group g has the places offsets[g] to offsets[g + 1] - 1. */
  readonly offsets: Tensor
  /** i32 [n]: which id stands at each place; within a group in the order of the ids. */
  readonly order: Tensor
  /** i32 [n]: the place of each id. */
  readonly inverse: Tensor
}

/** Sorts n ids i32 [...], each in [0, groups), stably by value. */
export function groupBy(ids: Tensor, groups: number): Grouping {
  const tables = createTensor(groupByRow, [ids], { groups })
  const count = sizeOf(ids.shape)
  const cut = (start: number, length: number): Tensor => slice(tables, 0, start, start + length)
  return {
    offsets: cut(0, groups + 1),
    order: cut(groups + 1, count),
    inverse: cut(groups + 1 + count, count),
  }
}

/** x [N, C] -> [N·k, C] in the grouping's order, where the grouping is of k ids for each row of x. */
export function groupRows(x: Tensor, { order, inverse }: Grouping): Tensor {
  return createTensor(groupRowsRow, [x, order, inverse])
}

/** x [n, C] in the grouping's order -> [n, C] in the order of the ids. */
export function ungroupRows(x: Tensor, { order, inverse }: Grouping): Tensor {
  return createTensor(groupRowsRow, [x, inverse, order])
}
