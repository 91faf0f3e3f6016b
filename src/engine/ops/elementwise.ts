/** Arithmetic, element by element, with NumPy's broadcasting. Numbers stand for f32 scalars. */
import { greater, select } from './compare.ts'
import { createTensor } from './create.ts'
import { elementwiseRow } from './elementwiseRow.ts'
import { asTensor, type Operand } from './leaf.ts'
import type { Sample, Tensor } from './row.ts'

const pairs: readonly Sample[] = [
  { inputs: [{ shape: [3, 5] }, { shape: [3, 5] }] },
  { inputs: [{ shape: [2, 1, 17] }, { shape: [3, 1] }] },
  { inputs: [{ shape: [] }, { shape: [1, 33] }] },
]
const singles: readonly Sample[] = [{ inputs: [{ shape: [3, 7] }] }, { inputs: [{ shape: [1] }] }]

/** Samples whose last input keeps a distance from 0. */
function awayFromZero(samples: readonly Sample[]): readonly Sample[] {
  return samples.map((sample) => ({
    ...sample,
    inputs: sample.inputs.map((input, k) => (k === sample.inputs.length - 1 ? { ...input, low: 0.5, high: 2 } : input)),
  }))
}

export const addRow = elementwiseRow({
  name: 'add',
  inputs: ['f32', 'f32'],
  cost: 1,
  meaning: (a, b) => a + b,
  emit: (b, [x, y]) => b.add(x!, y!),
  gradient: ({ gradient }) => [gradient, gradient],
  samples: pairs,
})

export const subRow = elementwiseRow({
  name: 'sub',
  inputs: ['f32', 'f32'],
  cost: 1,
  meaning: (a, b) => a - b,
  emit: (b, [x, y]) => b.sub(x!, y!),
  gradient: ({ gradient }) => [gradient, neg(gradient)],
  samples: pairs,
})

export const mulRow = elementwiseRow({
  name: 'mul',
  inputs: ['f32', 'f32'],
  cost: 1,
  meaning: (a, b) => a * b,
  emit: (b, [x, y]) => b.mul(x!, y!),
  gradient: ({ inputs: [a, b], gradient }) => [mul(gradient, b!), mul(gradient, a!)],
  samples: pairs,
})

export const divRow = elementwiseRow({
  name: 'div',
  inputs: ['f32', 'f32'],
  cost: 4,
  meaning: (a, b) => a / b,
  emit: (b, [x, y]) => b.div(x!, y!),
  // d(a/b)/db = -a/b² = -(a/b)/b
  gradient: ({ inputs: [, b], output, gradient }) => {
    const quotient = div(gradient, b!)
    return [quotient, neg(mul(quotient, output))]
  },
  samples: awayFromZero(pairs),
})

export const negRow = elementwiseRow({
  name: 'neg',
  inputs: ['f32'],
  cost: 1,
  meaning: (a) => -a,
  emit: (b, [x]) => b.op('neg', [x!]),
  gradient: ({ gradient }) => [neg(gradient)],
  samples: singles,
})

/** The gradient at 0 is -g. */
export const absRow = elementwiseRow({
  name: 'abs',
  inputs: ['f32'],
  cost: 1,
  meaning: (a) => Math.abs(a),
  emit: (b, [x]) => b.op('abs', [x!]),
  gradient: ({ inputs: [x], gradient }) => [select(greater(x!, 0), gradient, neg(gradient))],
  samples: singles,
})

export const squareRow = elementwiseRow({
  name: 'square',
  inputs: ['f32'],
  cost: 1,
  meaning: (a) => a * a,
  emit: (b, [x]) => b.mul(x!, x!),
  gradient: ({ inputs: [x], gradient }) => [mul(gradient, mul(x!, 2))],
  samples: singles,
})

export const sqrtRow = elementwiseRow({
  name: 'sqrt',
  inputs: ['f32'],
  cost: 4,
  meaning: (a) => Math.sqrt(a),
  emit: (b, [x]) => b.op('sqrt', [x!]),
  gradient: ({ output, gradient }) => [div(mul(gradient, 0.5), output)],
  samples: awayFromZero(singles),
})

export const rsqrtRow = elementwiseRow({
  name: 'rsqrt',
  inputs: ['f32'],
  cost: 8,
  meaning: (a) => 1 / Math.sqrt(a),
  emit: (b, [x]) => b.div(b.constant(1), b.op('sqrt', [x!])),
  // d(x^-½)/dx = -½ x^-³ᐟ² = -½ y³
  gradient: ({ output, gradient }) => [mul(gradient, mul(mul(square(output), output), -0.5))],
  samples: awayFromZero(singles),
})

export const reciprocalRow = elementwiseRow({
  name: 'reciprocal',
  inputs: ['f32'],
  cost: 4,
  meaning: (a) => 1 / a,
  emit: (b, [x]) => b.div(b.constant(1), x!),
  gradient: ({ output, gradient }) => [neg(mul(gradient, square(output)))],
  samples: awayFromZero(singles),
})

/** Where the two are equal the gradient goes to b; with a NaN the result is b, as in the scalar op. */
export const maximumRow = elementwiseRow({
  name: 'maximum',
  inputs: ['f32', 'f32'],
  cost: 1,
  meaning: (a, b) => (a > b ? a : b),
  emit: (b, [x, y]) => b.max(x!, y!),
  gradient: ({ inputs: [a, b], gradient }) => {
    const first = greater(a!, b!)
    return [select(first, gradient, 0), select(first, 0, gradient)]
  },
  samples: pairs,
})

/** Where the two are equal the gradient goes to b; with a NaN the result is b, as in the scalar op. */
export const minimumRow = elementwiseRow({
  name: 'minimum',
  inputs: ['f32', 'f32'],
  cost: 1,
  meaning: (a, b) => (a < b ? a : b),
  emit: (b, [x, y]) => b.min(x!, y!),
  gradient: ({ inputs: [a, b], gradient }) => {
    const first = greater(b!, a!)
    return [select(first, gradient, 0), select(first, 0, gradient)]
  },
  samples: pairs,
})

/** a + b */
export function add(a: Operand, b: Operand): Tensor {
  return createTensor(addRow, [asTensor(a), asTensor(b)])
}
/** a - b */
export function sub(a: Operand, b: Operand): Tensor {
  return createTensor(subRow, [asTensor(a), asTensor(b)])
}
/** a * b */
export function mul(a: Operand, b: Operand): Tensor {
  return createTensor(mulRow, [asTensor(a), asTensor(b)])
}
/** a / b */
export function div(a: Operand, b: Operand): Tensor {
  return createTensor(divRow, [asTensor(a), asTensor(b)])
}
/** -a */
export function neg(a: Operand): Tensor {
  return createTensor(negRow, [asTensor(a)])
}
/** |a|; its gradient at 0 is -g. */
export function abs(a: Operand): Tensor {
  return createTensor(absRow, [asTensor(a)])
}
/** a² */
export function square(a: Operand): Tensor {
  return createTensor(squareRow, [asTensor(a)])
}
/** √a */
export function sqrt(a: Operand): Tensor {
  return createTensor(sqrtRow, [asTensor(a)])
}
/** 1 / √a */
export function rsqrt(a: Operand): Tensor {
  return createTensor(rsqrtRow, [asTensor(a)])
}
/** 1 / a */
export function reciprocal(a: Operand): Tensor {
  return createTensor(reciprocalRow, [asTensor(a)])
}
/** The larger of two; where they are equal the gradient goes to b. `maximum(x, 0)` is ReLU. */
export function maximum(a: Operand, b: Operand): Tensor {
  return createTensor(maximumRow, [asTensor(a), asTensor(b)])
}
/** The smaller of two; where they are equal the gradient goes to b. */
export function minimum(a: Operand, b: Operand): Tensor {
  return createTensor(minimumRow, [asTensor(a), asTensor(b)])
}
