/** Products whose shapes take each path of the plan: packed or not, by rows or columns, cut along k, every remainder. */
import { describe, expect, test } from 'vitest'
import { transpose } from '../../ops/movement.ts'
import { matmul } from '../../ops/matmul.ts'
import { CompiledBackend } from '../../runtime/compiled.ts'
import { createInterpreterBackend } from '../../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../../runtime/kernelInterpreter.ts'
import { expectMachineCode } from '../../runtime/native/machineCode.test.data.ts'
import { trace, type Graph } from '../../trace/trace.ts'
import type { Backend } from '../../runtime/backend.ts'
import { MatmulPlan } from './matmul.ts'

interface Case {
  readonly name: string
  readonly m: number
  readonly n: number
  readonly k: number
  readonly aTransposed?: boolean
  readonly bTransposed?: boolean
  readonly expected: { packed?: boolean; packsA?: boolean; depthBlocks?: number; splitsColumns?: boolean }
}

const avx512 = { lanes: 16, vectorRegisters: 32 }
const targets = [avx512, { lanes: 8, vectorRegisters: 16 }, { lanes: 4, vectorRegisters: 11 }]

/** `expected` is what the plan for 16 lanes must have chosen: proof that the path was taken. */
const cases: readonly Case[] = [
  { name: 'small', m: 5, n: 7, k: 9, expected: { packed: false, depthBlocks: 1 } },
  { name: 'B packed', m: 50, n: 65, k: 20, expected: { packed: true } },
  { name: 'B packed, some panels at a time', m: 50, n: 305, k: 20, expected: { packed: true } },
  { name: 'B transposed', m: 3, n: 37, k: 33, bTransposed: true, expected: { packed: true } },
  { name: 'A transposed', m: 65, n: 130, k: 40, aTransposed: true, expected: { packsA: true } },
  { name: 'A packed by rows', m: 29, n: 200, k: 102, expected: { packsA: true } },
  { name: 'few rows', m: 3, n: 200, k: 17, expected: { splitsColumns: true } },
  { name: 'deep', m: 17, n: 33, k: 1539, expected: { depthBlocks: 4 } },
  { name: 'deep, A packed by rows', m: 15, n: 193, k: 1540, expected: { depthBlocks: 4, packsA: true } },
  {
    name: 'deep, A packed by steps',
    m: 17,
    n: 97,
    k: 1539,
    aTransposed: true,
    expected: { depthBlocks: 4, packsA: true },
  },
]

function graphOf({ m, n, k, aTransposed, bTransposed }: Case): Graph {
  return trace('product', (t) => {
    const a = t.state('a', aTransposed ? [k, m] : [m, k])
    const b = t.state('b', bTransposed ? [n, k] : [k, n])
    return { outputs: { c: matmul(aTransposed ? transpose(a) : a, bTransposed ? transpose(b) : b) } }
  })
}

function run(backend: Backend, { m, n, k, aTransposed, bTransposed }: Case, graph: Graph): number[] {
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

describe.each(targets)('matmul on $lanes lanes', (target) => {
  test.each(cases)('$name', (shape) => {
    const graph = graphOf(shape)
    const expected = run(createInterpreterBackend({ precision: 'f64' }), shape, graph)
    for (const threads of [1, 3]) {
      const found = run(new CompiledBackend(createInterpretedMachine({ ...target, threads })), shape, graph)
      for (let i = 0; i < expected.length; i++) {
        // Rounding grows with the root of the depth; the terms are below 1/4.
        expect(Math.abs(found[i]! - expected[i]!)).toBeLessThanOrEqual(3e-6 * Math.sqrt(shape.k))
      }
      expectMachineCode(target, (native) => run(native, shape, graph), found)
    }
  })
})

test.each(cases)('$name is planned as its name says', ({ m, n, k, aTransposed, bTransposed, expected }) => {
  const plan = new MatmulPlan(
    {
      batch: 1,
      m,
      n,
      k,
      aBatch: 0,
      aRow: aTransposed ? 1 : k,
      aStep: aTransposed ? m : 1,
      bBatch: 0,
      bStep: bTransposed ? 1 : n,
      bColumn: bTransposed ? k : 1,
    },
    avx512,
  )
  const { packed, packsA, depthBlocks, splitsColumns } = plan
  expect({ packed, packsA, depthBlocks, splitsColumns }).toMatchObject(expected)
})
