/** Ops that copy tensors next to one another, or next to zeros. */
import { sizeOf } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { slice, sliceRow } from './movement.ts'
import { ShapeError, type NdArray, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { resolveAxis } from './shape.ts'

/** Copies a tensor into the output, its axis beginning at `start` of the output's. */
function place(input: NdArray, output: NdArray, axis: number, start: number): void {
  const inner = sizeOf(input.shape.slice(axis + 1))
  const length = input.shape[axis]! * inner
  const pitch = output.shape[axis]! * inner
  for (let outer = 0; outer * length < input.data.length; outer++) {
    output.data.set(input.data.subarray(outer * length, (outer + 1) * length), outer * pitch + start * inner)
  }
}

/** Attributes: axis. */
export const concatRow: OpRow = {
  name: 'concat',
  infer: (inputs, attributes) => {
    const axis = attributes['axis'] as number
    const [first] = inputs
    const fits = inputs.every(
      ({ dtype, shape }) =>
        dtype === first!.dtype &&
        shape.length === first!.shape.length &&
        shape.every((size, k) => k === axis || size === first!.shape[k]),
    )
    if (first?.shape[axis] === undefined || !fits) {
      throw new ShapeError(
        `concat: ${inputs.map(describeType).join(', ')} must have one dtype and agree on all axes but ${axis}`,
      )
    }
    const total = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0)
    return { dtype: first.dtype, shape: first.shape.with(axis, total) }
  },
  evaluate: (inputs, attributes, output) => {
    const axis = attributes['axis'] as number
    let start = 0
    for (const input of inputs) {
      place(input, output, axis, start)
      start += input.shape[axis]!
    }
  },
  lowering: { kind: 'form', form: 'concat' },
  gradient: ({ inputs, gradient, attributes }) => {
    const axis = attributes['axis'] as number
    let start = 0
    return inputs.map(({ shape }) => {
      const from = start
      start += shape[axis]!
      return slice(gradient, axis, from, start)
    })
  },
  flops: () => 0,
  samples: [
    { inputs: [{ shape: [3, 5] }, { shape: [3, 1] }, { shape: [3, 17] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [2, 3, 2] }, { shape: [1, 3, 2] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [2, 3, 5] }, { shape: [2, 4, 5] }], attributes: { axis: 1 } },
  ],
}

/** Attributes: axis, before, after (numbers of zeros). */
export const padRow: OpRow = {
  name: 'pad',
  infer: ([input], attributes) => {
    const { axis, before, after } = attributes as { axis: number; before: number; after: number }
    const size = input!.shape[axis]
    const fits = [before, after].every((count) => Number.isInteger(count) && count >= 0)
    if (size !== undefined && fits)
      return { dtype: input!.dtype, shape: input!.shape.with(axis, before + size + after) }
    throw new ShapeError(`pad: cannot put ${before} and ${after} zeros around axis ${axis} of ${describeType(input!)}`)
  },
  evaluate: ([input], attributes, output) => {
    place(input!, output, attributes['axis'] as number, attributes['before'] as number)
  },
  lowering: { kind: 'form', form: 'pad' },
  gradient: ({ inputs: [x], gradient, attributes }) => {
    const { axis, before } = attributes as { axis: number; before: number }
    return [slice(gradient, axis, before, before + x!.shape[axis]!)]
  },
  flops: () => 0,
  samples: [
    { inputs: [{ shape: [3, 5] }], attributes: { axis: 1, before: 2, after: 0 } },
    { inputs: [{ shape: [2, 1, 7] }], attributes: { axis: 1, before: 1, after: 3 } },
    { inputs: [{ shape: [4] }], attributes: { axis: 0, before: 0, after: 13 } },
  ],
}

/** Joins tensors along an axis. Neighbouring slices of one tensor are joined back into one slice without a copy. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors
  if (!first) throw new ShapeError('concat: there is nothing to join; give at least one tensor')
  const resolved = resolveAxis('concat', axis, first.shape)
  const joined = joinSlices(tensors, resolved)
  return joined.length === 1 ? joined[0]! : createTensor(concatRow, joined, { axis: resolved })
}

function joinSlices(tensors: readonly Tensor[], axis: number): Tensor[] {
  const joined: Tensor[] = []
  for (const tensor of tensors) {
    const previous = joined.at(-1)
    const whole = previous && rangeOf(previous, axis)
    const next = rangeOf(tensor, axis)
    if (whole && next && whole.of === next.of && whole.end === next.start) {
      joined[joined.length - 1] = slice(whole.of, axis, whole.start, next.end)
    } else joined.push(tensor)
  }
  return joined
}

function rangeOf(tensor: Tensor, axis: number): { of: Tensor; start: number; end: number } | undefined {
  if (tensor.op !== sliceRow || tensor.attributes['axis'] !== axis) return undefined
  const { start, end } = tensor.attributes as { start: number; end: number }
  return { of: tensor.inputs[0]!, start, end }
}

/** Zeros before and after along an axis. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  if (before === 0 && after === 0) return x
  return createTensor(padRow, [x], { axis: resolveAxis('pad', axis, x.shape), before, after })
}
