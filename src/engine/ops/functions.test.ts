/** What user code calls: values of small examples, shapes, and the words of errors. */
import { describe, expect, it } from 'vitest'
import { contiguous } from '../ir/layout.ts'
import { sizeOf, type Shape } from '../ir/node.ts'
import { topologicalOrder } from '../ir/order.ts'
import { scope } from '../ir/scope.ts'
import { createInterpreterBackend } from '../runtime/interpreter/interpreter.ts'
import { trace } from '../trace/trace.ts'
import * as arithmetic from './elementwise.ts'
import * as attentions from './attention.ts'
import * as cast from './cast.ts'
import * as compare from './compare.ts'
import * as join from './join.ts'
import * as losses from './loss.ts'
import * as matmuls from './matmul.ts'
import * as movement from './movement.ts'
import * as normalize from './normalize.ts'
import * as embedding from './embedding.ts'
import * as random from './random.ts'
import { constant } from './leaf.ts'
import { reshape, reshapeLayout } from './movement.ts'
import { maxOver, mean, sum, type Axes } from './reduce.ts'
import { ShapeError, type Tensor } from './row.ts'
import { toInt } from './cast.ts'

const ops = {
  ...arithmetic,
  ...attentions,
  ...cast,
  ...compare,
  ...join,
  ...losses,
  ...matmuls,
  ...movement,
  ...normalize,
  ...embedding,
  ...random,
}

/** The values of a tensor that needs no inputs. */
function valuesOf(build: () => Tensor): number[] {
  const backend = createInterpreterBackend({ precision: 'f64' })
  const graph = trace('values', () => ({ outputs: { result: build() } }))
  backend.compile(graph).run()
  const { dtype, shape } = graph.outputs.get('result')!
  return [...backend.buffer('values/result', dtype, shape)]
}

/** 0, 1, 2 … of the given shape. */
function counting(shape: Shape): Tensor {
  return reshape(ops.toFloat(ops.lastAxisIndex([sizeOf(shape)])), shape)
}

describe('reductions', () => {
  it.each<[string, Axes | undefined, number[]]>([
    ['all', undefined, [276]],
    ['the last', -1, [6, 22, 38, 54, 70, 86]],
    ['the first', 0, [12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34]],
    ['the outer two', [0, 1], [60, 66, 72, 78]],
    ['the inner two', [1, 2], [66, 210]],
    ['first and last', [0, 2], [60, 92, 124]],
    ['the middle', [1], [12, 15, 18, 21, 48, 51, 54, 57]],
    ['none', [], Array.from({ length: 24 }, (_, k) => k)],
  ])('sum over %s', (_, axes, expected) => {
    expect(valuesOf(() => sum(counting([2, 3, 4]), axes))).toEqual(expected)
    expect(valuesOf(() => sum(counting([2, 3, 4]), axes, { keepDims: true }))).toEqual(expected)
  })

  it('keep or drop the reduced axes', () => {
    expect(sum(counting([2, 3, 4]), [0, 2]).shape).toEqual([3])
    expect(sum(counting([2, 3, 4]), [0, 2], { keepDims: true }).shape).toEqual([1, 3, 1])
    expect(sum(counting([1, 1])).shape).toEqual([])
  })

  it('reduce the last axis alone, then the others at once', () => {
    const sums = topologicalOrder(trace('sum', () => ({ outputs: { total: sum(counting([2, 3, 4])) } }))).filter(
      (tensor) => tensor.op.name === 'sum',
    )
    expect(sums.map((tensor) => tensor.inputs[0]!.shape)).toEqual([[2, 3, 4], [6]])
  })

  it('mean and maximum', () => {
    expect(valuesOf(() => mean(counting([2, 3]), 1))).toEqual([1, 4])
    expect(valuesOf(() => maxOver(ops.neg(counting([2, 3])), [0, 1]))).toEqual([-0])
  })
})

describe('movement', () => {
  it('transposes, slices, joins and pads', () => {
    const x = counting([2, 3])
    expect(valuesOf(() => ops.transpose(x))).toEqual([0, 3, 1, 4, 2, 5])
    expect(valuesOf(() => ops.slice(x, -1, 1, 3))).toEqual([1, 2, 4, 5])
    expect(valuesOf(() => ops.concat([x, x], 1))).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5])
    expect(valuesOf(() => ops.pad(x, 0, 1, 0))).toEqual([0, 0, 0, 0, 1, 2, 3, 4, 5])
    expect(valuesOf(() => ops.broadcastTo(constant(7), [2, 2]))).toEqual([7, 7, 7, 7])
  })

  it('does nothing where nothing changes', () => {
    const x = counting([2, 3])
    expect(ops.reshape(x, [2, -1])).toBe(x)
    expect(ops.transpose(x, [0, 1])).toBe(x)
    expect(ops.slice(x, 0, 0, 2)).toBe(x)
    expect(ops.pad(x, 0, 0, 0)).toBe(x)
    expect(ops.broadcastTo(x, [2, 3])).toBe(x)
    expect(ops.concat([ops.slice(x, 1, 0, 1), ops.slice(x, 1, 1, 3)], 1)).toBe(x)
  })

  it('says a reshape by strides where they can', () => {
    const dense = contiguous([2, 3, 4])
    expect(reshapeLayout(dense, [6, 4])?.strides).toEqual([4, 1])
    // [4, 2, 3] seen through a transpose of the last axis to the front: only axes that stay together merge
    const turned = { offset: 5, shape: [4, 2, 3], strides: [1, 12, 4] }
    expect(reshapeLayout(turned, [4, 6])).toEqual({ offset: 5, shape: [4, 6], strides: [1, 4] })
    expect(reshapeLayout(turned, [2, 2, 1, 6])?.strides.filter((_, k) => k !== 2)).toEqual([2, 1, 4])
    expect(reshapeLayout(turned, [8, 3])).toBeUndefined()
    expect(reshapeLayout({ offset: 0, shape: [3, 4], strides: [0, 1] }, [1, 3, 2, 2, 1])?.shape).toEqual([
      1, 3, 2, 2, 1,
    ])
  })
})

describe('products', () => {
  it('takes a matrix on the right of any batch', () => {
    const product = ops.matmul(counting([2, 3, 4]), counting([4, 5]))
    expect(product.shape).toEqual([2, 3, 5])
    expect(product.op.name).toBe('reshape')
    expect(valuesOf(() => ops.matmul(counting([2, 1, 2]), counting([2, 2])))).toEqual([2, 3, 6, 11])
  })
})

describe('attention', () => {
  it('averages the values seen so far where all keys are alike', () => {
    const q = ops.zeros([1, 4, 2, 1])
    const v = counting([1, 4, 1, 1])
    const k = ops.zeros([1, 4, 1, 1])
    const run = (window?: number) =>
      valuesOf(() => ops.attention(q, k, v, { scale: 1, causal: true, ...(window ? { window } : {}) }))
    expect(run()).toEqual([0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5])
    expect(run(2)).toEqual([0, 0, 0.5, 0.5, 1.5, 1.5, 2.5, 2.5])
  })
})

function keyOf(step: number): Pick<attentions.AttentionDropout, 'key0' | 'key1'> {
  return { key0: toInt(constant(12)), key1: toInt(constant(step)) }
}

describe('dropout of attention', () => {
  const [batch, heads, time, rate] = [2, 2, 48, 0.2]

  /** All keys alike and values [time, time] that are the identity, so that the result is the probabilities themselves. */
  function probabilities(options: Omit<attentions.AttentionOptions, 'scale' | 'causal'>): number[] {
    return valuesOf(() => {
      const alike = ops.zeros([batch, time, heads, time])
      const row = ops.broadcastTo(ops.lastAxisIndex([time]), [time, time])
      const identity = ops.select(ops.equal(row, ops.transpose(row)), constant(1), constant(0))
      const v = ops.broadcastTo(reshape(identity, [1, time, 1, time]), [batch, time, heads, time])
      const dropped = ops.attention(alike, alike, v, { scale: 1, causal: true, ...options })
      return ops.transpose(dropped, [0, 2, 1, 3]) // [B, H, T, T]
    })
  }

  it('keeps what randomUniform over [B, H, T, T] puts at the rate or above, scaled by 1 / (1 - rate)', () => {
    const numbers = valuesOf(() => {
      const { key0, key1 } = keyOf(3)
      return ops.randomUniform(key0, key1, { shape: [batch, heads, time, time], stream: 7 })
    })
    const found = probabilities({ dropout: { rate, ...keyOf(3), stream: 7 } })
    let dropped = 0
    for (const [at, number] of numbers.entries()) {
      const [i, j] = [Math.floor(at / time) % time, at % time]
      const kept = j <= i && number >= rate
      if (j <= i && !kept) dropped++
      expect(found[at]).toBeCloseTo(kept ? 1 / (i + 1) / (1 - rate) : 0, 12)
    }
    const share = dropped / ((batch * heads * time * (time + 1)) / 2)
    expect(Math.abs(share - rate)).toBeLessThan(0.02) // about three standard deviations
  })
  it('draws the same mask under one key, and another in the next step and in another stream', () => {
    const first = probabilities({ dropout: { rate, ...keyOf(3), stream: 7 } })
    expect(probabilities({ dropout: { rate, ...keyOf(3), stream: 7 } })).toEqual(first)
    expect(probabilities({ dropout: { rate, ...keyOf(4), stream: 7 } })).not.toEqual(first)
    expect(probabilities({ dropout: { rate, ...keyOf(3), stream: 8 } })).not.toEqual(first)
  })
  it('is none at rate 0', () => {
    const q = ops.zeros([1, 4, 1, 2])
    const none = ops.attention(q, q, q, { scale: 1, causal: true, dropout: { rate: 0, ...keyOf(3), stream: 7 } })
    expect(none.inputs).toEqual([q, q, q])
    expect(none.attributes).toEqual({ scale: 1, causal: true })
  })
  it('refuses rates outside [0, 1), streams that are no whole numbers and keys that are no scalars', () => {
    const q = ops.zeros([1, 4, 1, 2])
    const attend = (dropout: Partial<attentions.AttentionDropout>) => () =>
      ops.attention(q, q, q, { scale: 1, causal: true, dropout: { rate, ...keyOf(3), stream: 7, ...dropout } })
    expect(attend({ rate: 1 })).toThrow('attention: the rate is 1; it must be at least 0 and below 1')
    expect(attend({ rate: Number.NaN })).toThrow('attention: the rate is NaN')
    expect(attend({ stream: 0.5 })).toThrow('a whole number as its stream, got i32[], i32[] and 0.5')
    expect(attend({ key1: ops.lastAxisIndex([2]) })).toThrow('expected two i32 scalars as key')
    expect(attend({ key0: constant(1) })).toThrow('attention takes (f32, f32, f32, i32, i32)')
  })
})

describe('dropout', () => {
  const key = [toInt(constant(12)), toInt(constant(3))] as const

  it('zeroes about its share and keeps the mean', () => {
    const values = valuesOf(() => ops.dropout(ops.broadcastTo(constant(3), [4096]), 0.25, ...key, 1))
    expect(new Set(values)).toEqual(new Set([0, 4]))
    expect(values.filter((v) => v === 0).length / 4096).toBeCloseTo(0.25, 1)
  })
  it('returns its input at rate 0, and refuses rate 1', () => {
    const x = counting([3])
    expect(ops.dropout(x, 0, ...key, 1)).toBe(x)
    expect(() => ops.dropout(x, 1, ...key, 1)).toThrow('the rate is 1; it must be at least 0 and below 1')
  })
  it('draws other numbers in another stream', () => {
    const [first, again, other] = [1, 1, 2].map((stream) =>
      valuesOf(() => ops.randomUniform(...key, { shape: [9], stream })),
    )
    expect(first).toEqual(again)
    expect(first).not.toEqual(other)
  })
})

describe('clipping', () => {
  it.each([
    [1, 1 / (5 + 1e-6)],
    [10, 1],
  ])('to norm %f follows PyTorch', (maxNorm, expected) => {
    const values = valuesOf(() => {
      const gradients = [constant(3), ops.broadcastTo(constant(2), [4])]
      const { coefficient, norm } = ops.clipByGlobalNorm(gradients, maxNorm)
      return ops.concat([reshape(coefficient, [1]), reshape(norm, [1])], 0)
    })
    expect(values).toEqual([expected, 5])
  })
})

describe('errors name the op, the shapes and the scope', () => {
  const x = counting([2, 3])
  it.each<[string, () => Tensor]>([
    ['add: shapes [2, 3] and [2] do not broadcast', () => ops.add(x, counting([2]))],
    ['matmul: f32[2, 3] x f32[2, 3] do not fit', () => ops.matmul(x, x)],
    ['reshape: f32[2, 3] has 6 elements, [4] has 4', () => reshape(x, [4])],
    ['every size must be a whole number from 1', () => reshape(x, [-1, 4])],
    ['transpose: [0, 0] does not name each axis of f32[2, 3] once', () => ops.transpose(x, [0, 0])],
    ['slice: [1, 4) is not a non-empty range of axis 1 of f32[2, 3]', () => ops.slice(x, 1, 1, 4)],
    ['sum: there is no axis 2 in shape [2, 3]', () => sum(x, 2)],
    ['concat: f32[2, 3], f32[6] must have one dtype', () => ops.concat([x, counting([6])], 0)],
    ['add takes (f32, f32), got (i32[2], f32[])', () => ops.add(ops.lastAxisIndex([2]), 1)],
    ['less takes 2 tensors of one dtype, got (i32[2], f32[])', () => ops.less(ops.lastAxisIndex([2]), 1)],
    ['crossEntropy: expected logits [N, V] and targets [N]', () => ops.crossEntropy(x, ops.lastAxisIndex([3]))],
    ['layerNorm: expected x [..., C] and up to 2 vectors [C]', () => ops.layerNorm(x, counting([2]))],
    ['a bias without a gain', () => ops.layerNorm(x, undefined, counting([3]))],
    ['gather: the table must be [rows, width]', () => ops.gather(counting([3]), ops.lastAxisIndex([3]))],
    ['with H a multiple of KV', () => ops.attention(x, x, x, { scale: 1, causal: true })],
    ['(in scope block.0)', () => scope('block', () => scope('0', () => ops.matmul(x, x)))],
  ])('%s', (message, build) => {
    expect(build).toThrow(ShapeError)
    expect(build).toThrow(message)
  })

  it('names an id outside the table, and a target outside the vocabulary', () => {
    const ids = toInt(ops.add(counting([3]), 5))
    expect(() => valuesOf(() => ops.gather(counting([7, 2]), ids))).toThrow(
      "gather: id 7 is outside the table's 7 rows (0 to 6)",
    )
    expect(() => valuesOf(() => scope('loss', () => ops.crossEntropy(counting([3, 7]), ids)))).toThrow(
      'crossEntropy: target 7 of row 2 is outside the vocabulary of 7 (in scope loss)',
    )
  })
})
