/** Transcendental functions and activations, lowered to the polynomials of `kernel/math.ts`. */
import * as polynomial from '../kernel/math.ts'
import { createTensor } from './create.ts'
import { add, div, mul, neg, square, sub } from './elementwise.ts'
import { elementwiseRow } from './elementwiseRow.ts'
import { asTensor, type Operand } from './leaf.ts'
import type { Sample, Tensor } from './row.ts'

/** Near 0, and far enough out on both sides for the branches of the polynomials. */
const samples: readonly Sample[] = [
  { inputs: [{ shape: [3, 7] }] },
  { inputs: [{ shape: [1, 37], low: -6, high: 6 }] },
  { inputs: [{ shape: [], low: 0.1, high: 0.2 }] },
]

export const expRow = elementwiseRow({
  name: 'exp',
  inputs: ['f32'],
  cost: 18,
  meaning: (a) => Math.exp(a),
  emit: (b, [x]) => polynomial.exp(b, x!),
  gradient: ({ output, gradient }) => [mul(gradient, output)],
  samples,
})

/** exp for a row less its largest element. */
export const expNotPositiveRow = elementwiseRow({
  name: 'expNotPositive',
  inputs: ['f32'],
  cost: 12,
  meaning: (a) => Math.exp(a),
  emit: (b, [x]) => polynomial.expNotPositive(b, x!),
  gradient: ({ output, gradient }) => [mul(gradient, output)],
  samples: [{ inputs: [{ shape: [3, 7], low: -1, high: 0 }] }, { inputs: [{ shape: [1, 37], low: -90, high: 0 }] }],
})

export const logRow = elementwiseRow({
  name: 'log',
  inputs: ['f32'],
  cost: 32,
  meaning: (a) => Math.log(a),
  emit: (b, [x]) => polynomial.log(b, x!),
  gradient: ({ inputs: [x], gradient }) => [div(gradient, x!)],
  samples: [{ inputs: [{ shape: [3, 7], low: 0.1, high: 3 }] }, { inputs: [{ shape: [19], low: 10, high: 1e6 }] }],
})

export const tanhRow = elementwiseRow({
  name: 'tanh',
  inputs: ['f32'],
  cost: 38,
  meaning: (a) => Math.tanh(a),
  emit: (b, [x]) => polynomial.tanh(b, x!),
  gradient: ({ output, gradient }) => [mul(gradient, sub(1, square(output)))],
  samples,
})

export const erfRow = elementwiseRow({
  name: 'erf',
  inputs: ['f32'],
  cost: 40,
  meaning: erfOf,
  emit: (b, [x]) => polynomial.erf(b, x!),
  // d erf(x)/dx = 2/√π e^(-x²)
  gradient: ({ inputs: [x], gradient }) => [mul(gradient, mul(exp(neg(square(x!))), 2 / Math.sqrt(Math.PI)))],
  samples,
})

export const sinRow = elementwiseRow({
  name: 'sin',
  inputs: ['f32'],
  cost: 26,
  meaning: (a) => Math.sin(a),
  emit: (b, [x]) => polynomial.sin(b, x!),
  gradient: ({ inputs: [x], gradient }) => [mul(gradient, cos(x!))],
  samples,
})

export const cosRow = elementwiseRow({
  name: 'cos',
  inputs: ['f32'],
  cost: 26,
  meaning: (a) => Math.cos(a),
  emit: (b, [x]) => polynomial.cos(b, x!),
  gradient: ({ inputs: [x], gradient }) => [neg(mul(gradient, sin(x!)))],
  samples,
})

export const sigmoidRow = elementwiseRow({
  name: 'sigmoid',
  inputs: ['f32'],
  cost: 24,
  meaning: (a) => 1 / (1 + Math.exp(-a)),
  emit: (b, [x]) => polynomial.sigmoid(b, x!),
  gradient: ({ output, gradient }) => [mul(gradient, mul(output, sub(1, output)))],
  samples,
})

/** x σ(x) */
export const siluRow = elementwiseRow({
  name: 'silu',
  inputs: ['f32'],
  cost: 24,
  meaning: (a) => a / (1 + Math.exp(-a)),
  emit: (b, [x]) => b.div(x!, polynomial.onePlusExp(b, b.op('neg', [x!]))),
  // σ(x) (1 + x (1 - σ(x)))
  gradient: ({ inputs: [x], gradient }) => {
    const s = sigmoid(x!)
    return [mul(mul(gradient, s), add(mul(x!, sub(1, s)), 1))]
  },
  samples,
})

/** √(2/π) and the cubic term of the tanh form of GELU: Hendrycks & Gimpel 2016 (arXiv:1606.08415), section 2. */
const geluScale = Math.sqrt(2 / Math.PI)
const geluCubic = 0.044715

/**
 * ½ x (1 + tanh u) with u = √(2/π) (x + 0.044715 x³). As ½ (1 + tanh u) = σ(2u), it is x / (1 + e^(-2u)): one
 * exponential and one division.
 */
export const geluRow = elementwiseRow({
  name: 'gelu',
  inputs: ['f32'],
  cost: 28,
  meaning: (a) => 0.5 * a * (1 + Math.tanh(geluScale * (a + geluCubic * a * a * a))),
  emit: (b, [x]) => {
    const inner = b.multiplyAdd(b.mul(x!, x!), b.constant(-2 * geluScale * geluCubic), b.constant(-2 * geluScale))
    return b.div(x!, polynomial.onePlusExp(b, b.mul(inner, x!)))
  },
  // s = σ(2u): dy/dx = s + x s (1 - s) 2 du/dx with du/dx = √(2/π) (1 + 3 · 0.044715 x²)
  gradient: ({ inputs: [x], gradient }) => {
    const squared = square(x!)
    const s = sigmoid(mul(x!, add(mul(squared, 2 * geluScale * geluCubic), 2 * geluScale)))
    const slope = add(mul(squared, 6 * geluScale * geluCubic), 2 * geluScale)
    return [mul(mul(gradient, s), add(mul(mul(x!, slope), sub(1, s)), 1))]
  },
  samples,
})

/** x Φ(x) = ½ x (1 + erf(x / √2)) */
export const geluExactRow = elementwiseRow({
  name: 'geluExact',
  inputs: ['f32'],
  cost: 44,
  meaning: (a) => 0.5 * a * (1 + erfOf(a * Math.SQRT1_2)),
  emit: (b, [x]) => {
    const half = b.mul(x!, b.constant(0.5))
    return b.multiplyAdd(half, polynomial.erf(b, b.mul(x!, b.constant(Math.SQRT1_2))), half)
  },
  // Φ(x) + x φ(x), φ(x) = e^(-x²/2) / √(2π)
  gradient: ({ inputs: [x], gradient }) => {
    const cumulative = add(mul(erf(mul(x!, Math.SQRT1_2)), 0.5), 0.5)
    const density = mul(exp(mul(square(x!), -0.5)), 1 / Math.sqrt(2 * Math.PI))
    return [mul(gradient, add(cumulative, mul(x!, density)))]
  },
  samples,
})

/**
 * erf in float64: erf(x) = 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!! (Abramowitz & Stegun 7.1.6; all terms have one sign).
 * Beyond |x| = 6 it is ±1 to the last bit.
 */
function erfOf(x: number): number {
  if (Math.abs(x) >= 6) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** e^a; results below 2^-126 are 0 on f32 targets. */
export function exp(a: Operand): Tensor {
  return createTensor(expRow, [asTensor(a)])
}
/** e^a for a <= 0, sooner than `exp`; results below 2^-126 are that on f32 targets, which no longer counts beside 1. */
export function expNotPositive(a: Operand): Tensor {
  return createTensor(expNotPositiveRow, [asTensor(a)])
}
/** Natural logarithm: -∞ at 0, NaN below. */
export function log(a: Operand): Tensor {
  return createTensor(logRow, [asTensor(a)])
}
export function tanh(a: Operand): Tensor {
  return createTensor(tanhRow, [asTensor(a)])
}
/** The error function. */
export function erf(a: Operand): Tensor {
  return createTensor(erfRow, [asTensor(a)])
}
/** Sine of radians, |a| up to 1e4 on f32 targets. */
export function sin(a: Operand): Tensor {
  return createTensor(sinRow, [asTensor(a)])
}
/** Cosine of radians, |a| up to 1e4 on f32 targets. */
export function cos(a: Operand): Tensor {
  return createTensor(cosRow, [asTensor(a)])
}
/** 1 / (1 + e^-a) */
export function sigmoid(a: Operand): Tensor {
  return createTensor(sigmoidRow, [asTensor(a)])
}
/** a · sigmoid(a) */
export function silu(a: Operand): Tensor {
  return createTensor(siluRow, [asTensor(a)])
}
/** GELU in GPT-2's tanh form. */
export function gelu(a: Operand): Tensor {
  return createTensor(geluRow, [asTensor(a)])
}
/** GELU by its definition a · Φ(a). */
export function geluExact(a: Operand): Tensor {
  return createTensor(geluExactRow, [asTensor(a)])
}
