/** Matrix product. Transposed operands are `transpose` views: the plan reads them in place. */
import { sameShape, sizeOf } from '../ir/node.ts'
import { createTensor } from './create.ts'
import { reshape, transpose } from './movement.ts'
import { ShapeError, type NdArray, type OpRow, type Tensor } from './row.ts'
import { asOperand } from './precision.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes } from './shape.ts'

/** [..., M, K] x [..., K, N] -> [..., M, N], with equal batch axes. Attributes: precision? */
export const matmulRow: OpRow = {
  name: 'matmul',
  infer: (inputs) => {
    checkDTypes('matmul', inputs, ['f32', 'f32'])
    const [a, b] = inputs.map((input) => input.shape)
    const fits =
      a!.length >= 2 &&
      b!.length === a!.length &&
      a!.at(-1) === b!.at(-2) &&
      sameShape(a!.slice(0, -2), b!.slice(0, -2))
    if (fits) return { dtype: 'f32', shape: [...a!.slice(0, -1), b!.at(-1)!] }
    throw new ShapeError(
      `matmul: ${describeType(inputs[0]!)} x ${describeType(inputs[1]!)} do not fit; ` +
        'expected [..., M, K] x [..., K, N] with equal batch axes, or a right side [K, N]',
    )
  },
  evaluate: ([a, b], attributes, output) => multiply(asOperand(a!, attributes), asOperand(b!, attributes), output),
  roundsOperands: true,
  lowering: { kind: 'form', form: 'matmul' },
  // C = A B: dA = dC Bᵀ, dB = Aᵀ dC
  gradient: ({ inputs: [a, b], gradient, attributes }) => [
    createTensor(matmulRow, [gradient, transpose(b!)], attributes),
    createTensor(matmulRow, [transpose(a!), gradient], attributes),
  ],
  flops: ([a], output) => 2 * sizeOf(output.shape) * a!.shape.at(-1)!,
  samples: [
    { inputs: [{ shape: [5, 7] }, { shape: [7, 3] }] },
    { inputs: [{ shape: [2, 1, 3, 17] }, { shape: [2, 1, 17, 5] }] },
    { inputs: [{ shape: [1, 1] }, { shape: [1, 19] }] },
    { inputs: [{ shape: [33, 2] }, { shape: [2, 1] }] },
  ],
}

function multiply(a: NdArray, b: NdArray, output: NdArray): void {
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!]
  const row = new Float64Array(n)
  for (let at = 0; at < output.data.length; at += n) {
    const line = at / n
    const bStart = Math.floor(line / m) * k * n
    row.fill(0)
    for (let p = 0; p < k; p++) {
      const factor = a.data[line * k + p]!
      for (let j = 0; j < n; j++) row[j]! += factor * b.data[bStart + p * n + j]!
    }
    output.data.set(row, at)
  }
}

export interface MatmulOptions {
  /** `fp32`: so in a program whose other products are in bf16 too, and so is its gradient. The program's unless told. */
  readonly precision?: 'fp32'
}

/**
 * a [..., M, K] times b [..., K, N]: the batch axes are equal, or b is [K, N] and a has any. Pass `transpose(x)` for a
 * transposed operand.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  if (b.shape.length !== 2 || a.shape.length <= 2) return createTensor(matmulRow, [a, b], { ...options })
  const flat = createTensor(matmulRow, [reshape(a, [-1, a.shape.at(-1)!]), b], { ...options })
  return reshape(flat, [...a.shape.slice(0, -1), b.shape[1]!])
}
