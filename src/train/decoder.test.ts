import { describe, expect, test } from 'vitest'
import { bufferName, trace, type Backend } from '../engine/index.ts'
import { architectureNames, findModel, logitsOf, type ArchitectureName } from '../models/index.ts'
import { tinyConfigs, tinyWeights } from '../models/tiny.test.data.ts'
import { evaluationPass } from '../nn/pass.ts'
import { traceParameters } from '../nn/traced.ts'
import { compiledBackends, float64, type TestedBackend } from './backends.test.data.ts'
import { createDecoder } from './decoder.ts'
import { integers } from './programs.ts'
import type { ModelSetup } from './step.ts'

const CONTEXT = 12

function setupOf(architecture: ArchitectureName): ModelSetup {
  const model = findModel(architecture)
  const config = { ...tinyConfigs[architecture], context: CONTEXT }
  return { model, config, parameters: model.declareParameters(config) }
}

function scatter(backend: Backend, { parameters }: ModelSetup): void {
  const weights = tinyWeights(parameters)
  for (const { name, shape } of parameters) backend.buffer(name, 'f32', shape).set(weights.get(name)!)
}

/** Logits after the last of at most CONTEXT tokens by computing all of them, without a cache. */
function uncached(
  backend: Backend,
  { model, config, parameters }: ModelSetup,
): (tokens: readonly number[]) => number[] {
  const graph = trace('uncached', (context) => {
    const ids = context.input('ids', 'i32', [1, CONTEXT])
    const traced = traceParameters(context, parameters)
    const x = model.hidden(traced, config, ids, evaluationPass())
    return { outputs: { logits: logitsOf(x, model.outputLayer(traced, config)) } }
  })
  const program = backend.compile(graph)
  return (tokens) => {
    const ids = integers(backend, bufferName('uncached', 'ids'), [1, CONTEXT])
    ids.fill(0).set(tokens)
    program.run()
    const logits = backend.buffer(bufferName('uncached', 'logits'), 'f32', [CONTEXT, config.vocab])
    return Array.from(logits.slice((tokens.length - 1) * config.vocab, tokens.length * config.vocab))
  }
}

function likeliest(logits: ArrayLike<number>): number {
  return Array.from(logits).reduce((best, value, id, all) => (value > all[best]! ? id : best), 0)
}

const backends: readonly TestedBackend[] = [float64, ...compiledBackends]

describe.each(backends)('$label', ({ create, tolerance }) => {
  test.each(architectureNames)('%s: cached and uncached agree, token by token, beyond the context too', (name) => {
    const backend = create()
    const setup = setupOf(name)
    scatter(backend, setup)
    const reference = uncached(backend, setup)
    const decoder = createDecoder(backend, setup, { chunk: 5 })
    for (const prompt of [[3], [7, 1, 4, 1, 5, 9, 2, 6]]) {
      const tokens = [...prompt]
      while (tokens.length < CONTEXT + 4) {
        const window = tokens.slice(-CONTEXT)
        const [expected, found] = [reference(window), Array.from(decoder.logitsAfter(window))]
        const largest = Math.max(...expected.map(Math.abs))
        expected.forEach((value, id) => expect(Math.abs(found[id]! - value) / largest).toBeLessThan(tolerance))
        expect(likeliest(found)).toBe(likeliest(expected))
        tokens.push(likeliest(expected))
      }
    }
    backend.dispose()
  })
})

test('what two sequences have in common is kept, the rest forgotten', () => {
  const backend = float64.create()
  const setup = setupOf('llama')
  scatter(backend, setup)
  const decoder = createDecoder(backend, setup, { chunk: 3 })
  const first = Array.from(decoder.logitsAfter([1, 2, 3, 4, 5, 6]))
  decoder.logitsAfter([1, 2, 9])
  decoder.logitsAfter([8])
  expect(Array.from(decoder.logitsAfter([1, 2, 3, 4, 5, 6]))).toEqual(first)
  expect(Array.from(decoder.logitsAfter([1, 2, 3, 4, 5, 6]))).toEqual(first)
  expect(() => decoder.logitsAfter([])).toThrow('0 tokens were given; the model takes 1 to 12.')
  expect(() => decoder.logitsAfter(Array.from({ length: 13 }, () => 1))).toThrow('13 tokens')
  backend.dispose()
})
