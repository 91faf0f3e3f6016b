/** Activations computed again in the backward pass: the same bits in less memory. */
import { expect, test } from 'vitest'
import { gradient } from '../autodiff/gradient.ts'
import { add, mul } from '../ops/elementwise.ts'
import { gelu } from '../ops/elementwiseMath.ts'
import { matmul } from '../ops/matmul.ts'
import { layerNorm } from '../ops/normalize.ts'
import { sum } from '../ops/reduce.ts'
import type { Tensor } from '../ops/row.ts'
import { createInterpretedMachine } from '../runtime/kernelInterpreter.ts'
import { trace, type Graph } from '../trace/trace.ts'
import { planProgram } from './passes.ts'
import type { Program } from './program.ts'

const [rows, width, layers] = [96, 64, 6]

/** Residual layers: x + gelu(norm(x) W₁ + b) W₂. */
const graph = trace('p', (t) => {
  const [w1, w2, gain, bias] = [
    t.state('w1', [width, 2 * width]),
    t.state('w2', [2 * width, width]),
    t.state('gain', [width]),
    t.state('bias', [2 * width]),
  ]
  const layer = (x: Tensor): Tensor => add(x, matmul(gelu(add(matmul(layerNorm(x, gain), w1), bias)), w2))
  let x: Tensor = t.state('x', [rows, width])
  for (let k = 0; k < layers; k++) x = layer(x)
  const loss = mul(sum(mul(x, x)), 0.01)
  const [d1, d2, dGain, dBias] = gradient(loss, [w1, w2, gain, bias])
  return { outputs: { loss, d1: d1!, d2: d2!, dGain: dGain!, dBias: dBias! } }
})

function run(asked: Graph): { program: Program; found: Map<string, number[]> } {
  const machine = createInterpretedMachine({ lanes: 8, vectorRegisters: 16, threads: 2 })
  const program = planProgram(asked, machine.target)
  const loaded = machine.load(program)
  for (const { name, shape } of program.persistent) {
    if (name.includes('/')) continue
    machine.buffer(name, 'f32', shape).forEach((_, i, all) => (all[i] = Math.fround(((i * 37) % 83) / 410 - 0.1)))
  }
  loaded.run()
  return {
    program,
    found: new Map(program.persistent.map(({ name, dtype, shape }) => [name, [...machine.buffer(name, dtype, shape)]])),
  }
}

/** Bytes of temporaries where launches stay in the order of the graph, as large ones do. */
function arenaOf(asked: Graph): number {
  return planProgram(asked, { lanes: 8, vectorRegisters: 16 }, { stretchBytes: 0 }).arenaBytes
}

function products({ launches }: Program): number {
  return launches.filter(({ label }) => label.includes('matmul')).length
}

test('a graph that asks for it keeps fewer activations, and no bit changes', () => {
  const kept = run(graph)
  const recomputed = run({ ...graph, recomputes: true })
  expect(recomputed.found).toEqual(kept.found)
  // Every layer lets go of gelu's result and the normalised input, 3 widths; what the last ones need is in use at the peak.
  const layerBytes = rows * 3 * width * 4
  expect(arenaOf(graph) - arenaOf({ ...graph, recomputes: true })).toBeGreaterThanOrEqual((layers - 2) * layerBytes)
  expect(products(recomputed.program)).toBe(products(kept.program))
})
