/** Every architecture against its plain twin, its gradients against differences, and its counts against those published. */
import { describe, expect, test } from 'vitest'
import { createInterpreterBackend, gradient, trace, type Backend } from '../engine/index.ts'
import { meanLoss } from '../nn/loss.ts'
import { evaluationPass } from '../nn/pass.ts'
import { traceParameters } from '../nn/traced.ts'
import { architectureNames, findModel, logitsOf } from './index.ts'
import { oracles } from './oracle.test.data.ts'
import { tinyConfigs, tinyWeights } from './tiny.test.data.ts'

const sequences = [
  [3, 1, 4, 1, 5, 9, 2],
  [10, 0, 7, 7, 8, 6, 3],
]
const targets = [1, 4, 1, 5, 9, 2, 6, 0, 7, -1, 8, 6, 3, 5]

function loss(backend: Backend): number {
  return backend.buffer('model/loss', 'f32', [])[0]!
}

describe.each(architectureNames)('%s', (name) => {
  const model = findModel(name)
  const config = tinyConfigs[name]
  const parameters = model.declareParameters(config)
  const weights = tinyWeights(parameters)
  const graph = trace('model', (context) => {
    const traced = traceParameters(context, parameters)
    const ids = context.input('ids', 'i32', [2, 7])
    const logits = logitsOf(model.hidden(traced, config, ids, evaluationPass()), model.outputLayer(traced, config))
    const mean = meanLoss(logits, context.input('targets', 'i32', [14]))
    const found = gradient(
      mean,
      parameters.map(({ name: parameter }) => traced.get(parameter)),
    )
    const gradients = Object.fromEntries(parameters.map(({ name: parameter }, k) => [`d ${parameter}`, found[k]!]))
    return { outputs: { logits, loss: mean, ...gradients } }
  })

  /** The backend after a run, weight w of parameter p being w + step · direction(p). */
  function run(step = 0, direction?: ReadonlyMap<string, ArrayLike<number>>): Backend {
    const backend = createInterpreterBackend({ precision: 'f64' })
    const executable = backend.compile(graph)
    for (const { name: parameter, shape } of parameters) {
      const values = weights.get(parameter)!.map((w, i) => w + step * (direction?.get(parameter)?.[i] ?? 0))
      backend.buffer(parameter, 'f32', shape).set(values)
    }
    backend.buffer('model/ids', 'i32', [2, 7]).set(sequences.flat())
    backend.buffer('model/targets', 'i32', [14]).set(targets)
    executable.run()
    return backend
  }

  test('its logits are the plain twin’s', () => {
    const found = run().buffer('model/logits', 'f32', [14, 11])
    const expected = sequences.flatMap((ids) => oracles[name]!(weights, config, ids)).flat()
    expect(found).toHaveLength(expected.length)
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 10)
  })

  test('its gradient foretells how the loss changes', () => {
    const backend = run()
    const gradients = new Map(
      parameters.map(({ name: parameter, shape }) => [parameter, backend.buffer(`model/d ${parameter}`, 'f32', shape)]),
    )
    for (const [parameter, values] of gradients)
      expect(
        values.some((g) => g !== 0),
        parameter,
      ).toBe(true)
    const squares = [...gradients.values()].reduce((sum, g) => sum + [...g].reduce((a, b) => a + b * b, 0), 0)
    const step = 1e-6
    const change = (loss(run(step, gradients)) - loss(run(-step, gradients))) / (2 * step)
    expect(change / squares).toBeCloseTo(1, 6)
  })
})
