/**
 * Causal attention with grouped queries: q [B, T, H, D] over k, v [B, T, KV, D], query head h reading head
 * h / (H / KV). Its kernels never store the T x T matrix; the plain meaning below goes row by row too.
 */
import { sameShape, type Attributes, type TensorType } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { slice } from './movement.ts'
import { anyKey, checkRate, keptPositions } from './random.ts'
import { ShapeError, type NdArray, type OpRow, type Sample, type Tensor } from './row.ts'
import { asOperand, operandRounding } from './precision.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

export interface AttentionOptions {
  /** Factor of the scores, usually 1 / √D. */
  readonly scale: number
  /** Position t sees positions up to t. Nothing else is offered. */
  readonly causal: true
  /** Position t sees only the last `window` positions, itself included; all earlier ones unless told. */
  readonly window?: number
  /** Scores s become softCap · tanh(s / softCap), so that none exceeds it; unchanged unless told. */
  readonly softCap?: number
  /** Drops entries of softmax(scale q kᵀ), as GPT-2 does in training; none unless told. */
  readonly dropout?: AttentionDropout | undefined
}

export interface AttentionDropout {
  /** Share of the entries that become 0, from 0 to below 1; the others are divided by 1 - rate. */
  readonly rate: number
  /** The key of the random numbers, two i32 scalars such as seed and step. */
  readonly key0: Tensor
  readonly key1: Tensor
  /** Tells apart the uses under one key. */
  readonly stream: number
}

/** Throws unless the inputs are `floats` f32 tensors that begin with q, k and v, then the key if anything is dropped. */
function checkInputs(op: string, inputs: readonly TensorType[], floats: number, attributes: Attributes): void {
  const { dropoutRate: rate, stream } = attributes
  const keys = inputs.slice(floats)
  const f32s = Array.from({ length: floats }, () => 'f32' as const)
  checkDTypes(op, inputs, rate === undefined ? f32s : [...f32s, 'i32', 'i32'])
  const [q, k, v] = inputs
  checkAttention(op, q!, k!, v!, attributes)
  if (rate === undefined) return
  checkRate(op, Number(rate))
  if (Number.isInteger(stream) && keys.every((key) => key.shape.length === 0)) return
  throw new ShapeError(
    `${op}: expected two i32 scalars as key of the dropout and a whole number as its stream, got ` +
      `${keys.map(describeType).join(', ')} and ${String(stream)}`,
  )
}

function checkAttention(op: string, q: TensorType, k: TensorType, v: TensorType, attributes: Attributes): void {
  const { scale, causal, window, softCap } = attributes
  if (causal !== true || typeof scale !== 'number') {
    throw new ShapeError(`${op}: expected { scale: number, causal: true }, got ${JSON.stringify(attributes)}`)
  }
  if (window !== undefined && !(Number.isInteger(window) && Number(window) >= 1)) {
    throw new ShapeError(`${op}: the window is ${String(window)}; it must be a whole number from 1`)
  }
  if (softCap !== undefined && !(Number.isFinite(softCap) && Number(softCap) > 0)) {
    throw new ShapeError(`${op}: the soft cap is ${String(softCap)}; it must be a finite number above 0`)
  }
  const [b, t, heads, d] = q.shape
  const groups = k.shape[2] ?? 0
  const fits =
    q.shape.length === 4 &&
    sameShape(k.shape, v.shape) &&
    sameShape(k.shape, [b!, t!, groups, d!]) &&
    heads! % groups === 0
  if (fits) return
  throw new ShapeError(
    `${op}: q ${describeType(q)}, k ${describeType(k)}, v ${describeType(v)} do not fit; ` +
      'expected [B, T, H, D] and twice [B, T, KV, D] with H a multiple of KV',
  )
}

/** Sizes, and where rows of D elements lie. */
class AttentionShape {
  readonly batch: number
  readonly time: number
  readonly heads: number
  readonly groups: number
  readonly width: number
  readonly scale: number
  readonly window: number
  readonly softCap: number | undefined
  readonly #rate: number
  readonly #kept: (position: number) => boolean

  /** `key` is empty where nothing is dropped. */
  constructor(q: NdArray, k: NdArray, key: readonly NdArray[], attributes: Attributes) {
    ;[this.batch, this.time, this.heads, this.width] = q.shape as readonly [number, number, number, number]
    this.groups = k.shape[2]!
    this.scale = attributes['scale'] as number
    this.window = (attributes['window'] as number | undefined) ?? this.time
    this.softCap = attributes['softCap'] as number | undefined
    const { dropoutRate = 0, stream = 0 } = attributes as { dropoutRate?: number; stream?: number }
    const [key0, key1] = key.map(({ data }) => data[0]!)
    this.#rate = dropoutRate
    this.#kept = dropoutRate === 0 ? () => true : keptPositions([key0!, key1!], stream, dropoutRate)
  }

  /** What dropout multiplies the weight by with which the query at t sees the key at u: 0 or 1 / (1 - rate). */
  dropout(batch: number, t: number, head: number, u: number): number {
    const position = ((batch * this.heads + head) * this.time + t) * this.time + u
    return this.#kept(position) ? 1 / (1 - this.#rate) : 0
  }

  /** The score of scale q·k, and its derivative by that product. */
  score(product: number): number {
    return this.softCap === undefined ? product : this.softCap * Math.tanh(product / this.softCap)
  }
  slope(product: number): number {
    return this.softCap === undefined ? 1 : 1 - Math.tanh(product / this.softCap) ** 2
  }

  /** The first position that position t sees. */
  first(t: number): number {
    return Math.max(0, t - this.window + 1)
  }
  /** The key head that a query head reads. */
  group(head: number): number {
    return Math.floor((head * this.groups) / this.heads)
  }
  /** Start of the row of a batch, position and head in a tensor with that many heads. */
  row(batch: number, t: number, head: number, heads: number): number {
    return ((batch * this.time + t) * heads + head) * this.width
  }
  /** Calls `visit` for each query row. */
  eachQuery(visit: (batch: number, t: number, head: number) => void): void {
    for (let batch = 0; batch < this.batch; batch++) {
      for (let t = 0; t < this.time; t++) for (let head = 0; head < this.heads; head++) visit(batch, t, head)
    }
  }
}

function dot(a: NdArray, aAt: number, b: NdArray, bAt: number, width: number): number {
  let sum = 0
  for (let d = 0; d < width; d++) sum += a.data[aAt + d]! * b.data[bAt + d]!
  return sum
}

/** The softmax is powers / total. */
interface Weights {
  readonly powers: readonly number[]
  readonly total: number
}

/** Of the scores over the positions that query (batch, t, head) sees; entry j is position first(t) + j. */
function attentionWeights(s: AttentionShape, q: NdArray, k: NdArray, batch: number, t: number, head: number): Weights {
  const from = s.row(batch, t, head, s.heads)
  const scores: number[] = []
  for (let u = s.first(t); u <= t; u++) {
    scores.push(s.score(s.scale * dot(q, from, k, s.row(batch, u, s.group(head), s.groups), s.width)))
  }
  const highest = scores.reduce((a, b) => Math.max(a, b))
  const powers = scores.map((score) => Math.exp(score - highest))
  return { powers, total: powers.reduce((a, b) => a + b) }
}

/** Pairs of query and key that see each other, in one head. */
function visiblePairs(time: number, window: unknown): number {
  const w = typeof window === 'number' ? Math.min(window, time) : time
  return (w * (w + 1)) / 2 + (time - w) * w
}

/** Two products of 2D flops for each visible pair. */
function forwardFlops(q: TensorType, attributes: Attributes): number {
  const [batch, time, heads, width] = q.shape as readonly [number, number, number, number]
  return 4 * batch * heads * width * visiblePairs(time, attributes['window'])
}

const query = { shape: [2, 7, 3, 5] } as const
const one = { shape: [1, 1, 1, 1] } as const
const grouped = { shape: [1, 19, 4, 2] } as const
const group = { shape: [1, 19, 2, 2] } as const
const samples: readonly Sample[] = [
  { inputs: [query, query, query], attributes: { scale: 0.5, causal: true } },
  { inputs: [grouped, group, group], attributes: { scale: 0.7, causal: true, window: 4 } },
  { inputs: [one, one, one], attributes: { scale: 1, causal: true } },
  // scores around the cap
  { inputs: [grouped, group, group], attributes: { scale: 3, causal: true, softCap: 1.5 } },
]
const droppedSamples: readonly Sample[] = [
  { inputs: [query, query, query], attributes: { scale: 0.5, causal: true, dropoutRate: 0.4, stream: 0 } },
  {
    inputs: [grouped, group, group],
    attributes: { scale: 0.7, causal: true, window: 4, dropoutRate: 0.1, stream: -3 },
  },
]

/**
 * P = softmax(S), S = scale q kᵀ, or softCap tanh(S / softCap) with a soft cap; D = kept / (1 - rate); output = (P ∘ D) v. The entry of batch b, head h, query i and key j is
 * kept where word (((b H + h) T + i) T + j) of the stream, as `randomUniform` draws it, is at least the rate.
 *
 * Inputs: q, k, v, and key0, key1 where the attributes have a dropoutRate. Attributes: scale, causal, window?,
 * softCap?, dropoutRate?, stream?.
 */
export const attentionRow: OpRow = {
  name: 'attention',
  infer: (inputs, attributes) => {
    checkInputs('attention', inputs, 3, attributes)
    return { dtype: 'f32', shape: inputs[0]!.shape }
  },
  evaluate: ([queries, keys, values, ...key], attributes, output) => {
    const [q, k, v] = [queries!, keys!, values!].map((operand) => asOperand(operand, attributes))
    const rounded = operandRounding(attributes)
    const s = new AttentionShape(q!, k!, key, attributes)
    const sum = new Float64Array(s.width)
    s.eachQuery((batch, t, head) => {
      sum.fill(0)
      const { powers, total } = attentionWeights(s, q!, k!, batch, t, head)
      powers.forEach((power, j) => {
        const weight = rounded(power) / total
        const u = s.first(t) + j
        const from = s.row(batch, u, s.group(head), s.groups)
        const dropped = weight * s.dropout(batch, t, head, u)
        for (let d = 0; d < s.width; d++) sum[d]! += dropped * v!.data[from + d]!
      })
      output.data.set(sum, s.row(batch, t, head, s.heads))
    })
  },
  roundsOperands: true,
  lowering: { kind: 'form', form: 'attention' },
  gradient: ({ inputs: [q, k, v, ...key], gradient, attributes }) => {
    const packed = createTensor(attentionGradientRow, [q!, k!, v!, gradient, ...key], attributes)
    const [heads, groups] = [q!.shape[2]!, k!.shape[2]!]
    return [
      slice(packed, 2, 0, heads),
      slice(packed, 2, heads, heads + groups),
      slice(packed, 2, heads + groups, heads + 2 * groups),
      ...key.map(() => undefined),
    ]
  },
  flops: ([q], _, attributes) => forwardFlops(q!, attributes),
  samples: [
    ...samples,
    ...droppedSamples.map(({ inputs, attributes }) => ({
      inputs: [...inputs, anyKey, anyKey],
      attributes: attributes!,
    })),
  ],
}

/** Inputs: q, k, v, dOutput, and the key as in `attentionRow`. The result [B, T, H + 2 KV, D] holds dq, dk and dv side by side along axis 2. */
export const attentionGradientRow: OpRow = {
  name: 'attentionGradient',
  infer: (inputs, attributes) => {
    checkInputs('attentionGradient', inputs, 4, attributes)
    const [q, k, , dOutput] = inputs
    if (sameShape(dOutput!.shape, q!.shape)) {
      return { dtype: 'f32', shape: q!.shape.with(2, q!.shape[2]! + 2 * k!.shape[2]!) }
    }
    throw new ShapeError(`attentionGradient: dOutput ${describeType(dOutput!)} is not of q's type ${describeType(q!)}`)
  },
  evaluate: (inputs, attributes, output) => evaluateGradient(inputs, attributes, output),
  roundsOperands: true,
  lowering: { kind: 'form', form: 'attentionGradient' },
  gradient: { none: 'second derivatives of attention are not needed for training' },
  // five products where the forward pass has two
  flops: ([q], _, attributes) => 2.5 * forwardFlops(q!, attributes),
  samples: [
    ...samples.map(({ inputs, attributes }) => ({ inputs: [...inputs, inputs[0]!], attributes: attributes! })),
    ...droppedSamples.map(({ inputs, attributes }) => ({
      inputs: [...inputs, inputs[0]!, anyKey, anyKey],
      attributes: attributes!,
    })),
  ],
}

/**
 * P = softmax(S): dV = (P D)ᵀ dO; dP = D (dO Vᵀ); dS = P (dP - Σ P dP); dQ = scale dS K; dK = scale dSᵀ Q. With a soft
 * cap, dS is multiplied by the slope 1 - tanh².
 */
function evaluateGradient(inputs: readonly NdArray[], attributes: Attributes, output: NdArray): void {
  const [q, k, v, dOutput] = inputs.slice(0, 4).map((operand) => asOperand(operand, attributes)) as [
    NdArray,
    NdArray,
    NdArray,
    NdArray,
  ]
  const key = inputs.slice(4)
  const rounded = operandRounding(attributes)
  const s = new AttentionShape(q, k, key, attributes)
  const packedHeads = s.heads + 2 * s.groups
  const sums = new Float64Array(output.data.length)
  s.eachQuery((batch, t, head) => {
    const group = s.group(head)
    const { powers, total } = attentionWeights(s, q, k, batch, t, head)
    const weights = powers.map((power) => power / total)
    const qAt = s.row(batch, t, head, s.heads)
    const rows = weights.map((_, j) => s.row(batch, s.first(t) + j, group, s.groups))
    const factors = rows.map((_, j) => s.dropout(batch, t, head, s.first(t) + j))
    const dWeights = rows.map((vAt, j) => factors[j]! * dot(dOutput, qAt, v, vAt, s.width))
    const mean = weights.reduce((sum, weight, j) => sum + weight * dWeights[j]!, 0)
    const dqAt = s.row(batch, t, head, packedHeads)
    weights.forEach((weight, j) => {
      const slope = s.slope(s.scale * dot(q, qAt, k, rows[j]!, s.width))
      const dScore = rounded(s.scale * slope * weight * (dWeights[j]! - mean))
      const dropped = rounded(weight * factors[j]!)
      const dkAt = s.row(batch, s.first(t) + j, s.heads + group, packedHeads)
      const dvAt = dkAt + s.groups * s.width
      for (let d = 0; d < s.width; d++) {
        sums[dqAt + d]! += dScore * k.data[rows[j]! + d]!
        sums[dkAt + d]! += dScore * q.data[qAt + d]!
        sums[dvAt + d]! += dropped * dOutput.data[qAt + d]!
      }
    })
  })
  output.data.set(sums)
}

/**
 * softmax(scale q kᵀ) v over the visible positions: q [B, T, H, D], k and v [B, T, KV, D] -> [B, T, H, D]. A dropout of
 * rate 0 is none. Throws a `RangeError` for a rate outside [0, 1) and a `ShapeError` where shapes do not fit.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { scale, causal, window, softCap, dropout } = options
  const attributes = {
    scale,
    causal,
    ...(window === undefined ? {} : { window }),
    ...(softCap === undefined ? {} : { softCap }),
  }
  if (dropout === undefined) return createTensor(attentionRow, [q, k, v], attributes)
  const { rate: dropoutRate, key0, key1, stream } = dropout
  checkRate('attention', dropoutRate)
  if (dropoutRate === 0) return createTensor(attentionRow, [q, k, v], attributes)
  return createTensor(attentionRow, [q, k, v, key0, key1], { ...attributes, dropoutRate, stream })
}
