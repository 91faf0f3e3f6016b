/** Random numbers as a function of (key, stream, position): no state, the same on every target and thread count. */
import type { KernelBuilder } from '../kernel/builder.ts'
import type { Value } from '../kernel/kernel.ts'
import { sizeOf, type Shape } from '../ir/node.ts'
import { greaterEqual, select } from './compare.ts'
import { createTensor } from './create.ts'
import { mul } from './elementwise.ts'
import { PHILOX_M0, PHILOX_M1, PHILOX_ROUNDS, PHILOX_W0, PHILOX_W1, philox4x32Into } from '../../random/philox.ts'
import { ShapeError, type OpRow, type Sample, type Tensor } from './row.ts'
import { describeType } from '../ir/describe.ts'
import { checkDTypes, checkShape } from './shape.ts'

/** Either half of a key, for the samples of rows that draw random numbers. */
export const anyKey = { shape: [], dtype: 'i32', low: -(2 ** 31), high: 2 ** 31 } as const
const samples: readonly Sample[] = [
  { inputs: [anyKey, anyKey], attributes: { shape: [3, 19], stream: 0 } },
  { inputs: [anyKey, anyKey], attributes: { shape: [1], stream: 7 } },
  { inputs: [anyKey, anyKey], attributes: { shape: [], stream: -1 } },
]

/**
 * Philox4x32-10 with key (key0, key1) and counter (row-major index, stream, 0, 0); the first word's top 24 bits times
 * 2^-24. Attributes: shape, stream.
 */
export const randomUniformRow: OpRow = {
  name: 'randomUniform',
  infer: (inputs, attributes) => {
    checkDTypes('randomUniform', inputs, ['i32', 'i32'])
    const { shape, stream } = attributes as { shape: Shape; stream: number }
    checkShape('randomUniform', shape)
    const scalars = inputs.every((input) => input.shape.length === 0)
    if (scalars && Number.isInteger(stream)) return { dtype: 'f32', shape }
    throw new ShapeError(
      `randomUniform: expected two i32 scalars as key and a whole number as stream, got ` +
        `${inputs.map(describeType).join(', ')} and ${stream}`,
    )
  },
  evaluate: ([key0, key1], attributes, output) => {
    const key = [key0!.data[0]!, key1!.data[0]!] as const
    const words = new Uint32Array(4)
    for (let at = 0; at < output.data.length; at++) {
      philox4x32Into(words, 0, at, attributes['stream'] as number, 0, 0, key[0], key[1])
      output.data[at] = uniformOfWord(words[0]!)
    }
  },
  lowering: {
    kind: 'elementwise',
    // ten rounds of two wide products, four exclusive ors and two key additions
    cost: 160,
    position: 'linearIndex',
    emit: (b, [key0, key1], attributes, position) => {
      const zero = b.constantInt(0)
      const counter = [position.linearIndex(), b.constantInt(attributes['stream'] as number), zero, zero] as const
      const word = emitPhiloxWord(b, [key0!, key1!], counter)
      return b.mul(b.op('toFloat', [b.op('shiftRight', [word], 8)]), b.constant(2 ** -24))
    },
  },
  gradient: { none: 'random numbers depend on integers only' },
  flops: (_, output) => sizeOf(output.shape),
  samples,
}

/** The first of the four words; the last round computes nothing else. */
function emitPhiloxWord(
  b: KernelBuilder,
  key: readonly [Value, Value],
  counter: readonly [Value, Value, Value, Value],
): Value {
  const [m0, m1] = [b.constantInt(PHILOX_M0), b.constantInt(PHILOX_M1)]
  const [s0, s1] = [b.constantInt(PHILOX_W0), b.constantInt(PHILOX_W1)]
  const xor = (x: Value, y: Value, z: Value): Value => b.op('xor', [b.op('xor', [x, y]), z])
  let [k0, k1] = key
  let [c0, c1, c2, c3] = counter
  for (let round = 1; round < PHILOX_ROUNDS; round++) {
    const [high0, low0] = [b.op('mulHighUnsigned', [m0, c0]), b.op('mulInt', [m0, c0])]
    const [high1, low1] = [b.op('mulHighUnsigned', [m1, c2]), b.op('mulInt', [m1, c2])]
    ;[c0, c1, c2, c3] = [xor(high1, c1, k0), low1, xor(high0, c3, k1), low0]
    k0 = b.op('addInt', [k0, s0])
    k1 = b.op('addInt', [k1, s1])
  }
  return xor(b.op('mulHighUnsigned', [m1, c2]), c1, k0)
}

/**
 * f32 in [0, 1), 24 bits each. The key is two i32 scalars (such as seed and step); `stream` tells apart the uses under
 * one key.
 */
export function randomUniform(
  key0: Tensor,
  key1: Tensor,
  { shape, stream }: { readonly shape: Shape; readonly stream: number },
): Tensor {
  return createTensor(randomUniformRow, [key0, key1], { shape, stream })
}

/** Zeroes each element with probability `rate` and scales the rest by 1 / (1 - rate). Rate 0 returns x itself. */
export function dropout(x: Tensor, rate: number, key0: Tensor, key1: Tensor, stream: number): Tensor {
  checkRate('dropout', rate)
  if (rate === 0) return x
  const kept = greaterEqual(randomUniform(key0, key1, { shape: x.shape, stream }), rate)
  return select(kept, mul(x, 1 / (1 - rate)), 0)
}

/** Throws a `RangeError` unless `rate` is a share that can be dropped. */
export function checkRate(op: string, rate: number): void {
  if (rate >= 0 && rate < 1) return
  throw new RangeError(`${op}: the rate is ${rate}; it must be at least 0 and below 1`)
}

/** Which positions of a stream are kept at a rate: those where `randomUniform` is at least the rate. */
export function keptPositions(
  key: readonly [number, number],
  stream: number,
  rate: number,
): (position: number) => boolean {
  const words = new Uint32Array(4)
  return (position) => {
    philox4x32Into(words, 0, position, stream, 0, 0, key[0], key[1])
    return uniformOfWord(words[0]!) >= rate
  }
}

/**
 * The mask of `keptPositions` in a kernel; all but the rate are i32 vectors. Compared as integers, since f32 would round
 * the rate: u · 2^-24 ≥ rate where u ≥ ⌈rate · 2^24⌉.
 */
export function emitKept(
  b: KernelBuilder,
  key: readonly [Value, Value],
  stream: Value,
  rate: number,
  position: Value,
): Value {
  const zero = b.constantInt(0)
  const word = emitPhiloxWord(b, key, [position, stream, zero, zero])
  return b.op('lessInt', [b.constantInt(Math.ceil(rate * 2 ** 24) - 1), b.op('shiftRight', [word], 8)])
}

/** A random word as a number in [0, 1): its top 24 bits, which f32 holds exactly. */
function uniformOfWord(word: number): number {
  return (word >>> 8) * 2 ** -24
}
