/** Attention and its gradient at sizes that need several panels, remainders, shared key heads, windows and dropout. */
import { describe, expect, test } from 'vitest'
import { attention } from '../../ops/attention.ts'
import { reshape, slice } from '../../ops/movement.ts'
import { mul } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { gradient } from '../../autodiff/gradient.ts'
import type { Tensor } from '../../ops/row.ts'
import type { Backend } from '../../runtime/backend.ts'
import { CompiledBackend } from '../../runtime/compiled.ts'
import { createInterpreterBackend } from '../../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../../runtime/kernelInterpreter.ts'
import { expectMachineCode } from '../../runtime/native/machineCode.test.data.ts'
import { withPrecision } from '../../trace/precision.ts'
import { trace, type Graph } from '../../trace/trace.ts'

const cases = [
  { name: 'one panel', batch: 1, time: 5, heads: 2, keyHeads: 2, headDim: 4 },
  { name: 'whole panels', batch: 2, time: 32, heads: 2, keyHeads: 2, headDim: 32 },
  { name: 'remainders everywhere', batch: 1, time: 47, heads: 3, keyHeads: 3, headDim: 19 },
  { name: 'shared key heads', batch: 2, time: 29, heads: 6, keyHeads: 2, headDim: 8 },
  { name: 'several panels', batch: 1, time: 110, heads: 2, keyHeads: 1, headDim: 9 },
  { name: 'several panels of one head', batch: 1, time: 160, heads: 1, keyHeads: 1, headDim: 5 },
  { name: 'several panels, window', batch: 1, time: 110, heads: 1, keyHeads: 1, headDim: 5, window: 23 },
  { name: 'several panels, wide window', batch: 1, time: 107, heads: 1, keyHeads: 1, headDim: 4, window: 60 },
  { name: 'a window of one', batch: 1, time: 21, heads: 1, keyHeads: 1, headDim: 4, window: 1 },
  { name: 'packed keys shared by heads of a unit', batch: 8, time: 9, heads: 4, keyHeads: 2, headDim: 4 },
  { name: 'a key head shared by several units of some heads', batch: 4, time: 9, heads: 8, keyHeads: 2, headDim: 5 },
  { name: 'window', batch: 1, time: 40, heads: 2, keyHeads: 1, headDim: 16, window: 7 },
  { name: 'soft cap', batch: 1, time: 47, heads: 4, keyHeads: 2, headDim: 19, softCap: 1.3 },
  {
    name: 'soft cap, window, dropout',
    batch: 1,
    time: 40,
    heads: 2,
    keyHeads: 1,
    headDim: 8,
    window: 7,
    softCap: 0.8,
    rate: 0.3,
  },
  { name: 'dropout, whole panels', batch: 2, time: 32, heads: 2, keyHeads: 2, headDim: 16, rate: 0.1 },
  { name: 'dropout, remainders', batch: 2, time: 29, heads: 4, keyHeads: 2, headDim: 7, rate: 0.5 },
  { name: 'dropout, window', batch: 1, time: 40, heads: 2, keyHeads: 1, headDim: 8, window: 7, rate: 0.3 },
]
const targets = [
  { lanes: 16, vectorRegisters: 32 },
  { lanes: 8, vectorRegisters: 16 },
  { lanes: 4, vectorRegisters: 11 },
]
type Case = (typeof cases)[number]
type Results = ReadonlyMap<string, readonly number[]>

/** q, k and v are slices of one packed tensor, as a model has them; the loss weighs every output differently. */
function graphOf({ batch, time, heads, keyHeads, headDim, window, softCap, rate }: Case): Graph {
  return trace('attend', (t) => {
    const dropout = rate && { rate, key0: t.input('seed', 'i32', []), key1: t.input('step', 'i32', []), stream: 5 }
    const width = (heads + 2 * keyHeads) * headDim
    const packed = t.state('qkv', [batch, time, width])
    const split = reshape(packed, [batch, time, heads + 2 * keyHeads, headDim])
    const out = attention(
      slice(split, 2, 0, heads),
      slice(split, 2, heads, heads + keyHeads),
      slice(split, 2, heads + keyHeads, heads + 2 * keyHeads),
      { scale: 0.7, causal: true, ...(window && { window }), ...(softCap && { softCap }), ...(dropout && { dropout }) },
    )
    const loss = sum(mul(out, t.state('weights', out.shape)))
    return { outputs: { out, d: mul(gradient(loss, [packed])[0]!, 1.5) } }
  })
}

function run(
  backend: Backend,
  graph: Graph,
  { batch, time, heads, keyHeads, headDim, rate }: Case,
  step = 3,
): Map<string, number[]> {
  const executable = backend.compile(graph)
  const fill = (name: string, shape: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', shape)
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(((i * step) % 89) / 44 - 1)
  }
  fill('qkv', [batch, time, (heads + 2 * keyHeads) * headDim], 37)
  fill('weights', [batch, time, heads, headDim], 23)
  if (rate) {
    backend.buffer('attend/seed', 'i32', [])[0] = -1337
    backend.buffer('attend/step', 'i32', [])[0] = step
  }
  executable.run()
  return new Map(
    [...graph.outputs].map(([name, { shape }]) => [name, [...backend.buffer(`attend/${name}`, 'f32', shape)]]),
  )
}

describe.each(targets)('attention on $lanes lanes', (target) => {
  test.each(cases)('$name', (shape) => {
    const graph = graphOf(shape)
    const expected = run(createInterpreterBackend({ precision: 'f64' }), graph, shape)
    const found = run(new CompiledBackend(createInterpretedMachine({ ...target, threads: 2 })), graph, shape)
    for (const [name, error] of worst(found, expected)) expect(error, name).toBeLessThanOrEqual(3e-6)
    expectMachineCode(target, (native) => run(native, graph, shape), found)
  })
})

const bf16Targets = [
  { lanes: 16, vectorRegisters: 32, bf16: 'instruction' },
  { lanes: 8, vectorRegisters: 16, bf16: 'expanded' },
] as const

/** Small ones; which paths a kernel takes does not depend on how its operands are packed. */
const bf16Cases = cases.filter(({ name }) =>
  /one panel|several panels|remainders everywhere|soft cap, window|dropout, rem/.test(name),
)

describe.each(bf16Targets)('attention in bf16 on $lanes lanes', (target) => {
  test.each(bf16Cases)('$name', (shape) => {
    const plain = graphOf(shape)
    const graph = withPrecision(plain, 'bf16')
    const expected = run(createInterpreterBackend({ precision: 'f64' }), graph, shape)
    const unrounded = run(createInterpreterBackend({ precision: 'f64' }), plain, shape)
    const found = run(new CompiledBackend(createInterpretedMachine({ ...target, threads: 2 })), graph, shape)
    const difference = new Map(rootMeanSquares(unrounded, expected))
    for (const [name, error] of rootMeanSquares(found, expected)) {
      // A power on the edge between two bf16 numbers may fall to either side; all others round the same way.
      expect(error, name).toBeLessThan(difference.get(name)! / 100)
    }
    expectMachineCode(target, (native) => run(native, graph, shape), found)
  })
})

/** By output: the root of the mean squared difference. */
function rootMeanSquares(found: Results, expected: Results): [string, number][] {
  return [...expected].map(([name, values]) => {
    const squares = values.reduce((total, value, i) => total + (value - found.get(name)![i]!) ** 2, 0)
    return [name, Math.sqrt(squares / values.length)]
  })
}

/** By output: the largest difference, relative to the largest value. */
function worst(found: Results, expected: Results): [string, number][] {
  return [...expected].map(([name, values]) => {
    const errors = values.map((value, i) => Math.abs(found.get(name)![i]! - value))
    return [name, Math.max(...errors) / Math.max(...values.map(Math.abs))]
  })
}

function compiled(threads: number): CompiledBackend {
  return new CompiledBackend(createInterpretedMachine({ ...targets[1]!, threads }))
}

describe('dropout', () => {
  const dropped = cases.find(({ rate }) => rate === 0.1)!
  const graph = graphOf(dropped)

  test('is the same to the bit under one key, and another in the next step', () => {
    const first = run(compiled(1), graph, dropped)
    expect(run(compiled(3), graph, dropped)).toEqual(first)
    for (const [name, error] of worst(run(compiled(1), graph, dropped, 4), first)) {
      expect(error, name).toBeGreaterThan(0.05)
    }
  })

  test('uses one kernel for all streams', () => {
    const layers = trace('layers', (t) => {
      const x = t.state('x', [1, 8, 1, 4])
      const [key0, key1] = [t.input('seed', 'i32', []), t.input('step', 'i32', [])]
      const layer = (y: Tensor, stream: number): Tensor =>
        attention(y, y, y, { scale: 1, causal: true, dropout: { rate: 0.1, key0, key1, stream } })
      return { outputs: { y: [1, 2, 3].reduce(layer, x) } }
    })
    const { launches, kernels } = compiled(1).compile(layers).program
    const attentions = launches.filter(({ kernel }) => kernels[kernel]!.name === 'attention')
    expect(attentions).toHaveLength(3)
    expect(new Set(attentions.map(({ kernel }) => kernel)).size).toBe(1)
  })
})

test.each([
  { batch: 1, heads: 8, keyHeads: 1, units: 8, parts: 8 },
  { batch: 4, heads: 8, keyHeads: 2, units: 16, parts: 2 },
  { batch: 8, heads: 4, keyHeads: 2, units: 16, parts: 1 },
  { batch: 2, heads: 3, keyHeads: 3, units: 6, parts: 1 },
])('the gradient with $keyHeads of $heads key heads at batch $batch has $units units', (shape) => {
  const { launches } = compiled(1).compile(graphOf({ name: 'units', time: 5, headDim: 4, ...shape })).program
  expect(launches.find(({ label }) => /attention gradient/.test(label))!.units).toBe(shape.units)
  const sums = launches.map(({ label }) => label).filter((label) => /sum of \d+ parts/.test(label))
  expect(sums).toEqual(shape.parts === 1 ? [] : [expect.stringContaining(`sum of ${shape.parts} parts`)])
})

test('the gradient of a packed tensor is the packed gradient, without a copy', () => {
  const backend = new CompiledBackend(createInterpretedMachine(targets[0]!))
  const labels = backend.compile(graphOf(cases[1]!)).program.launches.map((launch) => launch.label)
  expect(labels.filter((label) => label.includes('attention'))).toHaveLength(2)
  expect(labels.filter((label) => /copy|pad|concat|fill/.test(label))).toEqual([])
})
