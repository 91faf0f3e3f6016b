/** Reductions. The rows reduce one axis to size 1; the functions build whole reductions from them. */
import { sizeOf, type Shape } from '../ir/node.ts'
import { equal } from './compare.ts'
import { createTensor } from './create.ts'
import { div, mul } from './elementwise.ts'
import { broadcastTo, reshape } from './movement.ts'
import { ShapeError, type GradientRule, type NdArray, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes, resolveAxis } from './shape.ts'

interface Reduction {
  readonly name: string
  readonly combine: 'add' | 'max'
  readonly initial: number
  step(accumulated: number, value: number): number
  readonly gradient: GradientRule
}

function reduceRow({ name, combine, initial, step, gradient }: Reduction): OpRow {
  return {
    name,
    infer: ([input], attributes) => {
      checkDTypes(name, [input!], ['f32'])
      const axis = attributes['axis'] as number
      if (input!.shape[axis] !== undefined) return { dtype: 'f32', shape: input!.shape.with(axis, 1) }
      throw new ShapeError(`${name}: there is no axis ${axis} in ${describeType(input!)}`)
    },
    evaluate: ([input], attributes, output) => {
      reduceAxis(input!, attributes['axis'] as number, output, initial, step)
    },
    lowering: { kind: 'reduce', combine },
    gradient,
    flops: ([input]) => sizeOf(input!.shape),
    samples: [
      { inputs: [{ shape: [5, 19] }], attributes: { axis: 1 } },
      { inputs: [{ shape: [7, 3] }], attributes: { axis: 0 } },
      { inputs: [{ shape: [2, 5, 3] }], attributes: { axis: 1 } },
      { inputs: [{ shape: [4, 1] }], attributes: { axis: 1 } },
    ],
  }
}

function reduceAxis(
  input: NdArray,
  axis: number,
  output: NdArray,
  initial: number,
  step: (accumulated: number, value: number) => number,
): void {
  const count = input.shape[axis]!
  const inner = sizeOf(input.shape.slice(axis + 1))
  for (let at = 0; at < output.data.length; at++) {
    const first = Math.floor(at / inner) * count * inner + (at % inner)
    let accumulated = initial
    for (let k = 0; k < count; k++) accumulated = step(accumulated, input.data[first + k * inner]!)
    output.data[at] = accumulated
  }
}

/** Attributes: axis. */
export const sumRow = reduceRow({
  name: 'sum',
  combine: 'add',
  initial: 0,
  step: (a, b) => a + b,
  gradient: ({ inputs: [x], gradient }) => [broadcastTo(gradient, x!.shape)],
})

/** Attributes: axis. The gradient is shared equally among the elements that tie for the maximum. */
export const maxRow = reduceRow({
  name: 'max',
  combine: 'max',
  initial: -Infinity,
  step: (a, b) => (a > b ? a : b),
  gradient: ({ inputs: [x], output, gradient, attributes }) => {
    const ties = equal(x!, output)
    const count = createTensor(sumRow, [ties], { axis: attributes['axis'] })
    return [mul(ties, div(gradient, count))]
  },
})

export interface ReduceOptions {
  /** Keep the reduced axes with size 1; false unless told. */
  readonly keepDims?: boolean
}

/** One axis, several, or all of them. */
export type Axes = number | readonly number[]

/** Sum over `axes` (all unless told). */
export function sum(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce(sumRow, x, axes, options)
}

/** Mean over `axes` (all unless told). */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  const count = resolveAxes('mean', axes, x.shape).reduce((product, axis) => product * x.shape[axis]!, 1)
  return mul(reduce(sumRow, x, axes, options), 1 / count)
}

/** Maximum over `axes` (all unless told); the gradient is shared equally among ties. */
export function maxOver(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce(maxRow, x, axes, options)
}

function resolveAxes(op: string, axes: Axes | undefined, shape: Shape): readonly number[] {
  const given = axes === undefined ? shape.map((_, axis) => axis) : typeof axes === 'number' ? [axes] : axes
  return [...new Set(given.map((axis) => resolveAxis(op, axis, shape)))].toSorted((a, b) => a - b)
}

/**
 * The last axis goes first and alone, so that its rows can be summed in parallel. What remains is merged: a run of
 * neighbouring reduced axes becomes one axis, and is reduced at once.
 */
function reduce(row: OpRow, x: Tensor, axes: Axes | undefined, { keepDims = false }: ReduceOptions): Tensor {
  const reduced = resolveAxes(row.name, axes, x.shape)
  const kept = x.shape.map((size, axis) => (reduced.includes(axis) ? 1 : size))
  const last = x.shape.length - 1
  let result = x
  if (reduced.includes(last) && x.shape[last]! > 1) result = createTensor(row, [x], { axis: last })
  for (let run = lastRun(result.shape, reduced); run; run = lastRun(result.shape, reduced)) {
    const { first, end } = run
    const count = sizeOf(result.shape.slice(first, end))
    const after = result.shape.slice(end)
    // without elements after it, the run is the last axis: its elements are neighbours
    const merged = [...result.shape.slice(0, first), count, ...(sizeOf(after) === 1 ? [] : after)]
    const once = createTensor(row, [reshape(result, merged)], { axis: first })
    result = reshape(once, [...result.shape.slice(0, first), ...Array<number>(end - first).fill(1), ...after])
  }
  return reshape(result, keepDims ? kept : x.shape.filter((_, axis) => !reduced.includes(axis)))
}

/** The last run [first, end) of neighbouring reduced axes that still has more than one element. */
function lastRun(shape: Shape, reduced: readonly number[]): { first: number; end: number } | undefined {
  const end = shape.findLastIndex((size, axis) => size > 1 && reduced.includes(axis)) + 1
  if (end === 0) return undefined
  let first = end - 1
  while (first > 0 && reduced.includes(first - 1)) first--
  return { first, end }
}
