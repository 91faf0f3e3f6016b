/** A loss over a large vocabulary, computed by chunks of rows: the same bits in less memory. */
import { describe, expect, test } from 'vitest'
import { gradient } from '../autodiff/gradient.ts'
import { add, div, mul, square } from '../ops/elementwise.ts'
import { tanh } from '../ops/elementwiseMath.ts'
import { gather } from '../ops/embedding.ts'
import { crossEntropy } from '../ops/loss.ts'
import { matmul } from '../ops/matmul.ts'
import { reshape, transpose } from '../ops/movement.ts'
import { sum } from '../ops/reduce.ts'
import { createInterpretedMachine } from '../runtime/kernelInterpreter.ts'
import { withPrecision } from '../trace/precision.ts'
import { trace, type Graph, type TraceContext, type TraceResult } from '../trace/trace.ts'
import { planProgram } from './passes.ts'
import type { Program } from './program.ts'

const [width, vocabulary] = [24, 40]
/** Chunks of 64 rows. */
const largestMatrix = 2 * 64 * vocabulary * 4

const losses: Record<string, (t: TraceContext, rows: number) => TraceResult> = {
  'tied weights and targets that do not count': (t, rows) => {
    const [table, ids, targets] = [
      t.state('w', [vocabulary, width]),
      t.state('ids', [rows], 'i32'),
      t.state('targets', [rows], 'i32'),
    ]
    const x = tanh(gather(table, ids))
    const loss = div(sum(crossEntropy(matmul(x, transpose(table)), targets, { ignoreIndex: 3 })), rows)
    return { outputs: { loss }, updates: { w: add(table, mul(gradient(loss, [table])[0]!, -0.1)) } }
  },
  'a bias, a cap on the logits and a penalty': (t, rows) => {
    const [w, bias, x] = [t.state('w', [width, vocabulary]), t.state('bias', [vocabulary]), t.state('x', [rows, width])]
    const targets = t.state('targets', [rows], 'i32')
    const logits = mul(tanh(div(add(matmul(x, w), bias), 3)), 3)
    const penalty = sum(square(reshape(sum(square(logits), -1, { keepDims: true }), [rows])))
    const loss = add(sum(crossEntropy(logits, targets)), mul(penalty, 0.01))
    const [dx, dw] = gradient(loss, [x, w])
    return { outputs: { loss, dx: dx!, dw: dw! } }
  },
  'no gradient': (t, rows) => {
    const [w, x] = [t.state('w', [width, vocabulary]), t.state('x', [rows, width])]
    return { outputs: { loss: sum(crossEntropy(matmul(x, w), t.state('targets', [rows], 'i32'))) } }
  },
}

/** Plans and runs twice; everything that the program leaves behind, by name. */
function run(graph: Graph, rows: number, largest: number): { program: Program; found: Map<string, number[]> } {
  const machine = createInterpretedMachine({ lanes: 8, vectorRegisters: 16, bf16: 'instruction', threads: 2 })
  const program = planProgram(graph, machine.target, { largestMatrix: largest })
  const loaded = machine.load(program)
  const floats: [string, number[]][] = [
    ['w', program.persistent.find(({ name }) => name === 'w')!.shape as number[]],
    ['x', [rows, width]],
    ['bias', [vocabulary]],
  ]
  for (const [name, shape] of floats) {
    if (!program.persistent.some((buffer) => buffer.name === name)) continue
    machine.buffer(name, 'f32', shape).forEach((_, i, all) => (all[i] = Math.fround(((i * 37) % 83) / 41 - 1)))
  }
  for (const name of ['ids', 'targets']) {
    if (!program.persistent.some((buffer) => buffer.name === name)) continue
    machine.buffer(name, 'i32', [rows]).forEach((_, i, all) => (all[i] = (i * 29 + name.length) % vocabulary))
  }
  loaded.run()
  loaded.run()
  const found = new Map<string, number[]>()
  for (const { name, dtype, shape } of program.persistent) found.set(name, [...machine.buffer(name, dtype, shape)])
  return { program, found }
}

/** Bytes of temporaries where launches stay in the order of the graph, as large ones do. */
function arenaOf(graph: Graph, largest: number): number {
  const target = { lanes: 8, vectorRegisters: 16 }
  return planProgram(graph, target, { largestMatrix: largest, stretchBytes: 0 }).arenaBytes
}

const productFlops = ({ launches }: Program): number =>
  launches.reduce((total, { label, flops }) => total + (label.includes('matmul') ? flops : 0), 0)

describe.each(Object.keys(losses))('%s', (name) => {
  test.each([256, 200])('over %i rows', (rows) => {
    const graph = trace('p', (t) => losses[name]!(t, rows))
    const whole = run(graph, rows, Infinity)
    const chunked = run(graph, rows, largestMatrix)
    expect(chunked.found).toEqual(whole.found)
    expect(arenaOf(graph, largestMatrix)).toBeLessThan(arenaOf(graph, Infinity))
    expect(productFlops(chunked.program)).toBe(productFlops(whole.program))
    const heads = chunked.program.launches.filter(({ label }) => label.includes(`x [${width}, ${vocabulary}]`))
    expect(heads.length).toBe(Math.ceil(rows / 64))
    const packs = chunked.program.launches.filter(({ label }) => label.includes(`pack [${width}, ${vocabulary}]`))
    expect(packs.length).toBeLessThanOrEqual(rows % 64 === 0 ? 1 : 2)
  })
})

test.each(Object.keys(losses))('%s, in bf16: the same but for the order of sums', (name) => {
  const graph = withPrecision(
    trace('p', (t) => losses[name]!(t, 200)),
    'bf16',
  )
  const [whole, chunked] = [run(graph, 200, Infinity), run(graph, 200, largestMatrix)]
  expect(chunked.program.launches.filter(({ label }) => label.includes('matmul bf16')).length).toBeGreaterThan(3)
  for (const [buffer, values] of whole.found) {
    const scale = Math.max(...values.map(Math.abs))
    const differences = values.map((value, i) => Math.abs(chunked.found.get(buffer)![i]! - value))
    expect(Math.max(...differences), buffer).toBeLessThanOrEqual(1e-5 * scale)
  }
})

test('logits that are wanted whole are computed whole', () => {
  const graph = trace('p', (t) => {
    const logits = matmul(t.state('x', [256, width]), t.state('w', [width, vocabulary]))
    return { outputs: { logits, loss: sum(crossEntropy(logits, t.state('targets', [256], 'i32'))) } }
  })
  const { program } = run(graph, 256, largestMatrix)
  expect(program.launches.filter(({ label }) => label.includes('matmul'))).toHaveLength(1)
})
