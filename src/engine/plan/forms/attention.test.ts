/** Attention and its gradient at sizes that need several panels, remainders, shared key heads and windows. */
import { describe, expect, test } from 'vitest'
import { attention } from '../../ops/attention.ts'
import { reshape, slice } from '../../ops/movement.ts'
import { mul } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { gradient } from '../../autodiff/gradient.ts'
import type { Backend } from '../../runtime/backend.ts'
import { CompiledBackend } from '../../runtime/compiled.ts'
import { createInterpreterBackend } from '../../runtime/interpreter/interpreter.ts'
import { createInterpretedMachine } from '../../runtime/kernelInterpreter.ts'
import { trace, type Graph } from '../../trace/trace.ts'

const cases = [
  { name: 'one panel', batch: 1, time: 5, heads: 2, keyHeads: 2, headDim: 4 },
  { name: 'whole panels', batch: 2, time: 32, heads: 2, keyHeads: 2, headDim: 32 },
  { name: 'remainders everywhere', batch: 1, time: 47, heads: 3, keyHeads: 3, headDim: 19 },
  { name: 'shared key heads', batch: 2, time: 29, heads: 6, keyHeads: 2, headDim: 8 },
  { name: 'window', batch: 1, time: 40, heads: 2, keyHeads: 1, headDim: 16, window: 7 },
]
const targets = [
  { lanes: 16, vectorRegisters: 32 },
  { lanes: 8, vectorRegisters: 16 },
  { lanes: 4, vectorRegisters: 11 },
]
type Case = (typeof cases)[number]

/** q, k and v are slices of one packed tensor, as a model has them; the loss weighs every output differently. */
function graphOf({ batch, time, heads, keyHeads, headDim, window }: Case): Graph {
  return trace('attend', (t) => {
    const width = (heads + 2 * keyHeads) * headDim
    const packed = t.state('qkv', [batch, time, width])
    const split = reshape(packed, [batch, time, heads + 2 * keyHeads, headDim])
    const out = attention(
      slice(split, 2, 0, heads),
      slice(split, 2, heads, heads + keyHeads),
      slice(split, 2, heads + keyHeads, heads + 2 * keyHeads),
      { scale: 0.7, causal: true, ...(window === undefined ? {} : { window }) },
    )
    const loss = sum(mul(out, t.state('weights', out.shape)))
    return { outputs: { out, d: mul(gradient(loss, [packed])[0]!, 1.5) } }
  })
}

function run(backend: Backend, graph: Graph, { batch, time, heads, keyHeads, headDim }: Case): Map<string, number[]> {
  const executable = backend.compile(graph)
  const fill = (name: string, shape: readonly number[], step: number): void => {
    const values = backend.buffer(name, 'f32', shape)
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(((i * step) % 89) / 44 - 1)
  }
  fill('qkv', [batch, time, (heads + 2 * keyHeads) * headDim], 37)
  fill('weights', [batch, time, heads, headDim], 23)
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
    for (const [name, values] of expected) {
      const scale = Math.max(...values.map(Math.abs))
      for (const [i, value] of values.entries()) {
        expect(Math.abs(found.get(name)![i]! - value) / scale, `${name}[${i}]`).toBeLessThanOrEqual(3e-6)
      }
    }
  })
})

test('the gradient of a packed tensor is the packed gradient, without a copy', () => {
  const backend = new CompiledBackend(createInterpretedMachine(targets[0]!))
  const labels = backend.compile(graphOf(cases[1]!)).program.launches.map((launch) => launch.label)
  expect(labels.filter((label) => label.includes('attention'))).toHaveLength(2)
  expect(labels.filter((label) => /copy|pad|concat|fill/.test(label))).toEqual([])
})
