/** One row times a matrix: by columns, by rows in parts, small ones; every remainder; on every number of lanes. */
import { describe, expect, test } from 'vitest'
import { matmul } from '../../ops/matmul.ts'
import { transpose } from '../../ops/movement.ts'
import { CompiledBackend } from '../../runtime/compiled.ts'
import { createInterpreterBackend } from '../../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../../runtime/kernelInterpreter.ts'
import { expectMachineCode } from '../../runtime/native/machineCode.test.data.ts'
import { trace, type Graph } from '../../trace/trace.ts'
import type { Backend } from '../../runtime/backend.ts'
import { planProgram } from '../passes.ts'

interface Case {
  readonly k: number
  readonly n: number
  readonly transposed: boolean
  /** Names of the kernels: proof that the path was taken. */
  readonly kernels: readonly string[]
}

const [byColumns, byRows] = [['row matmul by columns'], ['row matmul by rows', 'sum of parts']]
const cases: readonly Case[] = [
  { k: 1, n: 3, transposed: true, kernels: byColumns },
  { k: 37, n: 2, transposed: true, kernels: byColumns },
  { k: 35, n: 1501, transposed: true, kernels: byColumns },
  { k: 300, n: 70, transposed: true, kernels: byColumns },
  { k: 33, n: 8003, transposed: false, kernels: byRows },
  { k: 339, n: 1031, transposed: false, kernels: byRows },
  { k: 9, n: 19, transposed: false, kernels: ['matmul'] },
]

function graphOf({ k, n, transposed }: Case): Graph {
  return trace('product', (t) => {
    const [x, w] = [t.state('x', [1, k]), t.state('w', transposed ? [n, k] : [k, n])]
    return { outputs: { y: matmul(x, transposed ? transpose(w) : w) } }
  })
}

function run(backend: Backend, { k, n, transposed }: Case, graph: Graph): number[] {
  const executable = backend.compile(graph)
  const fill = (name: string, shape: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', shape)
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(((i * step) % 97) / 97 - 0.5)
  }
  fill('x', [1, k], 31)
  fill('w', transposed ? [n, k] : [k, n], 53)
  executable.run()
  return Array.from(backend.buffer('product/y', 'f32', [1, n]))
}

const targets = [
  { lanes: 16, vectorRegisters: 32 },
  { lanes: 8, vectorRegisters: 16 },
  { lanes: 4, vectorRegisters: 11 },
]

describe.each(targets)('one row on $lanes lanes', (target) => {
  test.each(cases)('[1, $k] x [$k, $n], transposed: $transposed', (shape) => {
    const graph = graphOf(shape)
    const program = planProgram(graph, target)
    expect(program.kernels.map(({ name }) => name)).toEqual(shape.kernels)
    const expected = run(createInterpreterBackend({ precision: 'f64' }), shape, graph)
    const results = [1, 3].map((threads) => {
      return run(new CompiledBackend(createInterpretedMachine({ ...target, threads })), shape, graph)
    })
    // Rounding grows with the root of the depth; the terms are below 1/4.
    expected.forEach((value, i) => {
      expect(Math.abs(results[0]![i]! - value)).toBeLessThanOrEqual(3e-6 * Math.sqrt(shape.k))
    })
    expect(results[1]).toEqual(results[0])
    expectMachineCode(target, (native) => run(native, shape, graph), results[0])
  })
})
