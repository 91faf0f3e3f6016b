/** Every op whose products can be in bf16, planned for targets that have them, against the plain meaning of that. */
import { describe, expect, test } from 'vitest'
import { verifyKernel } from '../kernel/verify.ts'
import { matmul } from '../ops/matmul.ts'
import { transpose } from '../ops/movement.ts'
import { CompiledBackend } from '../runtime/compiled.ts'
import type { Backend } from '../runtime/backend.ts'
import { conformanceCases, runCase } from '../runtime/interpreter/conformance.ts'
import { createInterpreterBackend } from '../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../runtime/kernelInterpreter.ts'
import { expectMachineCode } from '../runtime/native/machineCode.test.data.ts'
import { usesBf16, withPrecision } from '../trace/precision.ts'
import { trace, type Graph } from '../trace/trace.ts'
import { PairMatmulPlan } from './forms/pairMatmul.ts'
import { planProgram } from './passes.ts'

const targets = [
  { lanes: 16, vectorRegisters: 32, bf16: 'instruction' },
  { lanes: 8, vectorRegisters: 16, bf16: 'expanded' },
  { lanes: 4, vectorRegisters: 16, bf16: 'instruction' },
] as const

const cases = conformanceCases()
  .flatMap(({ forward, backward, row, values, tolerance }) =>
    [forward, ...(backward ? [backward] : [])].map((graph) => {
      return { row, values, tolerance, graph: withPrecision(graph, 'bf16') }
    }),
  )
  .filter(({ graph }) => usesBf16(graph))

/** A bf16 number has 8 bits: results differ by that where an operand that was computed first rounds another way. */
const rounding = 2 ** -8

describe.each(targets)('bf16 on $lanes lanes, $bf16', (target) => {
  test.each(cases.map((each) => [each.graph.name, each] as const))('%s', (_, { row, graph, values, tolerance }) => {
    for (const kernel of planProgram(graph, target).kernels) verifyKernel(kernel)
    const run = (threads: number) =>
      runCase(new CompiledBackend(createInterpretedMachine({ ...target, threads })), graph, values)
    const found = run(1)
    expect(run(3)).toEqual(found)
    expectMachineCode(target, (native) => runCase(native, graph, values), found)
    const allowed = row.name === 'matmul' ? tolerance : rounding
    for (const [output, expected] of runCase(createInterpreterBackend({ precision: 'f64' }), graph, values)) {
      for (const [k, value] of expected.entries()) {
        const error = Math.abs(found.get(output)![k]! - value) / Math.max(1, Math.abs(value))
        expect(error, `${output}[${k}] is ${found.get(output)![k]}, expected ${value}`).toBeLessThanOrEqual(allowed)
      }
    }
  })
})

test('a target without bf16 refuses', () => {
  const target = { lanes: 8, vectorRegisters: 16 }
  expect(() => planProgram(cases[0]!.graph, target)).toThrow('which this target cannot multiply')
})

interface Product {
  readonly name: string
  readonly m: number
  readonly n: number
  readonly k: number
  readonly aTransposed?: boolean
  readonly bTransposed?: boolean
  readonly expected: Partial<PairMatmulPlan>
}

/** One for each way through the plan. */
const products: readonly Product[] = [
  { name: 'rows', m: 31, n: 37, k: 65, expected: { leftByRows: true, depthBlocks: 1 } },
  { name: 'k of one', m: 3, n: 5, k: 1, expected: { pairs: 1 } },
  { name: 'B transposed', m: 17, n: 50, k: 47, bTransposed: true, expected: { leftByRows: true } },
  { name: 'A transposed', m: 40, n: 33, k: 34, aTransposed: true, expected: { leftByRows: false } },
  { name: 'few rows', m: 3, n: 200, k: 18, expected: { splitsColumns: true } },
  { name: 'deep and odd', m: 5, n: 9, k: 2051, aTransposed: true, expected: { depthBlocks: 3 } },
  { name: 'deep', m: 15, n: 9, k: 2052, bTransposed: true, expected: { depthBlocks: 3 } },
]

function graphOf({ m, n, k, aTransposed, bTransposed }: Product): Graph {
  const graph = trace('product', (t) => {
    const a = t.state('a', aTransposed ? [k, m] : [m, k])
    const b = t.state('b', bTransposed ? [n, k] : [k, n])
    return { outputs: { c: matmul(aTransposed ? transpose(a) : a, bTransposed ? transpose(b) : b) } }
  })
  return withPrecision(graph, 'bf16')
}

function run(backend: Backend, { m, n, k, aTransposed, bTransposed }: Product, graph: Graph): number[] {
  const executable = backend.compile(graph)
  const fill = (name: string, shape: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', shape)
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(((i * step) % 97) / 97 - 0.5)
  }
  fill('a', aTransposed ? [k, m] : [m, k], 31)
  fill('b', bTransposed ? [n, k] : [k, n], 53)
  executable.run()
  return [...backend.buffer('product/c', 'f32', [m, n])]
}

describe.each(targets)('matmul in bf16 on $lanes lanes, $bf16', (target) => {
  test.each(products)('$name', (shape) => {
    const graph = graphOf(shape)
    const expected = run(createInterpreterBackend({ precision: 'f64' }), shape, graph)
    for (const threads of [1, 3]) {
      const found = run(new CompiledBackend(createInterpretedMachine({ ...target, threads })), shape, graph)
      for (let i = 0; i < expected.length; i++) {
        // The operands are the same; only the sums round, as in f32.
        expect(Math.abs(found[i]! - expected[i]!)).toBeLessThanOrEqual(3e-6 * Math.sqrt(shape.k))
      }
      expectMachineCode(target, (native) => run(native, shape, graph), found)
    }
  })
})

test.each(products)('$name is planned as its name says', ({ m, n, k, aTransposed, bTransposed, expected }) => {
  const a = aTransposed ? { aRow: 1, aStep: m } : { aRow: k, aStep: 1 }
  const b = bTransposed ? { bStep: 1, bColumn: k } : { bStep: n, bColumn: 1 }
  expect(new PairMatmulPlan({ batch: 1, m, n, k, aBatch: 0, bBatch: 0, ...a, ...b }, targets[0])).toMatchObject(
    expected,
  )
})
