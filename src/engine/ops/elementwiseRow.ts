/** Builds the row of an elementwise op from its formula: broadcasting, evaluation and flops are the same for all. */
import { sizeOf, type DType, type Shape, type TensorType } from '../ir/node.ts'
import type { Lowering, GradientRule, NdArray, OpRow, Sample } from './row.ts'
import { ShapeError } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { broadcastShapes, checkDTypes } from './shape.ts'

type Emit = Extract<Lowering, { kind: 'elementwise' }>['emit']

export interface ElementwiseFormula {
  readonly name: string
  /** The dtype of each input; `same` means that all are f32 or all are i32. */
  readonly inputs: readonly DType[] | { readonly same: number }
  readonly output?: DType
  /** Roughly the number of vector instructions of `emit`. */
  readonly cost: number
  /** The value from the input values at the same place. */
  meaning(a: number, b: number, c: number): number
  readonly emit: Emit
  readonly gradient: GradientRule
  readonly samples: readonly Sample[]
}

export function elementwiseRow(formula: ElementwiseFormula): OpRow {
  const { name, inputs: expected } = formula
  return {
    name,
    infer: (inputs) => {
      if ('same' in expected) checkSame(name, inputs, expected.same)
      else checkDTypes(name, inputs, expected)
      const shape = broadcastShapes(
        name,
        inputs.map((input) => input.shape),
      )
      return { dtype: formula.output ?? 'f32', shape }
    },
    evaluate: (inputs, _, output) => evaluateElementwise(formula.meaning, inputs, output),
    lowering: { kind: 'elementwise', cost: formula.cost, emit: formula.emit },
    gradient: formula.gradient,
    flops: (_, output) => sizeOf(output.shape),
    samples: formula.samples,
  }
}

function checkSame(name: string, inputs: readonly TensorType[], count: number): void {
  const dtype = inputs[0]?.dtype
  if (inputs.length === count && inputs.every((input) => input.dtype === dtype)) return
  throw new ShapeError(
    `${name} takes ${count} tensors of one dtype, got (${inputs.map(describeType).join(', ')}); ` +
      'a plain number is an f32: convert with toFloat',
  )
}

/** Walks the output row by row of its last axis; each input advances by 0 (broadcast) or 1 along it. */
function evaluateElementwise(
  meaning: ElementwiseFormula['meaning'],
  inputs: readonly NdArray[],
  output: NdArray,
): void {
  const width = output.shape.at(-1) ?? 1
  const outer = output.shape.slice(0, -1)
  const [a, b, c] = [0, 1, 2].map((k) => new BroadcastReader(inputs[k] ?? zero, outer)) as [
    BroadcastReader,
    BroadcastReader,
    BroadcastReader,
  ]
  const rows = sizeOf(outer)
  for (let row = 0, at = 0; row < rows; row++) {
    let [i, j, k] = [a.start(row), b.start(row), c.start(row)]
    for (let column = 0; column < width; column++, at++) {
      output.data[at] = meaning(a.data[i]!, b.data[j]!, c.data[k]!)
      i += a.step
      j += b.step
      k += c.step
    }
  }
}

const zero: NdArray = { shape: [], data: new Float64Array(1) }

class BroadcastReader {
  readonly data: NdArray['data']
  /** Elements to the next column: 0 where the last axis is broadcast. */
  readonly step: number
  readonly #outer: Shape
  readonly #strides: readonly number[]

  constructor(input: NdArray, outer: Shape) {
    this.data = input.data
    this.step = (input.shape.at(-1) ?? 1) === 1 ? 0 : 1
    this.#outer = outer
    const padded = [...Array<number>(outer.length + 1 - input.shape.length).fill(1), ...input.shape]
    this.#strides = outer.map((_, axis) => (padded[axis] === 1 ? 0 : sizeOf(padded.slice(axis + 1))))
  }

  /** Index of the first element of an output row. */
  start(row: number): number {
    let index = 0
    for (let axis = this.#outer.length - 1; axis >= 0; axis--) {
      const size = this.#outer[axis]!
      index += (row % size) * this.#strides[axis]!
      row = Math.floor(row / size)
    }
    return index
  }
}
