import { describe, expect, it } from 'vitest'
import { KernelBuilder } from './builder.ts'
import { interpretKernel } from './interpret.ts'
import type { Value } from './kernel.ts'
import * as polynomial from './math.ts'

type Polynomial = (b: KernelBuilder, x: Value) => Value

/** The function over many arguments, 16 lanes at a time. */
function apply(f: Polynomial, x: Float32Array, fused: boolean): Float32Array {
  const b = new KernelBuilder('polynomial', { lanes: 16, vectorRegisters: 32 })
  const [from, to] = [b.pointer(), b.pointer()]
  b.for(0, x.length / 16, 1, (block) => {
    const at = b.intMul(block, 64)
    b.store(f(b, b.load(b.at(from, 0, at, 1))), b.at(to, 0, at, 1))
  })
  const memory = new Float32Array(2 * x.length)
  memory.set(x)
  interpretKernel(b.finish(), {
    memory: memory.buffer,
    unitBegin: 0,
    unitEnd: 1,
    scratch: 0,
    pointers: [0, 4 * x.length],
    fusedMultiplyAdd: fused,
  })
  return memory.slice(x.length)
}

const count = 1 << 15

/** Arguments spread evenly over [low, high], none of them round. */
function evenly(low: number, high: number): Float32Array {
  return Float32Array.from({ length: count }, (_, k) => low + ((k + 0.4142) / count) * (high - low))
}
/** Arguments spread evenly over the f32 bit patterns from `low` to `high`, both of one sign. */
function byBits(low: number, high: number): Float32Array {
  const [first, last] = new Int32Array(Float32Array.of(low, high).buffer) as unknown as [number, number]
  const bits = Int32Array.from({ length: count }, (_, k) => first + Math.floor((k / (count - 1)) * (last - first)))
  return new Float32Array(bits.buffer)
}

/** Spacing of f32 at a number; below the normal range, the spacing of the smallest normal numbers. */
function ulp(value: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -126) - 23)
}

function largestError(f: Polynomial, exact: (x: number) => number, x: Float32Array, fused: boolean): number {
  const actual = apply(f, x, fused)
  let largest = 0
  x.forEach((argument, k) => {
    const expected = exact(argument)
    if (expected !== 0) largest = Math.max(largest, Math.abs(actual[k]! - expected) / ulp(expected))
  })
  return largest
}

/** erf to double precision by its series; see A&S 7.1.6. */
function erf(x: number): number {
  let [term, sum] = [x, x]
  for (let n = 1; n < 400; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

const sweeps: readonly [string, Polynomial, (x: number) => number, Float32Array, number][] = [
  ['exp over all normal results', polynomial.exp, Math.exp, evenly(-87.33654, 88.72283), 1.1],
  ['exp near 0', polynomial.exp, Math.exp, evenly(-0.5, 0.5), 1.1],
  ['exp at the top', polynomial.exp, Math.exp, evenly(88.3, 88.72283), 1.1],
  ['exp at the bottom', polynomial.exp, Math.exp, evenly(-87.33654, -87), 1.1],
  ['log over all magnitudes', polynomial.log, Math.log, byBits(2 ** -149, 3.4e38), 1],
  ['log near 1', polynomial.log, Math.log, evenly(0.5, 2), 1],
  ['tanh', polynomial.tanh, Math.tanh, evenly(-10, 10), 2],
  ['tanh near 0', polynomial.tanh, Math.tanh, byBits(1e-20, 1), 2],
  ['sigmoid', polynomial.sigmoid, (x) => 1 / (1 + Math.exp(-x)), evenly(-80, 20), 3],
  ['erf', polynomial.erf, erf, evenly(-4.2, 4.2), 1.5],
  ['erf near 0', polynomial.erf, erf, byBits(1e-20, 1), 1.5],
]

describe('largest error in ulp', () => {
  it.each(sweeps)('of %s', (_, f, exact, arguments_, bound) => {
    for (const fused of [true, false]) expect(largestError(f, exact, arguments_, fused)).toBeLessThan(bound)
  })

  it('of exp of what a softmax has, with fused products', () => {
    expect(largestError(polynomial.expNotPositive, Math.exp, evenly(-10, 0), true)).toBeLessThan(1.1)
    expect(largestError(polynomial.expNotPositive, Math.exp, evenly(-87.33654, -10), true)).toBeLessThan(4.6)
  })

  it('of exp of what a softmax has, relative, with rounded products', () => {
    const x = evenly(-87.33654, 0)
    apply(polynomial.expNotPositive, x, false).forEach((actual, k) => {
      const error = Math.abs(actual / Math.exp(x[k]!) - 1)
      expect(error / (1 + Math.abs(x[k]!))).toBeLessThan(8e-8)
    })
  })

  // near the zeros the result is small and its ulp smaller than the argument's own: the error is absolute there
  it.each([
    ['sin', polynomial.sin, Math.sin],
    ['cos', polynomial.cos, Math.cos],
  ] as const)('of %s, absolute, up to 1e4', (_, f, exact) => {
    for (const [range, fused] of [
      [10, true],
      [10, false],
      [1e4, true],
      [1e4, false],
    ] as const) {
      const x = evenly(-range, range)
      const actual = apply(f, x, fused)
      const largest = x.reduce((most, argument, k) => Math.max(most, Math.abs(actual[k]! - exact(argument))), 0)
      expect(largest).toBeLessThan(1e-7)
    }
  })
})

/** The function's values at a few arguments. */
function at(f: Polynomial, ...x: number[]): number[] {
  const padded = Float32Array.from({ length: 16 }, (_, k) => x[k] ?? 0)
  return [...apply(f, padded, true)].slice(0, x.length)
}

describe('special values', () => {
  it('exp of what a softmax has: limits, underflow', () => {
    expect(at(polynomial.expNotPositive, 0, -0, NaN)).toEqual([1, 1, NaN])
    for (const least of at(polynomial.expNotPositive, -Infinity, -88, -1e38)) {
      expect(least / 2 ** -126).toBeGreaterThanOrEqual(1)
      expect(least / 2 ** -126).toBeLessThan(1 + 5e-6)
    }
  })

  it('exp: limits, overflow, underflow', () => {
    expect(at(polynomial.exp, 0, -0, Infinity, -Infinity, NaN, 88.8, 1e38, -88, -1e38)).toEqual([
      1,
      1,
      Infinity,
      0,
      NaN,
      Infinity,
      Infinity,
      0,
      0,
    ])
  })
  it('log: limits, poles, negative numbers', () => {
    expect(at(polynomial.log, 1, 0, -0, Infinity, NaN, -1, -Infinity)).toEqual([
      0,
      -Infinity,
      -Infinity,
      Infinity,
      NaN,
      NaN,
      NaN,
    ])
  })
  it.each([
    ['tanh', polynomial.tanh],
    ['erf', polynomial.erf],
  ] as const)('%s: odd, and ±1 far out', (_, f) => {
    expect(at(f, 0, 50, -50, Infinity, -Infinity, NaN)).toEqual([0, 1, -1, 1, -1, NaN])
  })
  it('sigmoid: 0 and 1 far out', () => {
    expect(at(polynomial.sigmoid, 0, 200, -200, Infinity, -Infinity, NaN)).toEqual([0.5, 1, 0, 1, 0, NaN])
  })
  it('sin and cos: zero, and no value at infinity', () => {
    expect(at(polynomial.sin, 0, Infinity, NaN)).toEqual([0, NaN, NaN])
    expect(at(polynomial.cos, 0, Infinity, NaN)).toEqual([1, NaN, NaN])
  })
})
