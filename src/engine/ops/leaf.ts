/** The ops without inputs: what enters a graph from outside, and constants. */
import type { DType, Shape } from '../ir/node.ts'
import type { TensorType, Attributes } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { ShapeError, type GradientRule, type OpRow, type Tensor } from './row.ts'
import { checkShape } from './shape.ts'

/** What arithmetic takes: a traced tensor, or a number that becomes an f32 scalar constant. */
export type Operand = Tensor | number

const noInputs: GradientRule = { none: 'it has no inputs' }

function inferNamed(_: readonly TensorType[], attributes: Attributes): TensorType {
  const { name, dtype, shape } = attributes as { name: string; dtype: DType; shape: Shape }
  checkShape(`${name}`, shape)
  return { dtype, shape }
}

function boundByBackend(_: unknown, attributes: Attributes): never {
  throw new Error(
    `${String(attributes['name'])} is a named buffer: its value comes from the backend, not from evaluate`,
  )
}

/** Given by the caller before each run. Attributes: name, dtype, shape. */
export const inputRow: OpRow = {
  name: 'input',
  infer: inferNamed,
  evaluate: boundByBackend,
  lowering: { kind: 'leaf' },
  gradient: noInputs,
  flops: () => 0,
  samples: [],
}

/** A buffer that persists between runs: a parameter or optimizer state. Attributes: name, dtype, shape. */
export const stateRow: OpRow = { ...inputRow, name: 'state' }

/** An f32 scalar that never changes. Attributes: value. */
export const constantRow: OpRow = {
  name: 'constant',
  infer: (_, attributes) => {
    if (typeof attributes['value'] === 'number') return { dtype: 'f32', shape: [] }
    throw new ShapeError(`constant takes a number, got ${JSON.stringify(attributes['value'])}`)
  },
  evaluate: (_, attributes, output) => {
    output.data[0] = attributes['value'] as number
  },
  lowering: { kind: 'leaf' },
  gradient: noInputs,
  flops: () => 0,
  samples: [
    { inputs: [], attributes: { value: 1.5 } },
    { inputs: [], attributes: { value: -0.1 } },
  ],
}

/** A scalar f32 constant, shape []. */
export function constant(value: number): Tensor {
  return createTensor(constantRow, [], { value })
}

/** The tensor itself, or a number as an f32 scalar constant. */
export function asTensor(operand: Operand): Tensor {
  return typeof operand === 'number' ? constant(operand) : operand
}
