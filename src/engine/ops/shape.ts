/** Shape rules that several rows share, and the words of their errors. */
import { sameShape, type DType, type Shape, type TensorType } from '../ir/node.ts'
import { describeType } from '../ir/describe.ts'
import { ShapeError } from './row.ts'

/** Throws unless every size is a whole number from 1. `what` names the thing with the shape. */
export function checkShape(what: string, shape: Shape): void {
  if (shape.every((size) => Number.isSafeInteger(size) && size >= 1)) return
  throw new ShapeError(`${what} has shape [${shape.join(', ')}]; every size must be a whole number from 1`)
}

/** Throws unless `inputs` are exactly of these dtypes. */
export function checkDTypes(op: string, inputs: readonly TensorType[], dtypes: readonly DType[]): void {
  if (inputs.length === dtypes.length && inputs.every((input, k) => input.dtype === dtypes[k])) return
  throw new ShapeError(
    `${op} takes (${dtypes.join(', ')}), got (${inputs.map(describeType).join(', ')}); convert with toFloat or toInt`,
  )
}

/** Turns an axis counted from the end (-1 is the last) into one counted from the start. */
export function resolveAxis(op: string, axis: number, shape: Shape): number {
  const resolved = axis < 0 ? axis + shape.length : axis
  if (Number.isInteger(axis) && resolved >= 0 && resolved < shape.length) return resolved
  throw new ShapeError(`${op}: there is no axis ${axis} in shape [${shape.join(', ')}]`)
}

/** NumPy's broadcasting: shapes are aligned at their last axes, and a size of 1 stretches. */
export function broadcastShapes(op: string, shapes: readonly Shape[]): Shape {
  const [first] = shapes
  if (first !== undefined && shapes.every((shape) => sameShape(shape, first))) return first
  const rank = Math.max(0, ...shapes.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1)
    const size = Math.max(...sizes)
    if (sizes.every((s) => s === size || s === 1)) return size
    throw new ShapeError(
      `${op}: shapes ${shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ')} do not broadcast: ` +
        `sizes ${sizes.join(' and ')} meet at axis ${axis} of the result; each must be equal or 1`,
    )
  })
}
