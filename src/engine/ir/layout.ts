/** Where the elements of a tensor lie: element `index` is at `offset + Σ index[k] * strides[k]`, counted in elements. */
import type { Shape } from './node.ts'

export interface Layout {
  readonly offset: number
  readonly shape: Shape
  readonly strides: readonly number[]
}

/** Row-major, without gaps. */
export function contiguous(shape: Shape): Layout {
  const strides = shape.slice()
  let step = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step
    step *= shape[axis]!
  }
  return { offset: 0, shape, strides }
}

/** Whether the elements lie row-major without gaps (axes of size 1 may have any stride). */
export function isContiguous(layout: Layout): boolean {
  const dense = contiguous(layout.shape).strides
  return layout.shape.every((size, axis) => size === 1 || layout.strides[axis] === dense[axis])
}
