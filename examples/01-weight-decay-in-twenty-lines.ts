/**
 * Weight decay on a model of your own: say who decays and how fast, read what that will do, then train exactly so.
 *
 * The model learns y = sin 3x from 64 points. Parameters are born with roles, the policy decides from them, and the
 * ledger's groups are the optimizer's. Nothing here knows of GPTs.
 */
import { adamw, compileStep, createBackend, explain, ledger, ledgerGroups, renderLedger } from 'halflife'
import { normal, parameterList, policies, zeros, type CompileStepOptions } from 'halflife'
import { add, matmul, mean, square, sub, tanh } from 'halflife/engine'

const model = parameterList()
model.declare('in.weight', [1, 32], 'matrix', normal(2))
model.declare('in.bias', [32], 'bias', zeros)
model.declare('out.weight', [32, 1], 'matrix', normal(0.5))
const parameters = model.list()
const run = { weightDecay: 0.2, learningRates: () => 0.01, steps: 1000, beta1: 0.9 }
const book = ledger(parameters, policies.nanogpt, run)
console.log(`${renderLedger(book)}\n${explain(parameters, policies.nanogpt, run).verdict}`)

const loss: CompileStepOptions['loss'] = (weights, input) => {
  const hidden = tanh(add(matmul(input('x', [64, 1]), weights.get('in.weight')), weights.get('in.bias')))
  return mean(square(sub(matmul(hidden, weights.get('out.weight')), input('y', [64, 1]))))
}
const backend = createBackend({ threads: 1 })
const optimizer = adamw(ledgerGroups(book, parameters), { learningRate: 0.01 })
const step = compileStep({ backend, parameters, loss, optimizer })
step.input('x').forEach((_, k, x) => (x[k] = k / 32 - 1))
step.input('y').forEach((_, k, y) => (y[k] = Math.sin(3 * (k / 32 - 1))))
const losses = Array.from({ length: run.steps }, () => step.run().loss)
console.log(`loss ${losses[0]?.toFixed(3)} before training, ${losses.at(-1)?.toFixed(4)} after`)
backend.dispose()
