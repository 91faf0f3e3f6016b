/** Memory: temporaries that share the arena, and state that is written in place. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gradient } from '../autodiff/gradient.ts'
import { add, div, mul, sqrt, square, sub } from '../ops/elementwise.ts'
import { exp } from '../ops/elementwiseMath.ts'
import { gather } from '../ops/embedding.ts'
import { matmul } from '../ops/matmul.ts'
import { transpose } from '../ops/movement.ts'
import { maxOver, sum } from '../ops/reduce.ts'
import type { Tensor } from '../ops/row.ts'
import type { Backend } from '../runtime/backend.ts'
import { CompiledBackend } from '../runtime/compiled.ts'
import { createInterpreterBackend } from '../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../runtime/kernelInterpreter.ts'
import { trace, type Graph, type TraceContext, type TraceResult } from '../trace/trace.ts'
import { placeByOffset } from './allocate.ts'
import { planProgram } from './passes.ts'

test('values that live at the same time never overlap', () => {
  const lifetime = fc
    .tuple(fc.integer({ min: 1, max: 5000 }), fc.nat(30), fc.nat(10))
    .map(([bytes, first, length]) => ({ bytes, first, last: first + length }))
  fc.assert(
    fc.property(fc.array(lifetime, { maxLength: 40 }), (lifetimes) => {
      const { offsets, bytes } = placeByOffset(lifetimes)
      for (const [i, a] of lifetimes.entries()) {
        expect(offsets[i]! % 64).toBe(0)
        expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes)
        for (const [j, b] of lifetimes.entries()) {
          if (i === j || a.last < b.first || b.last < a.first) continue
          expect(offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!).toBe(true)
        }
      }
    }),
  )
})

test('short-lived values share memory', () => {
  const chain = Array.from({ length: 10 }, (_, k) => ({ bytes: 1024, first: k, last: k + 1 }))
  expect(placeByOffset(chain).bytes).toBe(2048)
})

/** Programs over states a, b [6, 6] that are easy to get wrong in place. */
const programs: Record<string, (t: TraceContext, a: Tensor, b: Tensor) => TraceResult> = {
  'a swap': (_, a, b) => ({ updates: { a: b, b: a } }),
  'a read after the write': (_, a, b) => ({ updates: { a: add(a, b) }, outputs: { old: matmul(a, b) } }),
  'a transposed read in the same step': (_, a) => ({ updates: { a: add(a, transpose(a)) } }),
  'a row reduction in place': (_, a) => ({
    updates: { a: div(a, sqrt(sum(square(a), [1], { keepDims: true }))) },
  }),
  'one value for two names': (_, a, b) => {
    const c = mul(add(a, b), 2)
    return { updates: { a: c, b: c }, outputs: { c } }
  },
  'an input as an output': (_, a) => ({ outputs: { a, same: a } }),
  'a broadcast read': (_, a) => ({ updates: { a: mul(a, sum(a)) } }),
  'a scattered gradient': (t, a, b) => {
    const ids = t.state('ids', [4], 'i32')
    const [da] = gradient(add(sum(square(gather(a, ids))), sum(square(matmul(b, a)))), [a])
    return { updates: { a: add(a, mul(da!, -0.1)) }, outputs: { da: da! } }
  },
}

function run(backend: Backend, graph: Graph): Map<string, number[]> {
  const executable = backend.compile(graph)
  for (const [name, step] of [
    ['a', 7],
    ['b', 11],
  ] as const) {
    backend.buffer(name, 'f32', [6, 6]).set(Array.from({ length: 36 }, (_, i) => ((i * step) % 13) / 4 - 1))
  }
  if ([...graph.outputs.keys()].includes('da')) backend.buffer('ids', 'i32', [4]).set([1, 3, 1, 0])
  executable.run()
  executable.run()
  const found = new Map<string, number[]>()
  for (const name of ['a', 'b']) found.set(name, [...backend.buffer(name, 'f32', [6, 6])])
  for (const [name, { shape }] of graph.outputs)
    found.set(`out ${name}`, [...backend.buffer(`p/${name}`, 'f32', shape)])
  return found
}

describe('state written in place', () => {
  test.each(Object.keys(programs))('%s', (name) => {
    const graph = trace('p', (t) => programs[name]!(t, t.state('a', [6, 6]), t.state('b', [6, 6])))
    const expected = run(createInterpreterBackend({ precision: 'f32' }), graph)
    const found = run(
      new CompiledBackend(createInterpretedMachine({ lanes: 4, vectorRegisters: 16, threads: 2 })),
      graph,
    )
    for (const [key, values] of expected) {
      for (const [i, value] of values.entries()) expect(found.get(key)![i], `${key}[${i}]`).toBeCloseTo(value, 4)
    }
  })
})

/** Over a [512, 3] and b [3, 512]: programs whose large temporaries are read for the last time where a result is made. */
const consuming: Record<string, (a: Tensor, b: Tensor) => TraceResult> = {
  'a chain of rows': (a, b) => {
    const p = matmul(a, b)
    const e = exp(sub(p, maxOver(p, 1, { keepDims: true })))
    return { outputs: { out: matmul(mul(e, sum(e, [1], { keepDims: true })), a) } }
  },
  'a value needed again': (a, b) => {
    const p = matmul(a, b)
    const q = mul(p, p)
    return { outputs: { out: matmul(q, a), later: matmul(add(mul(q, 2), p), a) } }
  },
  'a transposed read': (a, b) => {
    const p = matmul(a, b)
    return { outputs: { out: matmul(add(p, transpose(p)), a) } }
  },
  'two results of one step': (a, b) => {
    const p = matmul(a, b)
    return { outputs: { out: matmul(mul(p, 2), a), other: matmul(transpose(add(p, 1)), a) } }
  },
}

describe('a result in the place of what it consumes', () => {
  const size = 512
  const planned = (name: string): Graph =>
    trace('p', (t) => consuming[name]!(t.state('a', [size, 3]), t.state('b', [3, size])))

  test.each(Object.keys(consuming))('%s', (name) => {
    const graph = planned(name)
    const found = [
      createInterpreterBackend({ precision: 'f32' }),
      new CompiledBackend(createInterpretedMachine({ lanes: 16, vectorRegisters: 32, threads: 2 })),
    ].map((backend) => {
      const executable = backend.compile(graph)
      backend.buffer('a', 'f32', [size, 3]).forEach((_, i, all) => (all[i] = (((i * 7) % 13) - 6) / 20))
      backend.buffer('b', 'f32', [3, size]).forEach((_, i, all) => (all[i] = (((i * 11) % 17) - 8) / 20))
      executable.run()
      return [...graph.outputs].map(([output, { shape }]) => Array.from(backend.buffer(`p/${output}`, 'f32', shape)))
    })
    for (const [k, expected] of found[0]!.entries()) {
      const largest = Math.max(...expected.map(Math.abs))
      expect(expected.findIndex((value, i) => !(Math.abs(value - found[1]![k]![i]!) < 1e-5 * largest))).toBe(-1)
    }
  })

  test('saves its memory', () => {
    const { arenaBytes } = planProgram(planned('a chain of rows'), { lanes: 16, vectorRegisters: 32 })
    expect(arenaBytes).toBeLessThan(1.5 * size * size * 4) // the product and, in its place, what is made of it
  })
})
