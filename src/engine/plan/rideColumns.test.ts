/** Sums down columns that join a pass over rows, have one of their own, or neither: on every number of lanes. */
import { describe, expect, test } from 'vitest'
import { gradient } from '../autodiff/gradient.ts'
import { add, mul } from '../ops/elementwise.ts'
import { gelu } from '../ops/elementwiseMath.ts'
import { layerNorm } from '../ops/normalize.ts'
import { sum } from '../ops/reduce.ts'
import type { Tensor } from '../ops/row.ts'
import type { Backend } from '../runtime/backend.ts'
import { CompiledBackend } from '../runtime/compiled.ts'
import { createInterpreterBackend } from '../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../runtime/kernelInterpreter.ts'
import { trace, type Graph, type TraceContext } from '../trace/trace.ts'
import { planProgram } from './passes.ts'

interface Case {
  readonly name: string
  readonly shape: readonly [number, number]
  readonly outputs: (x: Tensor, row: Tensor, context: TraceContext) => Readonly<Record<string, Tensor>>
  /** Launches that sum by columns, and that add up parts: proof that the path was taken. */
  readonly byColumns: number
  readonly ofParts: number
}

/** The gradients of f(x, row), weighted by an input of x's shape. */
function gradients(f: (x: Tensor, row: Tensor) => Tensor): Case['outputs'] {
  return (x, row, context) => {
    const weights = context.state('weights', x.shape)
    const [dx, dRow] = gradient(sum(mul(f(x, row), weights)), [x, row])
    return { dx: dx!, dRow: dRow! }
  }
}

const cases: readonly Case[] = [
  {
    name: 'gain and bias of layer norm, with the rows',
    shape: [70, 19],
    outputs: gradients((x, row) => layerNorm(x, row, row)),
    byColumns: 0,
    ofParts: 1,
  },
  {
    name: 'a bias before GELU, over what is stored',
    shape: [101, 33],
    outputs: gradients((x, row) => gelu(add(x, row))),
    byColumns: 0,
    ofParts: 1,
  },
  {
    name: 'few rows, by columns',
    shape: [63, 19],
    outputs: gradients((x, row) => gelu(add(x, row))),
    byColumns: 1,
    ofParts: 0,
  },
  { name: 'a large matrix that nothing else reads', shape: [66, 4001], outputs: sumAlone, byColumns: 0, ofParts: 1 },
  { name: 'a small one', shape: [66, 41], outputs: sumAlone, byColumns: 1, ofParts: 0 },
  {
    name: 'a sum that the rows wait for',
    shape: [64, 17],
    outputs: (x, row) => ({ y: add(mul(x, row), sum(x, 0)) }),
    byColumns: 1,
    ofParts: 0,
  },
]

function sumAlone(x: Tensor): Record<string, Tensor> {
  return { y: sum(x, 0) }
}

function graphOf({ shape, outputs }: Case): Graph {
  return trace('columns', (t) => ({ outputs: outputs(t.state('x', shape), t.state('row', [shape[1]]), t) }))
}

function run(backend: Backend, { shape }: Case, graph: Graph): number[][] {
  const executable = backend.compile(graph)
  const fill = (name: string, of: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', of)
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(((i * step) % 97) / 97 - 0.4)
  }
  fill('x', shape, 31)
  fill('row', [shape[1]], 53)
  if (graph.outputs.has('dx')) fill('weights', shape, 17)
  executable.run()
  return [...graph.outputs].map(([name, output]) => Array.from(backend.buffer(`columns/${name}`, 'f32', output.shape)))
}

const targets = [
  { lanes: 16, vectorRegisters: 32 },
  { lanes: 8, vectorRegisters: 16 },
  { lanes: 4, vectorRegisters: 11 },
]

describe.each(targets)('sums of columns on $lanes lanes', (target) => {
  test.each(cases)('$name', (tested) => {
    const graph = graphOf(tested)
    const { kernels, launches } = planProgram(graph, target)
    const count = (name: string): number => launches.filter(({ kernel }) => kernels[kernel]!.name === name).length
    expect([count('column add'), count('sum of parts')]).toEqual([tested.byColumns, tested.ofParts])
    const expected = run(createInterpreterBackend({ precision: 'f64' }), tested, graph)
    const results = [1, 3].map((threads) => {
      return run(new CompiledBackend(createInterpretedMachine({ ...target, threads })), tested, graph)
    })
    expect(results[1]).toEqual(results[0])
    const largest = Math.max(...expected.flat().map(Math.abs))
    for (const [k, values] of expected.entries()) {
      values.forEach((value, i) => expect(Math.abs(results[0]![k]![i]! - value) / largest).toBeLessThan(3e-6))
    }
  })
})
