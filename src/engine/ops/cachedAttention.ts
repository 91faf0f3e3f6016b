/**
 * Causal attention of tokens whose keys and values stand behind those of earlier ones: q [B, T, H, D] over k, v [B, S, KV, D], of
 * which the program says when it runs how many rows come before the first query. Rows after the last query's are not read.
 */
import { sameShape, type Attributes, type TensorType } from '../ir/node.ts'
import { describeType } from '../ir/describe.ts'
import { createTensor } from './create.ts'
import { ShapeError, type NdArray, type OpRow, type Sample, type Tensor } from './row.ts'
import { checkDTypes } from './shape.ts'

export interface CachedAttentionOptions {
  /** Factor of the scores, usually 1 / √D. */
  readonly scale: number
  /** A query sees only the last `window` positions, its own included; all earlier ones unless told. */
  readonly window?: number
  /** Scores s become softCap · tanh(s / softCap); unchanged unless told. */
  readonly softCap?: number
}

function checkInputs(inputs: readonly TensorType[], attributes: Attributes): void {
  checkDTypes('cachedAttention', inputs, ['f32', 'f32', 'f32', 'i32'])
  const [q, k, v, start] = inputs
  const { scale, window, softCap } = attributes
  if (typeof scale !== 'number') {
    throw new ShapeError(`cachedAttention: expected { scale: number }, got ${JSON.stringify(attributes)}`)
  }
  if (window !== undefined && !(Number.isInteger(window) && Number(window) >= 1)) {
    throw new ShapeError(`cachedAttention: the window is ${String(window)}; it must be a whole number from 1`)
  }
  if (softCap !== undefined && !(Number.isFinite(softCap) && Number(softCap) > 0)) {
    throw new ShapeError(`cachedAttention: the soft cap is ${String(softCap)}; it must be a finite number above 0`)
  }
  const [batch, time, heads, width] = q!.shape
  const [, length = 0, groups = 0] = k!.shape
  const fits =
    q!.shape.length === 4 &&
    sameShape(k!.shape, v!.shape) &&
    sameShape(k!.shape, [batch!, length, groups, width!]) &&
    heads! % groups === 0 &&
    time! <= length &&
    sameShape(start!.shape, [1])
  if (fits) return
  throw new ShapeError(
    `cachedAttention: q ${describeType(q!)}, k ${describeType(k!)}, v ${describeType(v!)}, start ${describeType(start!)} ` +
      'do not fit; expected [B, T, H, D], twice [B, S, KV, D] with H a multiple of KV and S at least T, and [1]',
  )
}

/** softmax(scores) over keys [first, last] of one query; `row` gives where a key's row begins. */
function mixRows(
  q: NdArray,
  at: number,
  [k, v]: readonly [NdArray, NdArray],
  rows: readonly number[],
  { scale, softCap }: CachedAttentionOptions,
  sum: Float64Array,
): void {
  const scores = rows.map((row) => {
    let product = 0
    for (let d = 0; d < sum.length; d++) product += q.data[at + d]! * k.data[row + d]!
    return softCap === undefined ? scale * product : softCap * Math.tanh((scale * product) / softCap)
  })
  const highest = scores.reduce((a, b) => Math.max(a, b))
  const powers = scores.map((score) => Math.exp(score - highest))
  const total = powers.reduce((a, b) => a + b)
  sum.fill(0)
  powers.forEach((power, j) => {
    for (let d = 0; d < sum.length; d++) sum[d]! += (power / total) * v.data[rows[j]! + d]!
  })
}

function sample(
  [batch, time, heads, width]: readonly [number, number, number, number],
  [length, groups]: readonly [number, number],
  start: number,
  attributes: Omit<CachedAttentionOptions, 'scale'> & { readonly scale?: number } = {},
): Sample {
  const cache = { shape: [batch, length, groups, width] }
  return {
    inputs: [{ shape: [batch, time, heads, width] }, cache, cache, { shape: [1], dtype: 'i32', values: [start] }],
    attributes: { scale: 0.5, ...attributes },
  }
}

/**
 * Query t of T stands at position start + t and sees the keys from max(0, start + t − window + 1) to start + t, start + T being
 * at most S.
 *
 * Inputs: q, k, v, start i32 [1]. Attributes: scale, window?, softCap?.
 */
export const cachedAttentionRow: OpRow = {
  name: 'cachedAttention',
  infer: (inputs, attributes) => {
    checkInputs(inputs, attributes)
    return { dtype: 'f32', shape: inputs[0]!.shape }
  },
  evaluate: ([q, k, v, starts], attributes, output) => {
    const options = attributes as unknown as CachedAttentionOptions
    const [batches, time, heads, width] = q!.shape as readonly [number, number, number, number]
    const [, length, groups] = k!.shape as readonly [number, number, number, number]
    const start = starts!.data[0]!
    if (start < 0 || start + time > length) {
      throw new RangeError(`cachedAttention: ${time} queries after ${start} keys do not fit ${length} rows`)
    }
    const sum = new Float64Array(width)
    for (let query = 0; query < batches * time * heads; query++) {
      const head = query % heads
      const t = Math.floor(query / heads) % time
      const batch = Math.floor(query / heads / time)
      const first = Math.max(0, start + t + 1 - (options.window ?? length))
      const rows = Array.from({ length: start + t + 1 - first }, (_, j) => {
        return ((batch * length + first + j) * groups + Math.floor((head * groups) / heads)) * width
      })
      mixRows(q!, query * width, [k!, v!], rows, options, sum)
      output.data.set(sum, query * width)
    }
  },
  lowering: { kind: 'form', form: 'cachedAttention' },
  gradient: { none: 'nothing is trained through a cache of keys' },
  // two products of 2D flops for each query and key, as if the cache were full
  flops: ([q, k], _, { window }) => {
    const [batch, time, heads, width] = q!.shape as readonly [number, number, number, number]
    const length = k!.shape[1]!
    return 4 * batch * time * heads * width * Math.min(length, (window as number | undefined) ?? length)
  },
  samples: [
    sample([1, 1, 3, 5], [7, 3], 0),
    sample([1, 1, 4, 35], [41, 2], 40),
    sample([1, 1, 4, 8], [70, 1], 50, { window: 9 }),
    sample([2, 1, 2, 9], [83, 1], 66, { scale: 3, softCap: 1.5 }),
    sample([1, 5, 4, 2], [19, 2], 11, { scale: 0.7, window: 4 }),
    sample([2, 17, 2, 9], [60, 1], 20, { scale: 3, softCap: 1.5 }),
    sample([1, 19, 2, 3], [19, 2], 0),
  ],
}

/**
 * softmax(scale q kᵀ) v for T queries after `start` earlier keys: q [B, T, H, D], k and v [B, S, KV, D], start i32 [1], known
 * when the program runs, with start + T ≤ S -> [B, T, H, D]. Query t sees keys up to row start + t. Has no gradient. Throws a
 * `ShapeError` where shapes do not fit.
 */
export function cachedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  start: Tensor,
  options: CachedAttentionOptions,
): Tensor {
  const { scale, window, softCap } = options
  const attributes = {
    scale,
    ...(window === undefined ? {} : { window }),
    ...(softCap === undefined ? {} : { softCap }),
  }
  return createTensor(cachedAttentionRow, [q, k, v, start], attributes)
}
