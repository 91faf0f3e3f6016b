/** Products by group whose shapes take each path of the plan, under routings of every kind, by one compiled program. */
import { describe, expect, test } from 'vitest'
import { philox4x32 } from '../../../random/philox.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import { verifyKernel } from '../../kernel/verify.ts'
import { groupedMatmul, groupedOuter } from '../../ops/grouped.ts'
import { transpose } from '../../ops/movement.ts'
import type { Backend } from '../../runtime/backend.ts'
import { CompiledBackend } from '../../runtime/compiled.ts'
import { createInterpreterBackend } from '../../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../../runtime/kernelInterpreter.ts'
import { expectMachineCode } from '../../runtime/native/machineCode.test.data.ts'
import { trace, type Graph } from '../../trace/trace.ts'
import { planProgram } from '../passes.ts'

const avx512 = { lanes: 16, vectorRegisters: 32 }
const targets: readonly KernelTarget[] = [avx512, { lanes: 8, vectorRegisters: 16 }, { lanes: 4, vectorRegisters: 11 }]

interface Case {
  readonly name: string
  readonly rows: number
  readonly groups: number
  readonly k: number
  readonly n: number
  /** Whether w is held as [groups, n, k]. */
  readonly transposed?: boolean
  /** What the plan for 16 lanes must launch: proof that the path was taken. */
  readonly launches: readonly RegExp[]
}

const cases: readonly Case[] = [
  { name: 'few rows', rows: 4, groups: 3, k: 17, n: 70, launches: [/grouped matmul/, /grouped outer/] },
  {
    name: 'matrices packed',
    rows: 150,
    groups: 3,
    k: 9,
    n: 130,
    launches: [/pack 3 x \[9, 130\]/, /grouped matmul/, /grouped outer/],
  },
  {
    name: 'matrices transposed',
    rows: 40,
    groups: 4,
    k: 20,
    n: 37,
    transposed: true,
    launches: [/pack 4 x \[20, 37\]/, /grouped matmul/, /grouped outer/],
  },
  {
    name: 'rows packed in the gradient',
    rows: 70,
    groups: 2,
    k: 50,
    n: 97,
    launches: [/grouped matmul/, /pack \[70, 97\]/, /grouped outer/],
  },
  { name: 'deep', rows: 4099, groups: 2, k: 3, n: 5, launches: [/grouped matmul/, /grouped outer/] },
]

function graphOf({ rows, groups, k, n, transposed }: Case): Graph {
  return trace('product', (t) => {
    const w = t.state('w', transposed ? [groups, n, k] : [groups, k, n])
    const x = t.state('x', [rows, k])
    const offsets = t.input('offsets', 'i32', [groups + 1])
    const product = groupedMatmul(x, transposed ? transpose(w) : w, offsets)
    return { outputs: { product, outer: groupedOuter(x, t.state('y', [rows, n]), offsets) } }
  })
}

/** Empty groups in every place, one group with all rows, rows shared out evenly and at random. */
function routings({ rows, groups }: Case): readonly (readonly number[])[] {
  const even = Array.from({ length: groups + 1 }, (_, g) => Math.floor((g * rows) / groups))
  const drawn = Array.from({ length: groups - 1 }, (_, g) => philox4x32([g, 0, 0, 0], [rows, groups])[0] % (rows + 1))
  const allIn = (group: number): number[] => Array.from({ length: groups + 1 }, (_, g) => (g > group ? rows : 0))
  return [even, [0, ...drawn.toSorted((a, b) => a - b), rows], allIn(0), allIn(groups - 1)]
}

interface Products {
  readonly product: readonly number[]
  readonly outer: readonly number[]
}

/** Compiles once and runs every routing. */
function run(backend: Backend, shape: Case): Products[] {
  const { rows, groups, k, n, transposed } = shape
  const executable = backend.compile(graphOf(shape))
  const fill = (name: string, dimensions: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', dimensions)
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(((i * step) % 97) / 97 - 0.5)
  }
  fill('x', [rows, k], 31)
  fill('w', transposed ? [groups, n, k] : [groups, k, n], 53)
  fill('y', [rows, n], 41)
  return routings(shape).map((offsets) => {
    backend.buffer('product/offsets', 'i32', [groups + 1]).set(offsets)
    executable.run()
    return {
      product: [...backend.buffer('product/product', 'f32', [rows, n])],
      outer: [...backend.buffer('product/outer', 'f32', [groups, k, n])],
    }
  })
}

describe.each(targets)('products by group on $lanes lanes', (target) => {
  test.each(cases)('$name', (shape) => {
    const expected = run(createInterpreterBackend({ precision: 'f64' }), shape)
    const found = [1, 3].map((threads) => {
      const backend = new CompiledBackend(createInterpretedMachine({ ...target, threads }))
      return run(backend, shape)
    })
    expect(found[1], 'one thread and several must agree to the bit').toEqual(found[0])
    expectMachineCode(target, (native) => run(native, shape), found[0]!)
    for (const [routing, { product, outer }] of expected.entries()) {
      expectClose(found[0]![routing]!.product, product, shape.k)
      expectClose(found[0]![routing]!.outer, outer, shape.rows)
    }
  })
})

/** Rounding grows with the root of the depth; the terms are below 1/4. */
function expectClose(found: readonly number[], expected: readonly number[], depth: number): void {
  expect(found.length).toBe(expected.length)
  const worst = Math.max(...expected.map((value, i) => Math.abs(found[i]! - value)))
  expect(worst).toBeLessThanOrEqual(3e-6 * Math.sqrt(depth))
}

test.each(cases)('$name is planned as its name says, by well-formed kernels', (shape) => {
  const { launches, kernels } = planProgram(graphOf(shape), avx512, { stretchBytes: 0 })
  for (const kernel of kernels) verifyKernel(kernel)
  expect(launches.map(({ label }) => label)).toEqual(shape.launches.map((pattern) => expect.stringMatching(pattern)))
})

test('the work counted is that of the rows routed, not of every row through every matrix', () => {
  const { rows, k, n } = cases[0]!
  expect(planProgram(graphOf(cases[0]!), avx512).flops).toBe(2 * 2 * rows * k * n)
})
