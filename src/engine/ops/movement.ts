/** Ops that only move elements. Views change how memory is read; concat and pad copy. */
import { contiguous, isContiguous, type Layout } from '../ir/layout.ts'
import { sameShape, sizeOf, type Attributes, type Shape, type TensorType } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { constant } from './leaf.ts'
import { ShapeError, type GradientRule, type NdArray, type OpRow, type Sample, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkShape, resolveAxis } from './shape.ts'

interface ViewFormula {
  readonly name: string
  infer(input: TensorType, attributes: Attributes): Shape
  view(input: Layout, attributes: Attributes, output: Shape): Layout | undefined
  readonly gradient: GradientRule
  readonly samples: readonly Sample[]
}

function viewRow({ name, infer, view, gradient, samples }: ViewFormula): OpRow {
  return {
    name,
    infer: ([input], attributes) => ({ dtype: input!.dtype, shape: infer(input!, attributes) }),
    // a view of contiguous elements always exists, so copying through it is the meaning of every view op
    evaluate: ([input], attributes, output) => {
      copyThrough(view(contiguous(input!.shape), attributes, output.shape)!, input!, output)
    },
    lowering: { kind: 'view', view },
    gradient,
    flops: () => 0,
    samples,
  }
}

function copyThrough(layout: Layout, input: NdArray, output: NdArray): void {
  const index = layout.shape.map(() => 0)
  let from = layout.offset
  for (let at = 0; at < output.data.length; at++) {
    output.data[at] = input.data[from]!
    for (let axis = index.length - 1; axis >= 0; axis--) {
      from += layout.strides[axis]!
      if (++index[axis]! < layout.shape[axis]!) break
      from -= layout.strides[axis]! * layout.shape[axis]!
      index[axis] = 0
    }
  }
}

/** Attributes: shape. */
export const reshapeRow = viewRow({
  name: 'reshape',
  infer: (input, attributes) => {
    const shape = attributes['shape'] as Shape
    checkShape('reshape', shape)
    if (sizeOf(shape) === sizeOf(input.shape)) return shape
    throw new ShapeError(
      `reshape: ${describeType(input)} has ${sizeOf(input.shape)} elements, [${shape.join(', ')}] has ${sizeOf(shape)}`,
    )
  },
  view: (input, _, output) => reshapeLayout(input, output),
  gradient: ({ inputs: [x], gradient }) => [reshape(gradient, x!.shape)],
  samples: [
    { inputs: [{ shape: [3, 10] }], attributes: { shape: [5, 3, 2] } },
    { inputs: [{ shape: [1] }], attributes: { shape: [] } },
    { inputs: [{ shape: [2, 3, 7] }], attributes: { shape: [6, 1, 7] } },
  ],
})

/** Attributes: permutation; axis k of the result is axis permutation[k] of the input. */
export const transposeRow = viewRow({
  name: 'transpose',
  infer: (input, attributes) => {
    const permutation = attributes['permutation'] as readonly number[]
    const isPermutation =
      permutation.length === input.shape.length && input.shape.every((_, axis) => permutation.includes(axis))
    if (isPermutation) return permutation.map((axis) => input.shape[axis]!)
    throw new ShapeError(
      `transpose: [${permutation.join(', ')}] does not name each axis of ${describeType(input)} once`,
    )
  },
  view: (input, attributes, output) => ({
    offset: input.offset,
    shape: output,
    strides: (attributes['permutation'] as readonly number[]).map((axis) => input.strides[axis]!),
  }),
  gradient: ({ gradient, attributes }) => {
    const permutation = attributes['permutation'] as readonly number[]
    return [
      transpose(
        gradient,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      ),
    ]
  },
  samples: [
    { inputs: [{ shape: [3, 7] }], attributes: { permutation: [1, 0] } },
    { inputs: [{ shape: [2, 3, 1, 5] }], attributes: { permutation: [3, 0, 2, 1] } },
  ],
})

/** Attributes: axis, start, end. */
export const sliceRow = viewRow({
  name: 'slice',
  infer: (input, attributes) => {
    const { axis, start, end } = attributes as { axis: number; start: number; end: number }
    const size = input.shape[axis]
    const isRange = Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end
    if (size !== undefined && isRange && end <= size) return input.shape.with(axis, end - start)
    throw new ShapeError(`slice: [${start}, ${end}) is not a non-empty range of axis ${axis} of ${describeType(input)}`)
  },
  view: (input, attributes, output) => {
    const { axis, start } = attributes as { axis: number; start: number }
    return { offset: input.offset + start * input.strides[axis]!, shape: output, strides: input.strides }
  },
  gradient: ({ gradient, attributes }) => {
    const { axis, start } = attributes as { axis: number; start: number }
    return [{ kind: 'region', axis, start, value: gradient }]
  },
  samples: [
    { inputs: [{ shape: [5, 7] }], attributes: { axis: 0, start: 1, end: 4 } },
    { inputs: [{ shape: [2, 3, 19] }], attributes: { axis: 2, start: 2, end: 19 } },
    { inputs: [{ shape: [2, 3, 4] }], attributes: { axis: 1, start: 1, end: 2 } },
  ],
})

/** Attributes: axis. */
export const flipRow = viewRow({
  name: 'flip',
  infer: (input, attributes) => {
    const axis = attributes['axis'] as number
    if (input.shape[axis] !== undefined) return input.shape
    throw new ShapeError(`flip: ${describeType(input)} has no axis ${axis}`)
  },
  view: (input, attributes, output) => {
    const axis = attributes['axis'] as number
    const stride = input.strides[axis]!
    return {
      offset: input.offset + (output[axis]! - 1) * stride,
      shape: output,
      strides: input.strides.with(axis, -stride),
    }
  },
  gradient: ({ gradient, attributes }) => [flip(gradient, attributes['axis'] as number)],
  samples: [
    { inputs: [{ shape: [5, 7] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [3, 2, 19] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [2, 17] }], attributes: { axis: 1 } },
  ],
})

/** Attributes: shape. Axes are aligned at the last; those of size 1 stretch. */
export const broadcastToRow = viewRow({
  name: 'broadcastTo',
  infer: (input, attributes) => {
    const shape = attributes['shape'] as Shape
    checkShape('broadcastTo', shape)
    const missing = shape.length - input.shape.length
    if (missing >= 0 && input.shape.every((size, axis) => size === 1 || size === shape[axis + missing])) return shape
    throw new ShapeError(`broadcastTo: ${describeType(input)} does not broadcast to [${shape.join(', ')}]`)
  },
  view: (input, _, output) => {
    const missing = output.length - input.shape.length
    const strides = output.map((_, axis) =>
      (input.shape[axis - missing] ?? 1) === 1 ? 0 : input.strides[axis - missing]!,
    )
    return { offset: input.offset, shape: output, strides }
  },
  gradient: ({ gradient }) => [gradient],
  samples: [
    { inputs: [{ shape: [3, 1] }], attributes: { shape: [2, 3, 17] } },
    { inputs: [{ shape: [] }], attributes: { shape: [5] } },
    { inputs: [{ shape: [7] }], attributes: { shape: [4, 7] } },
  ],
})

/**
 * The layout of the same elements under another shape, or undefined where no strides can say it. Axes of both shapes
 * are matched in groups of equal size; inside a group the input must be evenly strided.
 */
export function reshapeLayout(input: Layout, shape: Shape): Layout | undefined {
  if (isContiguous(input)) return { ...contiguous(shape), offset: input.offset }
  const axes = input.shape.map((size, axis) => ({ size, stride: input.strides[axis]! })).filter(({ size }) => size > 1)
  const strides = shape.map(() => 0)
  let to = 0
  for (let from = 0; from < axes.length;) {
    const [firstFrom, firstTo] = [from, to]
    let inputSize = axes[from++]!.size
    let outputSize = shape[to++]!
    while (inputSize !== outputSize || outputSize === 1) {
      if (inputSize < outputSize) inputSize *= axes[from++]!.size
      else outputSize *= shape[to++]!
    }
    for (let axis = firstFrom; axis + 1 < from; axis++) {
      if (axes[axis]!.stride !== axes[axis + 1]!.stride * axes[axis + 1]!.size) return undefined
    }
    let stride = axes[from - 1]!.stride
    for (let axis = to - 1; axis >= firstTo; axis--) {
      strides[axis] = stride
      stride *= shape[axis]!
    }
  }
  return { offset: input.offset, shape, strides }
}

/** The same elements, row-major, under another shape. One size may be -1: it is worked out from the others. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const open = shape.indexOf(-1)
  const known = shape.reduce((product, size, axis) => (axis === open ? product : product * size), 1)
  const full = open < 0 ? shape : shape.with(open, sizeOf(x.shape) / known)
  return sameShape(x.shape, full) ? x : createTensor(reshapeRow, [x], { shape: full })
}

/** Reorders axes: axis k of the result is axis permutation[k] of x. Without a permutation the last two are swapped. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const rank = x.shape.length
  const axes = x.shape.map((_, axis) => axis)
  const order = permutation ?? [...axes.slice(0, -2), rank - 1, rank - 2]
  return sameShape(order, axes) ? x : createTensor(transposeRow, [x], { permutation: order })
}

/** Elements [start, end) along an axis; a negative axis counts from the end. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const resolved = resolveAxis('slice', axis, x.shape)
  if (start === 0 && end === x.shape[resolved]) return x
  return createTensor(sliceRow, [x], { axis: resolved, start, end })
}

/** The same elements in the opposite order along an axis; a negative axis counts from the end. */
export function flip(x: Tensor, axis: number): Tensor {
  return createTensor(flipRow, [x], { axis: resolveAxis('flip', axis, x.shape) })
}

/** Stretches axes of size 1, and adds leading axes, to reach `shape`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : createTensor(broadcastToRow, [x], { shape })
}

/** f32 zeros. */
export function zeros(shape: Shape): Tensor {
  return broadcastTo(constant(0), shape)
}
