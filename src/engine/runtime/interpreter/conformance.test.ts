import { describe, expect, it } from 'vitest'
import { verifyGraph } from '../../ir/verify.ts'
import { topologicalOrder } from '../../ir/order.ts'
import { createTensor } from '../../ops/create.ts'
import { allRows } from '../../ops/table.ts'
import { bufferName, trace, type Graph } from '../../trace/trace.ts'
import { conformanceCases, runCase, type ConformanceCase } from './conformance.ts'
import { createInterpreterBackend } from './interpreter.ts'

const cases = conformanceCases()
const f64 = () => createInterpreterBackend({ precision: 'f64' })
const f32 = () => createInterpreterBackend({ precision: 'f32' })

/** The largest |actual - expected| / max(1, |expected|). */
function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length)
  return Math.max(...Array.from(expected, (e, k) => Math.abs(actual[k]! - e) / Math.max(1, Math.abs(e))))
}

describe('every row', () => {
  it.each(allRows.map((row) => [row.name, row] as const))('%s has samples and states its gradient', (_, row) => {
    const named = row.lowering.kind === 'leaf' && row.name !== 'constant'
    expect(row.samples.length).toBeGreaterThanOrEqual(named ? 0 : 2)
    if (typeof row.gradient !== 'function') expect(row.gradient.none).toMatch(/\w+ \w+/)
  })

  it('has its own name', () => {
    expect(new Set(allRows.map((row) => row.name)).size).toBe(allRows.length)
  })
})

describe('every sample', () => {
  it.each(cases.map((c) => [c.name, c] as const))('%s traces to a well-formed graph, forward and backward', (_, c) => {
    verifyGraph(c.forward)
    if (c.backward) verifyGraph(c.backward)
  })

  it.each(cases.map((c) => [c.name, c] as const))('%s agrees between float32 and float64', (_, c) => {
    for (const graph of [c.forward, c.backward]) {
      if (!graph) continue
      const expected = runCase(f64(), graph, c.values)
      for (const [output, actual] of runCase(f32(), graph, c.values)) {
        expect(worst(actual, expected.get(output)!), output).toBeLessThan(c.tolerance)
      }
    }
  })
})

describe('gradients against central differences in float64', () => {
  const checked = cases.filter((c) => c.backward && c.sample.skipGradient === undefined)

  it.each(checked.map((c) => [c.name, c] as const))('%s', (_, c) => {
    const gradients = runCase(f64(), c.backward!, c.values)
    expect(gradients.size).toBeGreaterThan(0)
    for (const [output, actual] of gradients) {
      expect(worst(actual, differences(c, `${c.name}.in${output.slice(1)}`)), output).toBeLessThan(1e-7)
    }
  })
})

/** (loss(x + h) - loss(x - h)) / 2h for each element of an input. */
function differences(c: ConformanceCase, input: string): number[] {
  const backend = f64()
  runCase(backend, c.forward, c.values)
  const executable = backend.compile(c.forward)
  const loss = backend.buffer(bufferName(c.forward.name, 'loss'), 'f32', [])
  const node = topologicalOrder(c.forward).find((tensor) => tensor.attributes['name'] === input)!
  const buffer = backend.buffer(input, node.dtype, node.shape)
  return Array.from(buffer, (x, k) => {
    // the error is about h² f''' / 6 + 1e-16 |f| / h
    const h = 1e-5 * Math.max(1, Math.abs(x))
    const at = (value: number): number => {
      buffer[k] = value
      executable.run()
      return loss[0]!
    }
    const slope = (at(x + h) - at(x - h)) / (2 * h)
    buffer[k] = x
    return slope
  })
}

describe('compositions against their plain meaning in float64', () => {
  const composed = cases.filter((c) => c.row.lowering.kind === 'compose')

  it('has some', () => expect(composed.length).toBeGreaterThan(9))

  it.each(composed.map((c) => [c.name, c] as const))('%s', (_, c) => {
    const { lowering } = c.row
    if (lowering.kind !== 'compose') throw new Error('not a composition')
    const graph: Graph = trace(`${c.name}.composed`, (t) => {
      const inputs = c.sample.inputs.map(({ shape, dtype }, k) => t.state(`${c.name}.in${k}`, shape, dtype))
      return {
        outputs: {
          plain: createTensor(c.row, inputs, c.sample.attributes),
          composed: lowering.compose(inputs, c.sample.attributes ?? {}),
        },
      }
    })
    const { plain, composed: result } = Object.fromEntries(runCase(f64(), graph, c.values))
    expect(worst(result!, plain!)).toBeLessThan(1e-13)
  })
})
