/**
 * Products over rows that are sorted by group, one matrix for each group. Where a group's rows begin is known only when the
 * program runs; a row meets no matrix but its group's.
 */
import { createTensor } from './create.ts'
import { transpose } from './movement.ts'
import { ShapeError, type NdArray, type OpRow, type SampleInput, type Tensor, type Sample } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

/** Throws unless offsets are those of a grouping of `rows` rows. */
function checkOffsets(op: string, offsets: NdArray, rows: number): void {
  const { data } = offsets
  const rises = data.every((offset, g) => g === 0 || offset >= data[g - 1]!)
  if (data[0] === 0 && rises && data.at(-1) === rows) return
  throw new RangeError(`${op}: the offsets ${data.join(', ')} do not rise from 0 to the ${rows} rows`)
}

/** Calls `body` for each row with its group. */
function eachRow(offsets: NdArray, body: (row: number, group: number) => void): void {
  for (let group = 0; group + 1 < offsets.data.length; group++) {
    for (let row = offsets.data[group]!; row < offsets.data[group + 1]!; row++) body(row, group)
  }
}

const offsetsOf = (...values: number[]): SampleInput => ({ shape: [values.length], dtype: 'i32', values })

/** x [M, K], w [G, K, N], offsets i32 [G + 1] -> [M, N]: row i is x[i] w[g], g being the group with row i. */
export const groupedMatmulRow: OpRow = {
  name: 'groupedMatmul',
  infer: (inputs) => {
    checkDTypes('groupedMatmul', inputs, ['f32', 'f32', 'i32'])
    const [x, w, offsets] = inputs.map((input) => input.shape)
    const fits = x!.length === 2 && w!.length === 3 && x![1] === w![1]
    if (fits && offsets!.length === 1 && offsets![0] === w![0]! + 1) {
      return { dtype: 'f32', shape: [x![0]!, w![2]!] }
    }
    throw new ShapeError(
      `groupedMatmul: ${inputs.map(describeType).join(', ')} do not fit; expected rows [M, K], matrices [G, K, N] ` +
        'and offsets [G + 1]',
    )
  },
  evaluate: ([x, w, offsets], _, output) => {
    const [, depth, width] = w!.shape as readonly [number, number, number]
    checkOffsets('groupedMatmul', offsets!, x!.shape[0]!)
    const sums = new Float64Array(width)
    eachRow(offsets!, (row, group) => {
      sums.fill(0)
      for (let k = 0; k < depth; k++) {
        const factor = x!.data[row * depth + k]!
        const from = (group * depth + k) * width
        for (let j = 0; j < width; j++) sums[j]! += factor * w!.data[from + j]!
      }
      output.data.set(sums, row * width)
    })
  },
  lowering: { kind: 'form', form: 'groupedMatmul' },
  // y = x w: dx = dy wᵀ, dw = xᵀ dy, group by group
  gradient: ({ inputs: [x, w, offsets], gradient }) => [
    groupedMatmul(gradient, transpose(w!), offsets!),
    groupedOuter(x!, gradient, offsets!),
    undefined,
  ],
  flops: ([x, w]) => 2 * x!.shape[0]! * w!.shape[1]! * w!.shape[2]!,
  samples: productSamples((rows, groups, depth, width) => [
    { shape: [rows, depth] },
    { shape: [groups, depth, width] },
  ]),
}

/** x [M, K], y [M, N], offsets i32 [G + 1] -> [G, K, N]: Σ x[i] ⊗ y[i] over the rows i of each group; 0 for a group without. */
export const groupedOuterRow: OpRow = {
  name: 'groupedOuter',
  infer: (inputs) => {
    checkDTypes('groupedOuter', inputs, ['f32', 'f32', 'i32'])
    const [x, y, offsets] = inputs.map((input) => input.shape)
    const fits = x!.length === 2 && y!.length === 2 && x![0] === y![0]
    if (fits && offsets!.length === 1 && offsets![0]! > 1) {
      return { dtype: 'f32', shape: [offsets![0]! - 1, x![1]!, y![1]!] }
    }
    throw new ShapeError(
      `groupedOuter: ${inputs.map(describeType).join(', ')} do not fit; expected rows [M, K] and [M, N] and ` +
        'offsets [G + 1]',
    )
  },
  evaluate: ([x, y, offsets], _, output) => {
    const [, depth, width] = output.shape as readonly [number, number, number]
    checkOffsets('groupedOuter', offsets!, x!.shape[0]!)
    // summed in float64, whatever the output's precision
    const sums = new Float64Array(output.data.length)
    eachRow(offsets!, (row, group) => {
      for (let k = 0; k < depth; k++) {
        const factor = x!.data[row * depth + k]!
        const to = (group * depth + k) * width
        for (let j = 0; j < width; j++) sums[to + j]! += factor * y!.data[row * width + j]!
      }
    })
    output.data.set(sums)
  },
  lowering: { kind: 'form', form: 'groupedOuter' },
  // z = Σ x ⊗ y: dx = z' y, dy = x z'
  gradient: ({ inputs: [x, y, offsets], gradient }) => [
    groupedMatmul(y!, transpose(gradient), offsets!),
    groupedMatmul(x!, gradient, offsets!),
    undefined,
  ],
  flops: ([x, y]) => 2 * x!.shape[0]! * x!.shape[1]! * y!.shape[1]!,
  samples: productSamples((rows, _, depth, width) => [{ shape: [rows, depth] }, { shape: [rows, width] }]),
}

/** Groups of every kind: empty ones first, last and between; one with all rows; single rows; a single group. */
function productSamples(
  shapes: (rows: number, groups: number, depth: number, width: number) => readonly SampleInput[],
): readonly Sample[] {
  const sample = (depth: number, width: number, ...offsets: number[]): Sample => ({
    inputs: [...shapes(offsets.at(-1)!, offsets.length - 1, depth, width), offsetsOf(...offsets)],
  })
  return [sample(5, 7, 0, 0, 3, 3, 10, 10), sample(3, 35, 0, 0, 0, 19), sample(3, 1, 0, 1, 2, 3), sample(1, 19, 0, 4)]
}

/**
 * Rows x [M, K], sorted by group, times their group's matrix of w [G, K, N] -> [M, N]. offsets i32 [G + 1] are those of
 * `groupBy`. A matrix whose group is empty is not read.
 */
export function groupedMatmul(x: Tensor, w: Tensor, offsets: Tensor): Tensor {
  return createTensor(groupedMatmulRow, [x, w, offsets])
}

/** Σ x[i] ⊗ y[i] over the rows of each group: x [M, K], y [M, N], offsets i32 [G + 1] -> [G, K, N]. */
export function groupedOuter(x: Tensor, y: Tensor, offsets: Tensor): Tensor {
  return createTensor(groupedOuterRow, [x, y, offsets])
}
