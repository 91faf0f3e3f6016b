/** The balancing loss of Mixtral, and what it adds to the routers' gradients, against transformers (balance.py). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { add, bufferName, createInterpreterBackend, gradient, mul, trace } from '../../src/engine/index.ts'
import { openHuggingFace } from '../../src/exchange/index.ts'
import { findModel, logitsOf } from '../../src/models/index.ts'
import { evaluationPass, meanLoss, parameterCount, traceParameters } from '../../src/nn/index.ts'
import { GOLDEN_FOLDER } from './parity.ts'
import { relativeDifference } from './relativeDifference.ts'

interface Expected {
  readonly coefficient: number
  readonly objective: number
  readonly balance: number
  readonly routers: readonly (readonly (readonly number[])[])[]
}

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))

test('the balancing loss of all layers together is transformers’', () => {
  const expected = read(join(GOLDEN_FOLDER, '..', 'balance.json')) as Expected
  const folder = join(GOLDEN_FOLDER, 'mixtral')
  const { batches } = read(join(folder, 'expected.json')) as { batches: readonly { ids: readonly number[][] }[] }
  const { ids } = batches[0]!
  const { model: settings, parameters, read: readInto, close } = openHuggingFace(folder)
  const model = findModel('mixtral')
  const config = { ...settings, balanceLoss: expected.coefficient }
  const routers = parameters.filter(({ role }) => role === 'router')
  const shape = [ids.length, ids[0]!.length]
  const graph = trace('balance', (context) => {
    const traced = traceParameters(context, parameters)
    const pass = evaluationPass()
    const x = model.hidden(traced, config, context.input('ids', 'i32', shape), pass)
    const targets = context.input('targets', 'i32', [ids.flat().length])
    const loss = meanLoss(logitsOf(x, model.outputLayer(traced, config)), targets)
    const { value: balance, weight } = pass.losses.get('balance')!
    const objective = add(loss, mul(balance, weight))
    const found = gradient(
      objective,
      routers.map(({ name }) => traced.get(name)),
    )
    return { outputs: { objective, balance, ...Object.fromEntries(found.map((each, k) => [`router${k}`, each])) } }
  })
  const backend = createInterpreterBackend({ precision: 'f64' })
  const executable = backend.compile(graph)
  for (const parameter of parameters) {
    const values = new Float32Array(parameterCount(parameter.shape))
    readInto(parameter, values)
    backend.buffer(parameter.name, 'f32', parameter.shape).set(values)
  }
  close()
  backend.buffer(bufferName('balance', 'ids'), 'i32', shape).set(ids.flat())
  const targets = ids.flatMap((row) => row.slice(1).concat(-1))
  backend.buffer(bufferName('balance', 'targets'), 'i32', [targets.length]).set(targets)
  executable.run()
  const output = (name: string, of: readonly number[] = []) => backend.buffer(bufferName('balance', name), 'f32', of)
  expect(output('balance')[0]).toBeCloseTo(expected.balance, 6)
  expect(output('objective')[0]).toBeCloseTo(expected.objective, 6)
  for (const [k, { shape: size }] of routers.entries()) {
    const [width, count] = size as readonly [number, number]
    const transposed = Float64Array.from({ length: width * count }, (_, i) => {
      return expected.routers[k]![i % count]![Math.floor(i / count)]!
    })
    expect(relativeDifference(output(`router${k}`, size), transposed)).toBeLessThan(1e-5)
  }
})
