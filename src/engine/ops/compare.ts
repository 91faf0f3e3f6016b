/**
 * Comparisons and choice. A comparison is an f32 that is 1 where true and 0 where false, so that it can be stored,
 * multiplied and summed like any tensor; `select` takes any f32 as its condition and reads nonzero (NaN too) as true.
 */
import type { KernelBuilder } from '../kernel/builder.ts'
import type { Value } from '../kernel/kernel.ts'
import { createTensor } from './create.ts'
import { elementwiseRow } from './elementwiseRow.ts'
import { asTensor, type Operand } from './leaf.ts'
import type { OpRow, Sample, Tensor } from './row.ts'

type EmitMask = (b: KernelBuilder, x: Value, y: Value) => Value

interface Comparison {
  readonly name: string
  meaning(a: number, b: number): boolean
  readonly floats: EmitMask
  readonly ints: EmitMask
  /** The integer mask says when the comparison is false. */
  readonly intsInverted?: boolean
}

/** Both dtypes, with a broadcast; the integers are few, so that equal ones meet. */
const samples: readonly Sample[] = [
  { inputs: [{ shape: [5, 7] }, { shape: [7] }] },
  { inputs: [{ shape: [3, 1] }, { shape: [3, 1] }] },
  {
    inputs: [
      { shape: [2, 9], dtype: 'i32', low: -2, high: 3 },
      { shape: [2, 1], dtype: 'i32', low: -2, high: 3 },
    ],
  },
]

function comparisonRow(comparison: Comparison): OpRow {
  return elementwiseRow({
    name: comparison.name,
    inputs: { same: 2 },
    cost: 2,
    meaning: (a, b) => (comparison.meaning(a, b) ? 1 : 0),
    emit: (b, [x, y]) => {
      const [one, zero] = [b.constant(1), b.constant(0)]
      if (x!.type === 'f32') return b.select(comparison.floats(b, x!, y!), one, zero)
      const mask = comparison.ints(b, x!, y!)
      return comparison.intsInverted ? b.select(mask, zero, one) : b.select(mask, one, zero)
    },
    gradient: { none: 'a comparison is constant almost everywhere' },
    samples,
  })
}

const lessInt: EmitMask = (b, x, y) => b.op('lessInt', [x, y])
const greaterInt: EmitMask = (b, x, y) => b.op('lessInt', [y, x])
const equalInt: EmitMask = (b, x, y) => b.op('equalInt', [x, y])

export const lessRow = comparisonRow({
  name: 'less',
  meaning: (a, b) => a < b,
  floats: (b, x, y) => b.op('less', [x, y]),
  ints: lessInt,
})
export const lessEqualRow = comparisonRow({
  name: 'lessEqual',
  meaning: (a, b) => a <= b,
  floats: (b, x, y) => b.op('lessEqual', [x, y]),
  ints: greaterInt,
  intsInverted: true,
})
export const greaterRow = comparisonRow({
  name: 'greater',
  meaning: (a, b) => a > b,
  floats: (b, x, y) => b.op('less', [y, x]),
  ints: greaterInt,
})
export const greaterEqualRow = comparisonRow({
  name: 'greaterEqual',
  meaning: (a, b) => a >= b,
  floats: (b, x, y) => b.op('lessEqual', [y, x]),
  ints: lessInt,
  intsInverted: true,
})
export const equalRow = comparisonRow({
  name: 'equal',
  meaning: (a, b) => a === b,
  floats: (b, x, y) => b.op('equal', [x, y]),
  ints: equalInt,
})
export const notEqualRow = comparisonRow({
  name: 'notEqual',
  meaning: (a, b) => a !== b,
  floats: (b, x, y) => b.op('notEqual', [x, y]),
  ints: equalInt,
  intsInverted: true,
})

/** condition ≠ 0 ? a : b */
export const selectRow = elementwiseRow({
  name: 'select',
  inputs: ['f32', 'f32', 'f32'],
  cost: 2,
  meaning: (condition, a, b) => (condition !== 0 ? a : b),
  emit: (b, [condition, x, y]) => b.select(b.op('notEqual', [condition!, b.constant(0)]), x!, y!),
  gradient: ({ inputs: [condition], gradient }) => [
    undefined,
    select(condition!, gradient, 0),
    select(condition!, 0, gradient),
  ],
  samples: [
    { inputs: [{ shape: [4, 5] }, { shape: [4, 5] }, { shape: [5] }] },
    { inputs: [{ shape: [3, 1] }, { shape: [1, 17] }, { shape: [] }] },
  ],
})

/** a < b as 1 or 0, broadcasting. Both f32 or both i32; so are all comparisons. */
export function less(a: Operand, b: Operand): Tensor {
  return createTensor(lessRow, [asTensor(a), asTensor(b)])
}
/** a <= b as 1 or 0. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return createTensor(lessEqualRow, [asTensor(a), asTensor(b)])
}
/** a > b as 1 or 0. */
export function greater(a: Operand, b: Operand): Tensor {
  return createTensor(greaterRow, [asTensor(a), asTensor(b)])
}
/** a >= b as 1 or 0. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return createTensor(greaterEqualRow, [asTensor(a), asTensor(b)])
}
/** a == b as 1 or 0. */
export function equal(a: Operand, b: Operand): Tensor {
  return createTensor(equalRow, [asTensor(a), asTensor(b)])
}
/** a != b as 1 or 0. */
export function notEqual(a: Operand, b: Operand): Tensor {
  return createTensor(notEqualRow, [asTensor(a), asTensor(b)])
}
/** a where the f32 condition is not 0, else b, broadcasting. The side not chosen gets gradient 0, even if it is NaN. */
export function select(condition: Tensor, a: Operand, b: Operand): Tensor {
  return createTensor(selectRow, [condition, asTensor(a), asTensor(b)])
}
