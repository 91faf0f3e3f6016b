/** The graph that tracing makes. It knows no op by name: a node carries its op's row. */

/** f32: the numbers that are trained. i32: token ids and other indices. */
export type DType = 'f32' | 'i32'

/** Sizes of the axes, outermost first. A scalar is []. */
export type Shape = readonly number[]

export interface TensorType {
  readonly dtype: DType
  readonly shape: Shape
}

/** What the graph needs to know of an op; `ops/row.ts` extends it to the whole row. */
export interface Op {
  readonly name: string
}

/** Plain data that distinguishes two uses of one op: axes, a permutation, a constant. Compared by `attributesKey`. */
export type Attributes = Readonly<Record<string, unknown>>

/** Equal for equal attributes. Numbers keep what JSON has no word for: infinities, NaN and the sign of 0. */
export function attributesKey(attributes: Attributes): string {
  let key = ''
  for (const name in attributes) key += ` ${name}=${valueKey(attributes[name])}`
  return key
}

function valueKey(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  return JSON.stringify(value)
}

/** A traced tensor: the result of one op. User code computes with nodes; they hold no numbers. */
export interface Tensor<O extends Op = Op> extends TensorType {
  /** Creation order; an input's id is always lower than its user's. */
  readonly id: number
  readonly op: O
  readonly inputs: readonly Tensor<O>[]
  readonly attributes: Attributes
  /** Dotted path of the scopes it was made in, such as `block.0.attention`. */
  readonly scope: string
}

export function sizeOf(shape: Shape): number {
  let product = 1
  for (let axis = 0; axis < shape.length; axis++) product *= shape[axis]!
  return product
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a === b || (a.length === b.length && a.every((size, axis) => size === b[axis]))
}
