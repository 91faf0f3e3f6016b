/** Softmax cross-entropy, and the norm that clipping is decided by. */
import { sizeOf } from '../ir/node.ts'
import { lastAxisIndex, toFloat } from './cast.ts'
import { equal, notEqual, select } from './compare.ts'
import { createTensor } from './create.ts'
import { add, div, minimum, mul, reciprocal, sqrt, square, sub } from './elementwise.ts'
import { expNotPositive, log } from './elementwiseMath.ts'
import { reshape } from './movement.ts'
import { maxOver, sum } from './reduce.ts'
import { ShapeError, type OpRow, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

const perRow = { keepDims: true } as const

/** x - m [N, V], m being the row maximum, and Σ e^(x - m) [N, 1]: traced alike by the loss and its gradient, so computed once. */
function rowStatistics(logits: Tensor): { shifted: Tensor; sumOfExp: Tensor } {
  const shifted = sub(logits, maxOver(logits, -1, perRow))
  return { shifted, sumOfExp: sum(expNotPositive(shifted), -1, perRow) }
}

/** [N, V]: 1 at each row's target. */
function isTarget(logits: Tensor, targets: Tensor): Tensor {
  return equal(lastAxisIndex(logits.shape), reshape(targets, [-1, 1]))
}

/** [N]: 1 where the target counts; undefined where all do. */
function validity(targets: Tensor, ignoreIndex: unknown): Tensor | undefined {
  return typeof ignoreIndex === 'number' ? notEqual(toFloat(targets), ignoreIndex) : undefined
}

/** Attributes: ignoreIndex, where one is given. */
export const crossEntropyRow: OpRow = {
  name: 'crossEntropy',
  infer: (inputs) => {
    checkDTypes('crossEntropy', inputs, ['f32', 'i32'])
    const [logits, targets] = inputs
    if (logits!.shape.length === 2 && targets!.shape.length === 1 && logits!.shape[0] === targets!.shape[0]) {
      return { dtype: 'f32', shape: targets!.shape }
    }
    throw new ShapeError(
      `crossEntropy: expected logits [N, V] and targets [N], got ${describeType(logits!)} and ` +
        `${describeType(targets!)}; flatten with reshape`,
    )
  },
  evaluate: ([logits, targets], { ignoreIndex }, output) => {
    const width = logits!.shape[1]!
    targets!.data.forEach((target, row) => {
      if (target === ignoreIndex) return
      if (target < 0 || target >= width) {
        throw new RangeError(`crossEntropy: target ${target} of row ${row} is outside the vocabulary of ${width}`)
      }
      const x = logits!.data.subarray(row * width, (row + 1) * width)
      let highest = -Infinity
      for (const v of x) if (v > highest) highest = v
      let sumOfExp = 0
      for (const v of x) sumOfExp += Math.exp(v - highest)
      output.data[row] = Math.log(sumOfExp) - (x[target]! - highest)
    })
  },
  lowering: {
    kind: 'compose',
    compose: ([logits, targets], { ignoreIndex }) => {
      const { shifted, sumOfExp } = rowStatistics(logits!)
      const picked = sum(select(isTarget(logits!, targets!), shifted, 0), -1, perRow)
      const loss = reshape(sub(log(sumOfExp), picked), targets!.shape)
      const valid = validity(targets!, ignoreIndex)
      return valid ? select(valid, loss, 0) : loss
    },
  },
  // (softmax - onehot) g, with g = 0 in ignored rows
  gradient: ({ inputs: [logits, targets], gradient, attributes: { ignoreIndex } }) => {
    const { shifted, sumOfExp } = rowStatistics(logits!)
    const probability = mul(expNotPositive(shifted), reciprocal(sumOfExp))
    const valid = validity(targets!, ignoreIndex)
    const weight = reshape(valid ? mul(gradient, valid) : gradient, [-1, 1])
    return [mul(sub(probability, isTarget(logits!, targets!)), weight), undefined]
  },
  flops: ([logits]) => 5 * sizeOf(logits!.shape),
  samples: [
    { inputs: [{ shape: [5, 7] }, { shape: [5], dtype: 'i32', low: 0, high: 7 }] },
    {
      inputs: [
        { shape: [9, 33], low: -5, high: 5 },
        { shape: [9], dtype: 'i32', low: -1, high: 3 },
      ],
      attributes: { ignoreIndex: -1 },
    },
    { inputs: [{ shape: [1, 1] }, { shape: [1], dtype: 'i32', low: 0, high: 1 }] },
  ],
}

/** The result is [N, 1]. */
export const logSumExpRow: OpRow = {
  name: 'logSumExp',
  infer: ([x]) => {
    checkDTypes('logSumExp', [x!], ['f32'])
    if (x!.shape.length === 2) return { dtype: 'f32', shape: [x!.shape[0]!, 1] }
    throw new ShapeError(`logSumExp: expected [N, V], got ${describeType(x!)}`)
  },
  evaluate: ([x], _, output) => {
    const width = x!.shape[1]!
    for (let row = 0; row < output.data.length; row++) {
      const values = x!.data.subarray(row * width, (row + 1) * width)
      let highest = -Infinity
      for (const v of values) if (v > highest) highest = v
      let sumOfExp = 0
      for (const v of values) sumOfExp += Math.exp(v - highest)
      output.data[row] = highest + Math.log(sumOfExp)
    }
  },
  lowering: {
    kind: 'compose',
    compose: ([x]) => {
      const { sumOfExp } = rowStatistics(x!)
      return add(log(sumOfExp), maxOver(x!, -1, perRow))
    },
  },
  gradient: ({ inputs: [x], gradient }) => {
    const { shifted, sumOfExp } = rowStatistics(x!)
    return [mul(mul(expNotPositive(shifted), reciprocal(sumOfExp)), gradient)]
  },
  flops: ([x]) => 4 * sizeOf(x!.shape),
  samples: [
    { inputs: [{ shape: [5, 7] }] },
    { inputs: [{ shape: [9, 33], low: -5, high: 5 }] },
    { inputs: [{ shape: [1, 1] }] },
  ],
}

/** ln Σ e^x of each row: x [N, V] -> [N, 1]. Beside `crossEntropy` of the same logits it costs nearly nothing. */
export function logSumExp(x: Tensor): Tensor {
  return createTensor(logSumExpRow, [x])
}

export interface CrossEntropyOptions {
  /** Rows with this target have loss 0 and gradient 0; no target is ignored unless told. */
  readonly ignoreIndex?: number
}

/** -ln softmax(logits)[target] for each row: logits [N, V], targets i32 [N] -> [N], in nats. */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { ignoreIndex } = options
  return createTensor(crossEntropyRow, [logits, targets], ignoreIndex === undefined ? {} : { ignoreIndex })
}

/**
 * PyTorch's `clip_grad_norm_`: norm = √(Σ g²) over all gradients, coefficient = min(1, maxNorm / (norm + 1e-6)). The
 * caller multiplies each gradient by the coefficient (a scalar), usually inside the optimizer's own pass. A norm that
 * is not a number gives coefficient 1: look at the norm.
 */
export function clipByGlobalNorm(
  gradients: readonly Tensor[],
  maxNorm: number | Tensor,
): { coefficient: Tensor; norm: Tensor } {
  const [first, ...rest] = gradients.map((gradient) => sum(square(gradient)))
  if (!first) throw new ShapeError('clipByGlobalNorm: there are no gradients')
  const norm = sqrt(rest.reduce((total, part) => add(total, part), first))
  return { coefficient: minimum(div(maxNorm, add(norm, 1e-6)), 1), norm }
}
