/**
 * Normalisations over the last axis, as compositions of simpler ops. Gradients are written out, and trace the row
 * statistics exactly as the composition does, so that common-subexpression elimination computes them once.
 */
import { sizeOf, type TensorType } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { add, div, mul, rsqrt, square, sub } from './elementwise.ts'
import { exp, log } from './elementwiseMath.ts'
import { maxOver, mean, sum } from './reduce.ts'
import { ShapeError, type NdArray, type OpRow, type Sample, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

const perRow = { keepDims: true } as const

/** x [..., C] and up to `vectors` vectors [C]. */
function inferNormalized(name: string, inputs: readonly TensorType[], vectors: number): TensorType {
  checkDTypes(
    name,
    inputs,
    inputs.map(() => 'f32'),
  )
  const [x, ...rest] = inputs
  const width = x!.shape.at(-1)
  const fits = rest.length <= vectors && rest.every(({ shape }) => shape.length === 1 && shape[0] === width)
  if (width !== undefined && fits) return { dtype: 'f32', shape: x!.shape }
  throw new ShapeError(
    `${name}: expected x [..., C]${vectors > 0 ? ` and up to ${vectors} vectors [C]` : ''}, ` +
      `got (${inputs.map(describeType).join(', ')})`,
  )
}

/** Calls `row` with the elements of each row of the last axis, to fill the output's row. */
function eachRow(x: NdArray, output: NdArray, row: (x: NdArray['data'], y: NdArray['data']) => void): void {
  const width = x.shape.at(-1)!
  for (let at = 0; at < x.data.length; at += width) {
    row(x.data.subarray(at, at + width), output.data.subarray(at, at + width))
  }
}

function total(row: NdArray['data'], value: (x: number) => number): number {
  let result = 0
  for (const x of row) result += value(x)
  return result
}

const singleSamples: readonly Sample[] = [
  { inputs: [{ shape: [3, 7] }] },
  { inputs: [{ shape: [2, 2, 19], low: -3, high: 3 }] },
  { inputs: [{ shape: [4, 1] }] },
]

/** μ [..., 1] and 1/σ [..., 1], σ² = mean (x - μ)² + ε */
function moments(x: Tensor, epsilon: number): { mean: Tensor; rstd: Tensor } {
  const center = mean(x, -1, perRow)
  const variance = mean(square(sub(x, center)), -1, perRow)
  return { mean: center, rstd: rsqrt(add(variance, epsilon)) }
}

/**
 * The gradient of a normalisation to x, from that to its normalised rows n:
 * dx = (dn - [mean dn] - n mean(dn · n)) / σ; the bracket only where the mean was subtracted.
 */
function throughNormalized(dNormalized: Tensor, normalized: Tensor, rstd: Tensor, centered: boolean): Tensor {
  const along = mul(normalized, mean(mul(dNormalized, normalized), -1, perRow))
  const rest = centered ? sub(dNormalized, mean(dNormalized, -1, perRow)) : dNormalized
  return mul(sub(rest, along), rstd)
}

/** Inputs: x, then gain and bias where there are any. Attributes: epsilon. */
export const layerNormRow: OpRow = {
  name: 'layerNorm',
  infer: (inputs) => inferNormalized('layerNorm', inputs, 2),
  evaluate: ([x, gain, bias], attributes, output) =>
    eachRow(x!, output, (row, y) => {
      const center = total(row, (v) => v) / row.length
      const variance = total(row, (v) => (v - center) ** 2) / row.length
      const rstd = 1 / Math.sqrt(variance + (attributes['epsilon'] as number))
      row.forEach((v, c) => (y[c] = (v - center) * rstd * (gain?.data[c] ?? 1) + (bias?.data[c] ?? 0)))
    }),
  lowering: {
    kind: 'compose',
    compose: ([x, gain, bias], attributes) => {
      const { mean: center, rstd } = moments(x!, attributes['epsilon'] as number)
      const normalized = mul(sub(x!, center), rstd)
      const scaled = gain ? mul(normalized, gain) : normalized
      return bias ? add(scaled, bias) : scaled
    },
  },
  gradient: ({ inputs: [x, gain, bias], gradient, attributes }) => {
    const { mean: center, rstd } = moments(x!, attributes['epsilon'] as number)
    const normalized = mul(sub(x!, center), rstd)
    const dNormalized = gain ? mul(gradient, gain) : gradient
    const dx = throughNormalized(dNormalized, normalized, rstd, true)
    return [dx, ...(gain ? [mul(gradient, normalized)] : []), ...(bias ? [gradient] : [])]
  },
  // mean 1, centre 1, square 1, mean 1, centre and scale 2, gain and bias 2
  flops: (_, output) => 8 * sizeOf(output.shape),
  samples: [
    { inputs: [{ shape: [3, 7] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [2, 3, 17] }, { shape: [17] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [5, 6] }, { shape: [6] }, { shape: [6] }], attributes: { epsilon: 1e-2 } },
  ],
}

function inverseRootMeanSquare(x: Tensor, epsilon: number): Tensor {
  return rsqrt(add(mean(square(x), -1, perRow), epsilon))
}

/** Inputs: x, then gain where there is one. Attributes: epsilon. */
export const rmsNormRow: OpRow = {
  name: 'rmsNorm',
  infer: (inputs) => inferNormalized('rmsNorm', inputs, 1),
  evaluate: ([x, gain], attributes, output) =>
    eachRow(x!, output, (row, y) => {
      const rstd = 1 / Math.sqrt(total(row, (v) => v * v) / row.length + (attributes['epsilon'] as number))
      row.forEach((v, c) => (y[c] = v * rstd * (gain?.data[c] ?? 1)))
    }),
  lowering: {
    kind: 'compose',
    compose: ([x, gain], attributes) => {
      const normalized = mul(x!, inverseRootMeanSquare(x!, attributes['epsilon'] as number))
      return gain ? mul(normalized, gain) : normalized
    },
  },
  gradient: ({ inputs: [x, gain], gradient, attributes }) => {
    const rstd = inverseRootMeanSquare(x!, attributes['epsilon'] as number)
    const normalized = mul(x!, rstd)
    const dNormalized = gain ? mul(gradient, gain) : gradient
    const dx = throughNormalized(dNormalized, normalized, rstd, false)
    return [dx, ...(gain ? [mul(gradient, normalized)] : [])]
  },
  flops: (_, output) => 4 * sizeOf(output.shape),
  samples: [
    { inputs: [{ shape: [3, 7] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [2, 3, 17] }, { shape: [17] }], attributes: { epsilon: 1e-6 } },
  ],
}

export const softmaxRow: OpRow = {
  name: 'softmax',
  infer: (inputs) => inferNormalized('softmax', inputs, 0),
  evaluate: ([x], _, output) =>
    eachRow(x!, output, (row, y) => {
      const highest = Math.max(...row)
      const sumOfExp = total(row, (v) => Math.exp(v - highest))
      row.forEach((v, c) => (y[c] = Math.exp(v - highest) / sumOfExp))
    }),
  lowering: {
    kind: 'compose',
    compose: ([x]) => {
      const powers = exp(sub(x!, maxOver(x!, -1, perRow)))
      return div(powers, sum(powers, -1, perRow))
    },
  },
  // y (g - Σ g y)
  gradient: ({ output: y, gradient }) => [mul(y, sub(gradient, sum(mul(gradient, y), -1, perRow)))],
  flops: (_, output) => 5 * sizeOf(output.shape),
  samples: singleSamples,
}

export const logSoftmaxRow: OpRow = {
  name: 'logSoftmax',
  infer: (inputs) => inferNormalized('logSoftmax', inputs, 0),
  evaluate: ([x], _, output) =>
    eachRow(x!, output, (row, y) => {
      const highest = Math.max(...row)
      const logSum = Math.log(total(row, (v) => Math.exp(v - highest)))
      row.forEach((v, c) => (y[c] = v - highest - logSum))
    }),
  lowering: {
    kind: 'compose',
    compose: ([x]) => {
      const shifted = sub(x!, maxOver(x!, -1, perRow))
      return sub(shifted, log(sum(exp(shifted), -1, perRow)))
    },
  },
  // g - softmax Σ g
  gradient: ({ output, gradient }) => [sub(gradient, mul(exp(output), sum(gradient, -1, perRow)))],
  flops: (_, output) => 5 * sizeOf(output.shape),
  samples: singleSamples,
}

export interface NormOptions {
  /** Added to the variance (or mean square); 1e-5 unless told, as in PyTorch and GPT-2. */
  readonly epsilon?: number
}

/** (x - μ) / σ · gain + bias over the last axis; x [..., C], gain and bias [C]. A bias needs a gain. */
export function layerNorm(x: Tensor, gain?: Tensor, bias?: Tensor, { epsilon = 1e-5 }: NormOptions = {}): Tensor {
  if (bias && !gain) throw new ShapeError('layerNorm: a bias without a gain; give both, or add the bias afterwards')
  return createTensor(layerNormRow, [x, ...(gain ? [gain] : []), ...(bias ? [bias] : [])], { epsilon })
}

/** x / √(mean x² + ε) · gain over the last axis; x [..., C], gain [C]. Zhang & Sennrich 2019 (arXiv:1910.07467). */
export function rmsNorm(x: Tensor, gain?: Tensor, { epsilon = 1e-5 }: NormOptions = {}): Tensor {
  return createTensor(rmsNormRow, gain ? [x, gain] : [x], { epsilon })
}

/** e^x / Σ e^x over the last axis. */
export function softmax(x: Tensor): Tensor {
  return createTensor(softmaxRow, [x])
}

/** x - ln Σ e^x over the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  return createTensor(logSoftmaxRow, [x])
}
