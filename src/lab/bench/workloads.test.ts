/** The flops that shares of peak are computed from, against the convention 6·N + 12·L·T·d per token. */
import { describe, expect, test } from 'vitest'
import { graphFlops, topologicalOrder } from '../../engine/index.ts'
import { parameterCount } from '../../nn/parameter.ts'
import { flopsPerToken } from '../../planning/index.ts'
import { traceTrain } from '../../train/step.ts'
import { stepOf, workloads, type Workload } from './workloads.ts'

describe.each(Object.entries<Workload>(workloads))('%s', (_, workload) => {
  const setup = stepOf(workload)
  const graph = traceTrain(setup)
  const tokens = workload.batch * workload.time
  const { layers, width, vocab, context } = workload.config
  const counts = setup.parameters.map(({ shape }) => parameterCount(shape))
  const all = counts.reduce((sum, count) => sum + count, 0)
  const flopsOf = (name: RegExp): number => {
    const nodes = topologicalOrder(graph).filter(({ op }) => name.test(op.name))
    return nodes.reduce((sum, node) => sum + node.op.flops(node.inputs, node, node.attributes), 0) / tokens
  }

  test('matrix products are 6·N', () => {
    // N without lookup tables, gains and biases: what multiplies the activations.
    const tables = workload.architecture === 'llama' ? vocab * width : context * width
    const vectors = setup.parameters.filter(({ shape }) => shape.length < 2).map(({ shape }) => parameterCount(shape))
    const multiplied = all - tables - vectors.reduce((sum, count) => sum + count, 0)
    expect(flopsOf(/^matmul/)).toBe(6 * multiplied)
  })

  test('attention is the visible half of 12·L·T·d, and its scores once more', () => {
    const convention = 12 * layers * workload.time * width
    // Two products forward, four back and one to compute the scores again: 7 / 6; of T keys (T + 1) / 2 are visible.
    const visible = (workload.time + 1) / 2 / workload.time
    expect(flopsOf(/^attention/)).toBeCloseTo(convention * visible * (7 / 6), 0)
  })

  test('the whole is near the convention', () => {
    const ratio = graphFlops(graph) / tokens / flopsPerToken(setup)
    // Above it by the elementwise work and the optimizer, which a small batch does not share among many tokens.
    const optimizer = (15 * all) / tokens / flopsPerToken(setup)
    expect(ratio).toBeGreaterThan(0.85)
    expect(ratio).toBeLessThan(1.12 + optimizer)
  })
})

function millions(workload: Workload): number {
  return stepOf(workload).parameters.reduce((sum, { shape }) => sum + parameterCount(shape), 0) / 1e6
}

test('the models are as large as their names say', () => {
  expect(millions(workloads.gpt2)).toBeCloseTo(124.44, 2)
  expect(millions(workloads.llama60m)).toBeCloseTo(59.3, 1)
  expect(millions(workloads.nanogptCpu)).toBeCloseTo(0.8, 1)
})
