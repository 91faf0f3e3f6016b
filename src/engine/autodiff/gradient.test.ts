import { describe, expect, it } from 'vitest'
import { ancestors, topologicalOrder } from '../ir/order.ts'
import { scope } from '../ir/scope.ts'
import * as arithmetic from '../ops/elementwise.ts'
import * as attentions from '../ops/attention.ts'
import * as cast from '../ops/cast.ts'
import * as compare from '../ops/compare.ts'
import * as embedding from '../ops/embedding.ts'
import * as leaf from '../ops/leaf.ts'
import * as losses from '../ops/loss.ts'
import * as math from '../ops/elementwiseMath.ts'
import * as matmuls from '../ops/matmul.ts'
import * as movement from '../ops/movement.ts'
import * as normalize from '../ops/normalize.ts'
import * as reduce from '../ops/reduce.ts'
import type { Tensor } from '../ops/row.ts'
import { createInterpreterBackend } from '../runtime/interpreter/interpreter.ts'
import { trace, type TraceContext } from '../trace/trace.ts'
import { gradient } from './gradient.ts'

const e = {
  ...arithmetic,
  ...attentions,
  ...cast,
  ...compare,
  ...embedding,
  ...leaf,
  ...losses,
  ...math,
  ...matmuls,
  ...movement,
  ...normalize,
  ...reduce,
}

/** The names of the ops, in order, that the gradient of a loss adds. */
function opsOfGradient(program: (t: TraceContext) => { loss: Tensor; wrt: Tensor[] }): string[] {
  const graph = trace('ops', (t) => {
    const { loss, wrt } = program(t)
    return { outputs: Object.fromEntries(gradient(loss, wrt).map((d, k) => [`d${k}`, d])) }
  })
  return topologicalOrder(graph)
    .filter((tensor) => tensor.scope.startsWith('gradient'))
    .map((tensor) => tensor.op.name)
}

/** A node and all below it as text, so that equal computations have equal text: what common subexpressions are found by. */
function structure(tensor: Tensor): string {
  return `${tensor.op.name}${JSON.stringify(tensor.attributes)}(${tensor.inputs.map(structure).join()})`
}

/** All computations that a tensor depends on. */
function computations(tensor: Tensor): Set<string> {
  return new Set(ancestors([tensor]).map(structure))
}

describe('gradient', () => {
  it('sums over the uses of a tensor and over its broadcast axes', () => {
    const backend = createInterpreterBackend({ precision: 'f64' })
    const graph = trace('g', (t) => {
      const w = t.state('w', [3])
      const x = t.state('x', [2, 3])
      const loss = e.sum(e.add(e.mul(x, w), e.square(w)))
      const [dw, dx] = gradient(loss, [w, x])
      return { outputs: { dw: dw!, dx: dx! } }
    })
    backend.buffer('w', 'f32', [3]).set([1, 2, 3])
    backend.buffer('x', 'f32', [2, 3]).set([1, 2, 3, 4, 5, 6])
    backend.compile(graph).run()
    // Σ_rows x + 2 rows · 2 w
    expect([...backend.buffer('g/dw', 'f32', [3])]).toEqual([5 + 4, 7 + 8, 9 + 12])
    expect([...backend.buffer('g/dx', 'f32', [2, 3])]).toEqual([1, 2, 3, 1, 2, 3])
  })

  it('takes integers for constants, whatever they were made from', () => {
    const backend = createInterpreterBackend({ precision: 'f64' })
    const graph = trace('g', (t) => {
      const x = t.state('x', [3])
      const [dx] = gradient(e.sum(e.mul(x, e.toFloat(e.toInt(x)))), [x])
      return { outputs: { dx: dx! } }
    })
    backend.buffer('x', 'f32', [3]).set([1.5, -2.5, 7])
    backend.compile(graph).run()
    expect([...backend.buffer('g/dx', 'f32', [3])]).toEqual([1, -2, 7])
  })

  it('differentiates by an intermediate tensor too', () => {
    const graph = trace('g', (t) => {
      const x = t.state('x', [])
      const y = e.square(x)
      const [dy, dx] = gradient(e.mul(y, 3), [y, x])
      return { outputs: { dy: dy!, dx: dx! } }
    })
    const backend = createInterpreterBackend({ precision: 'f64' })
    backend.buffer('x', 'f32', []).set([5])
    backend.compile(graph).run()
    expect([backend.buffer('g/dy', 'f32', [])[0], backend.buffer('g/dx', 'f32', [])[0]]).toEqual([3, 30])
  })

  it('puts nodes into the scope of what they differentiate', () => {
    const graph = trace('g', (t) => {
      const x = t.state('x', [4])
      const loss = e.sum(scope('block', () => e.exp(x)))
      return { outputs: { dx: scope('ignored', () => gradient(loss, [x]))[0]! } }
    })
    const scopes = new Set(topologicalOrder(graph).map((tensor) => tensor.scope))
    expect(scopes).toEqual(new Set(['', 'block', 'gradient', 'gradient.block']))
  })

  it('scatters the gradient of an embedding onto that of the tied head, with no zero-filled table', () => {
    const ops = opsOfGradient((t) => {
      const table = t.state('table', [7, 5])
      const x = e.gather(table, t.input('ids', 'i32', [3]))
      return { loss: e.sum(e.matmul(x, e.transpose(table))), wrt: [table] }
    })
    expect(ops.filter((name) => name === 'scatterAdd')).toHaveLength(1)
    expect(ops).not.toContain('add')
    expect(ops.at(-1)).toBe('scatterAdd')
  })

  it('joins the gradients of slices side by side, and keeps the packed gradient of attention as it is', () => {
    const ops = opsOfGradient((t) => {
      const packed = t.state('packed', [2, 4, 6, 5])
      const [q, k, v] = [e.slice(packed, 2, 0, 2), e.slice(packed, 2, 2, 4), e.slice(packed, 2, 4, 6)]
      return { loss: e.sum(e.attention(q, k, v, { scale: 1, causal: true })), wrt: [packed] }
    })
    expect(ops.at(-1)).toBe('attentionGradient')
    expect(ops).not.toContain('concat')
    expect(ops).not.toContain('pad')
  })

  it('fills gaps between slices with zeros, and adds slices that overlap', () => {
    const graph = trace('g', (t) => {
      const x = t.state('x', [8])
      const parts = [e.slice(x, 0, 1, 3), e.mul(e.slice(x, 0, 5, 7), 2), e.mul(e.slice(x, 0, 2, 6), 10)]
      const loss = parts.map((part) => e.sum(part)).reduce((a, b) => e.add(a, b))
      return { outputs: { dx: gradient(loss, [x])[0]! } }
    })
    const backend = createInterpreterBackend({ precision: 'f64' })
    backend.compile(graph).run()
    expect([...backend.buffer('g/dx', 'f32', [8])]).toEqual([0, 1, 11, 10, 10, 12, 2, 0])
  })

  it.each<[string, (x: Tensor) => Tensor, (x: Tensor) => Tensor[]]>([
    ['layer norm', (x) => e.layerNorm(x), (x) => [e.mean(x, -1, { keepDims: true })]],
    ['RMS norm', (x) => e.rmsNorm(x), (x) => [e.mean(e.square(x), -1, { keepDims: true })]],
    ['cross-entropy', (x) => e.crossEntropy(x, e.lastAxisIndex([4])), (x) => [e.maxOver(x, -1, { keepDims: true })]],
  ])('of %s reads the row statistics that its composition computes', (_, apply, statistics) => {
    trace('g', (t) => {
      const x = t.state('x', [4, 9])
      const y = apply(x)
      if (y.op.lowering.kind !== 'compose') throw new Error('not a composition')
      const forward = computations(y.op.lowering.compose(y.inputs, y.attributes))
      const backward = computations(gradient(e.sum(y), [x])[0]!)
      const perRow = [...forward].filter((text) => /^(sum|max|rsqrt)/.test(text))
      expect(perRow.length).toBeGreaterThan(1)
      for (const statistic of statistics(x)) expect(backward).toContain(structure(statistic))
      // all but what only the loss itself reads
      const shared = perRow.filter((text) => backward.has(text))
      expect(shared.length).toBeGreaterThanOrEqual(perRow.length - (apply(x).op.name === 'crossEntropy' ? 1 : 0))
      return {}
    })
  })

  it.each<[string, (x: Tensor) => Tensor, (x: Tensor) => Tensor[]]>([
    ['the loss is f32[3]; it must be f32[]', (x) => x, (x) => [x]],
    ['does not depend differentiably on state x', () => e.constant(1), (x) => [x]],
    [
      'depends on greater f32[3] in gate, which has no gradient: a comparison is constant almost everywhere',
      (x) => e.sum(scope('gate', () => e.greater(x, 0))),
      (x) => [x],
    ],
    ['does not depend differentiably on state x', (x) => e.sum(e.select(e.greater(x, 0), 1, 2)), (x) => [x]],
  ])('refuses: %s', (message, loss, wrt) => {
    trace('bad', (t) => {
      const x = t.state('x', [3])
      expect(() => gradient(loss(x), wrt(x))).toThrow(message)
      return {}
    })
  })
})
