/**
 * Rows routed to groups by what the program computes itself: choice, grouping, product by group, return; forward and
 * gradient, on every backend. One compiled program serves every routing, and reads no matrix that no row is routed to.
 */
import { availableParallelism } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import {
  createInterpreterBackend,
  gradient,
  groupBy,
  groupedMatmul,
  groupRows,
  mul,
  reshape,
  sum,
  topK,
  trace,
  ungroupRows,
  type Backend,
} from '../../src/engine/index.ts'
import { CompiledBackend } from '../../src/engine/runtime/compiled.ts'
import { createNativeMachine, cpuFeatures, nativeUnavailable } from '../../src/engine/runtime/native/machine.ts'
import { wasmUnavailable } from '../../src/engine/runtime/wasm/available.ts'
import { createWasmMachine } from '../../src/engine/runtime/wasm/machine.ts'

const [rows, groups, chosen, width, out] = [33, 8, 2, 20, 37]

/** Σ over its two groups of score · x w[group] for each row; the loss projects it, so that each gradient is a number. */
const graph = trace('route', (t) => {
  const x = t.state('x', [rows, width])
  const w = t.state('w', [groups, width, out])
  const scores = t.state('scores', [rows, groups])
  const { indices, values } = topK(scores, chosen)
  const grouping = groupBy(indices, groups)
  const products = ungroupRows(groupedMatmul(groupRows(x, grouping), w, grouping.offsets), grouping)
  const weighted = mul(reshape(products, [rows, chosen, out]), reshape(values, [rows, chosen, 1]))
  const result = sum(weighted, 1)
  const loss = sum(mul(result, t.state('projection', [rows, out])))
  const [dx, dw, dScores] = gradient(loss, [x, w, scores])
  return { outputs: { result, indices, loss, dx: dx!, dw: dw!, dScores: dScores! } }
})

const wave = (i: number, step: number): number => Math.fround(((i * step) % 101) / 101 - 0.5)

/** Scores by (row, group); ties and absent groups among them. */
const routings: Readonly<Record<string, (row: number, group: number) => number>> = {
  spread: (row, group) => wave(row * groups + group, 37),
  'all to groups 3 and 5': (row, group) => (group === 3 ? 2 : group === 5 ? 1 : wave(row + group, 17)),
  'all equal': () => 0.5,
  'equal in pairs': (row, group) => ((group >> 1) + row) % 4,
}

function fill(backend: Backend, score: (row: number, group: number) => number): void {
  const set = (name: string, shape: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', shape)
    for (let i = 0; i < values.length; i++) values[i] = wave(i, step)
  }
  set('x', [rows, width], 31)
  set('w', [groups, width, out], 53)
  set('projection', [rows, out], 41)
  const scores = backend.buffer('scores', 'f32', [rows, groups])
  for (let i = 0; i < scores.length; i++) scores[i] = score(Math.floor(i / groups), i % groups)
}

const outputs = { result: [rows, out], dx: [rows, width], dw: [groups, width, out], dScores: [rows, groups] } as const

function read(backend: Backend): Record<string, number[]> {
  const floats = Object.entries(outputs).map(([name, shape]) => [
    name,
    [...backend.buffer(`route/${name}`, 'f32', shape)],
  ])
  return { ...Object.fromEntries(floats), indices: [...backend.buffer('route/indices', 'i32', [rows, chosen])] }
}

/** The two best groups of each row, by sorting: of equals the first. */
function expectedIndices(score: (row: number, group: number) => number): number[] {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: groups }, (__, group) => group)
      .toSorted((a, b) => score(row, b) - score(row, a) || a - b)
      .slice(0, chosen),
  ).flat()
}

const targets = [
  {
    name: 'native AVX-512',
    unavailable: nativeUnavailable() ?? (cpuFeatures()?.avx512 ? undefined : 'this processor has no AVX-512'),
    machine: (threads: number) => createNativeMachine({ threads, poison: true }),
  },
  {
    name: 'native AVX2',
    unavailable: nativeUnavailable(),
    machine: (threads: number) => createNativeMachine({ threads, disable: ['avx512'], poison: true }),
  },
  {
    name: 'WebAssembly',
    unavailable: wasmUnavailable(),
    machine: (threads: number) => createWasmMachine({ threads, poison: true }),
  },
]

describe.each(targets)('$name', ({ unavailable, machine }) => {
  const skip = unavailable !== undefined
  const backends = skip ? [] : [1, Math.min(2, availableParallelism())].map((n) => new CompiledBackend(machine(n)))
  const programs = backends.map((backend) => backend.compile(graph))
  const exact = createInterpreterBackend({ precision: 'f64' })
  const exactly = exact.compile(graph)
  afterAll(() => backends.forEach((backend) => backend.dispose()))

  const runAll = (prepare: (backend: Backend) => void): Record<string, number[]>[] =>
    backends.map((backend, k) => {
      prepare(backend)
      programs[k]!.run()
      return read(backend)
    })

  test.skipIf(skip).each(Object.keys(routings))('routes and comes back: %s', (name) => {
    const score = routings[name]!
    const [one, many] = runAll((backend) => fill(backend, score))
    expect(many, 'one thread and several must agree to the bit').toEqual(one)
    expect(one!['indices']).toEqual(expectedIndices(score))
    fill(exact, score)
    exactly.run()
    for (const [output, values] of Object.entries(read(exact))) {
      const worst = Math.max(...values.map((value, i) => Math.abs(one![output]![i]! - value)))
      expect(worst, output).toBeLessThanOrEqual(1e-5)
    }
  })

  test.skipIf(skip)('a matrix that no row is routed to is not read, and its gradient is zero', () => {
    const score = routings['all to groups 3 and 5']!
    const [expected] = runAll((backend) => fill(backend, score))
    const [found] = runAll((backend) => {
      fill(backend, score)
      const w = backend.buffer('w', 'f32', [groups, width, out])
      for (let group = 0; group < groups; group++) {
        if (group !== 3 && group !== 5) w.fill(Number.NaN, group * width * out, (group + 1) * width * out)
      }
    })
    expect(found).toEqual(expected)
    expect(found!['result']!.every(Number.isFinite)).toBe(true)
    expect(found!['dw']!.slice(0, 3 * width * out).every((value) => value === 0)).toBe(true)
  })

  test.skipIf(skip)('scores that are NaN choose groups that exist', () => {
    for (const { indices } of runAll((backend) => fill(backend, () => Number.NaN))) {
      expect(indices!.every((index) => index >= 0 && index < groups)).toBe(true)
    }
  })
})
