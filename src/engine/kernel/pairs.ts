/**
 * Products of pairs of bf16 numbers for kernels, by the ops for it or, where the target asks for that, expanded into ops
 * on f32: then denormal sums are kept, and all else is the same.
 */
import type { KernelBuilder } from './builder.ts'
import type { Value } from './kernel.ts'

const exponentBits = 0x7f800000
const signBit = 0x80000000
const highHalf = 0xffff0000
const quietBit = 0x00400000

/** An i32 vector: the bf16 numbers nearest to `low` and, in the upper 16 bits of each lane, to `high`. */
export function bf16Pair(b: KernelBuilder, low: Value, high: Value): Value {
  if (b.bf16 !== 'expanded') return b.op('bf16Pair', [low, high])
  const upper = b.op('and', [rounded(b, high), b.constantInt(highHalf)])
  return b.op('or', [b.op('shiftRight', [rounded(b, low)], 16), upper])
}

/** Bits whose upper half is the nearest bf16 number. */
function rounded(b: KernelBuilder, value: Value): Value {
  const bits = b.op('asInt', [value])
  const odd = b.op('and', [b.op('shiftRight', [bits], 16), b.constantInt(1)])
  const nearest = b.op('addInt', [b.op('addInt', [bits, b.constantInt(0x7fff)]), odd])
  const number = b.select(b.op('equal', [value, value]), nearest, b.op('or', [bits, b.constantInt(quietBit)]))
  const isSmall = b.op('equalInt', [b.op('and', [bits, b.constantInt(exponentBits)]), b.constantInt(0)])
  return b.select(isSmall, b.op('and', [bits, b.constantInt(signBit)]), number)
}

/** What is computed once for a vector of pairs that is multiplied several times. */
export type Pairs = readonly Value[]

export function pairsOf(b: KernelBuilder, vector: Value): Pairs {
  if (b.bf16 !== 'expanded') return [vector]
  const high = b.op('and', [vector, b.constantInt(highHalf)])
  const low = b.op('shiftLeft', [vector], 16)
  return [b.op('asFloat', [low]), b.op('asFloat', [high])]
}

/** sum + the products of both numbers of the pairs, the high ones first. */
export function pairDot(b: KernelBuilder, left: Pairs, right: Pairs, sum: Value): Value {
  if (b.bf16 !== 'expanded') return b.op('pairDot', [left[0]!, right[0]!, sum])
  return b.multiplyAdd(left[0]!, right[0]!, b.multiplyAdd(left[1]!, right[1]!, sum))
}
