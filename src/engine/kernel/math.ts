/**
 * exp, log, tanh, sigmoid, erf, sin and cos as polynomials over the scalar ops, so that all targets agree.
 *
 * The coefficients of exp, log, tanh, sin and cos are those of the Cephes library (S. L. Moshier, single precision:
 * expf.c, logf.c, tanhf.c, sinf.c); those of erf are N. Juffa's (erff, https://stackoverflow.com/a/35148199, BSD
 * 2-clause). Largest errors found in sweeps of 2^18 arguments over the whole useful range (`math.test.ts`), in units in
 * the last place of the f32 result: exp 1.0, log 0.8, tanh 1.3, sigmoid 2.2, erf 1.1; sin and cos, absolute and for
 * |x| <= 1e4: 9e-8.
 */
import type { KernelBuilder } from './builder.ts'
import type { Value } from './kernel.ts'

/** 1.5 · 2^23: adding it to |x| < 2^22 leaves round(x), two's complement, in the low bits of the sum. */
const roundingShift = 12582912

const signBit = 0x80000000

/** Horner's rule, highest power first. */
function horner(b: KernelBuilder, x: Value, coefficients: readonly number[]): Value {
  const [highest, ...rest] = coefficients
  return rest.reduce((sum, c) => b.multiplyAdd(sum, x, b.constant(c)), b.constant(highest!))
}

/** |magnitude| with the sign of `sign`; the magnitude must not be negative. */
function withSign(b: KernelBuilder, magnitude: Value, sign: Value): Value {
  const bit = b.op('and', [b.op('asInt', [sign]), b.constantInt(signBit)])
  return b.op('asFloat', [b.op('or', [b.op('asInt', [magnitude]), bit])])
}

/** ln 2 in two parts; the first has 10 significant bits, so that its product with an exponent is exact. */
const ln2High = 0.693359375
const ln2Low = -2.1219444e-4

/** x beyond which e^x is above the largest f32, and below which it is under the smallest normal one (2^-126). */
const expOverflow = 88.72283
const expUnderflow = -87.33654

/**
 * (e^r - 1 - r) / r², |r| <= ln(2)/2, highest power first: fitted to the least largest relative error of e^r, 3.1e-9
 * (weighted least squares, the weights multiplied by the errors until these are level: C. L. Lawson, 1961).
 */
const expOfRemainder = [1.3814539e-3, 8.3687454e-3, 4.1668389e-2, 0.16666521, 0.49999994]

/**
 * e^x for x <= 0, as a softmax has them, in seven ops less than `exp`. ln 2 is in one part: 1 unit in the last place down to
 * -10 and 3e-7 of the result at -87, where results no longer count in a sum with 1; where products are rounded on their own
 * (WebAssembly), within 8e-8 (1 + |x|) of the result. What would be below 2^-126 is that, within 5e-6 of it; NaN stays.
 */
export function expNotPositive(b: KernelBuilder, x: Value): Value {
  const power = (r: Value): Value => horner(b, r, [...expOfRemainder, 1, 1])
  return expAbove(b, b.max(b.constant(expUnderflow), x), [Math.LN2], power)
}

/**
 * 1 + e^x: what sigmoid and GELU divide by. In three ops less than by `exp`, and by a polynomial whose parts do not wait for
 * one another (G. Estrin, 1960), since a vector's chain of ops is what these functions wait for. ∞ where e^x is; NaN stays.
 */
export function onePlusExp(b: KernelBuilder, x: Value): Value {
  const bounded = b.max(b.constant(expUnderflow), x)
  const [c6, c5, c4, c3, c2] = expOfRemainder.map((c) => b.constant(c)) as [Value, Value, Value, Value, Value]
  const power = (r: Value): Value => {
    const squared = b.mul(r, r)
    const high = b.multiplyAdd(c6, squared, b.multiplyAdd(c5, r, c4))
    const middle = b.multiplyAdd(high, squared, b.multiplyAdd(c3, r, c2))
    return b.multiplyAdd(middle, squared, b.add(r, b.constant(1)))
  }
  const finite = b.add(expAbove(b, bounded, [ln2High, ln2Low], power), b.constant(1))
  return b.select(b.op('less', [b.constant(expOverflow), x]), b.constant(Infinity), finite)
}

/**
 * e^x from where it is a normal number to where it overflows; ln 2 in as many parts as its products shall be exact for,
 * `power` for e^r of the remainder.
 */
function expAbove(b: KernelBuilder, x: Value, ln2: readonly number[], power: (r: Value) => Value): Value {
  const shifted = b.multiplyAdd(x, b.constant(Math.LOG2E), b.constant(roundingShift))
  const n = b.sub(shifted, b.constant(roundingShift))
  const r = ln2.reduce((rest, part) => b.multiplyAdd(n, b.constant(-part), rest), x)
  const exponent = b.op('shiftLeft', [b.op('asInt', [shifted])], 23)
  return b.op('asFloat', [b.op('addInt', [b.op('asInt', [power(r)]), exponent])])
}

/** e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2)/2. Overflow gives ∞; results below 2^-126 are 0; NaN stays. */
export function exp(b: KernelBuilder, x: Value): Value {
  const shifted = b.multiplyAdd(x, b.constant(Math.LOG2E), b.constant(roundingShift))
  const n = b.sub(shifted, b.constant(roundingShift))
  const r = b.multiplyAdd(n, b.constant(-ln2Low), b.multiplyAdd(n, b.constant(-ln2High), x))
  const p = horner(b, r, [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5])
  const power = b.add(b.multiplyAdd(p, b.mul(r, r), r), b.constant(1))
  // n goes straight into the exponent bits: that reaches 2^128 · 0.99, which no factor of 2^n could
  const exponent = b.op('shiftLeft', [b.op('asInt', [shifted])], 23)
  const scaled = b.op('asFloat', [b.op('addInt', [b.op('asInt', [power]), exponent])])
  // x · ∞ is ∞ for large x and NaN for NaN
  const inRange = b.op('lessEqual', [x, b.constant(expOverflow)])
  const result = b.select(inRange, scaled, b.mul(x, b.constant(Infinity)))
  return b.select(b.op('less', [x, b.constant(expUnderflow)]), b.constant(0), result)
}

/** ln x = e ln 2 + ln(1 + f), √½ <= 1 + f < √2. -∞ at ±0, NaN below 0; ∞ and NaN stay. */
export function log(b: KernelBuilder, x: Value): Value {
  // subnormal numbers are scaled into the normal range first
  const subnormal = b.op('less', [x, b.constant(2 ** -126)])
  const normal = b.select(subnormal, b.mul(x, b.constant(2 ** 23)), x)
  const bias = b.select(subnormal, b.constantInt(127 + 23), b.constantInt(127))
  // subtracting the bits of √½ carries into the exponent exactly where the mantissa is below √½
  const rootHalf = 0x3f3504f3
  const bits = b.op('addInt', [b.op('asInt', [normal]), b.constantInt(0x3f800000 - rootHalf)])
  const e = b.op('toFloat', [b.op('subInt', [b.op('shiftRight', [bits], 23), bias])])
  const mantissa = b.op('addInt', [b.op('and', [bits, b.constantInt(0x7fffff)]), b.constantInt(rootHalf)])
  const f = b.sub(b.op('asFloat', [mantissa]), b.constant(1))
  const squared = b.mul(f, f)
  const p = horner(
    b,
    f,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
      2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  )
  const tail = b.multiplyAdd(e, b.constant(ln2Low), b.mul(b.mul(p, f), squared))
  const sum = b.add(f, b.multiplyAdd(squared, b.constant(-0.5), tail))
  const finite = b.multiplyAdd(e, b.constant(ln2High), sum)
  const positive = b.select(b.op('less', [x, b.constant(Infinity)]), finite, x)
  const zero = b.constant(0)
  const special = b.select(b.op('equal', [x, zero]), b.constant(-Infinity), b.constant(NaN))
  return b.select(b.op('lessEqual', [x, zero]), special, positive)
}

/** Odd polynomial for |x| < 0.625; beyond, 1 - 2 / (e^(2|x|) + 1). */
export function tanh(b: KernelBuilder, x: Value): Value {
  const magnitude = b.op('abs', [x])
  const one = b.constant(1)
  const large = b.sub(one, b.div(b.constant(2), b.add(exp(b, b.add(magnitude, magnitude)), one)))
  const squared = b.mul(x, x)
  const p = horner(
    b,
    squared,
    [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1],
  )
  const small = b.multiplyAdd(b.mul(p, squared), x, x)
  return b.select(b.op('less', [magnitude, b.constant(0.625)]), small, withSign(b, large, x))
}

/** 1 / (1 + e^-x) */
export function sigmoid(b: KernelBuilder, x: Value): Value {
  return b.div(b.constant(1), onePlusExp(b, b.op('neg', [x])))
}

/** Odd polynomial up to |x| = 0.927734375; beyond, 1 - e^q(|x|). */
export function erf(b: KernelBuilder, x: Value): Value {
  const t = b.op('abs', [x])
  const q = horner(
    b,
    t,
    [-1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1],
  )
  const large = b.sub(b.constant(1), exp(b, b.sub(b.mul(q, t), t)))
  const p = horner(
    b,
    b.mul(x, x),
    [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1],
  )
  const small = b.multiplyAdd(p, x, x)
  return b.select(b.op('lessEqual', [t, b.constant(0.927734375)]), small, withSign(b, large, x))
}

/** π/2 in three parts; the first two have 8 and 11 significant bits, so that products with n < 2^13 are exact. */
const halfPi = [1.5703125, 4.837512969970703e-4, 7.54978995489188e-8] as const

export function sin(b: KernelBuilder, x: Value): Value {
  return sine(b, x, 0)
}
export function cos(b: KernelBuilder, x: Value): Value {
  return sine(b, x, 1)
}

/** sin(x + quarters · π/2): x = n π/2 + r with |r| <= π/4; n + quarters chooses the polynomial and the sign. */
function sine(b: KernelBuilder, x: Value, quarters: 0 | 1): Value {
  const shifted = b.multiplyAdd(x, b.constant(2 / Math.PI), b.constant(roundingShift))
  const n = b.sub(shifted, b.constant(roundingShift))
  const r = halfPi.reduce((rest, part) => b.multiplyAdd(n, b.constant(-part), rest), x)
  const z = b.mul(r, r)
  const sineOfRest = b.multiplyAdd(b.mul(horner(b, z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), z), r, r)
  const cosineTail = horner(b, z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2])
  const cosineOfRest = b.multiplyAdd(b.mul(cosineTail, z), z, b.multiplyAdd(z, b.constant(-0.5), b.constant(1)))
  const quadrant = b.op('asInt', [shifted])
  const turned = quarters === 0 ? quadrant : b.op('addInt', [quadrant, b.constantInt(quarters)])
  const even = b.op('equalInt', [b.op('and', [turned, b.constantInt(1)]), b.constantInt(0)])
  const sign = b.op('shiftLeft', [b.op('and', [turned, b.constantInt(2)])], 30)
  const unsigned = b.op('asInt', [b.select(even, sineOfRest, cosineOfRest)])
  return b.op('asFloat', [b.op('xor', [unsigned, sign])])
}
