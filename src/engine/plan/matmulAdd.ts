/** The plan's own op: a product added to what is there already, for sums over parts of a product's inner axis. */
import { createTensor } from '../ops/create.ts'
import { matmulRow } from '../ops/matmul.ts'
import { ShapeError, type OpRow, type Tensor } from '../ops/row.ts'
import { sameShape, type Attributes } from '../ir/node.ts'

/** base [M, N], a [M, K], b [K, N] -> base + a b. Attributes: those of the product. */
export const matmulAddRow: OpRow = {
  name: 'matmulAdd',
  infer: ([base, a, b]) => {
    const product = matmulRow.infer([a!, b!], {})
    if (a!.shape.length === 2 && sameShape(base!.shape, product.shape)) return product
    throw new ShapeError(`matmulAdd: expected a base [${product.shape.join(', ')}], got [${base!.shape.join(', ')}]`)
  },
  evaluate: ([base, a, b], attributes, output) => {
    matmulRow.evaluate([a!, b!], attributes, output)
    for (let i = 0; i < output.data.length; i++) output.data[i]! += base!.data[i]!
  },
  lowering: { kind: 'form', form: 'matmulAdd' },
  gradient: { none: 'made by the plan, after differentiation' },
  flops: ([, a, b], output) => matmulRow.flops([a!, b!], output, {}),
  samples: [],
}

/** base + a b; `attributes` are those of the product. */
export function matmulAdd(base: Tensor, a: Tensor, b: Tensor, attributes: Attributes): Tensor {
  return createTensor(matmulAddRow, [base, a, b], attributes)
}
