/**
 * Adam with L2 against AdamW, side by side: the same model, first weights, bytes, batches, learning rate and λ.
 *
 * AdamW takes lr·λ of every weight alike. Under L2, Adam divides λ·w by √v̂ along with the rest of the gradient. AdamW's
 * usual 0.1 then outweighs the gradients and collapses the model. With a thousandth of it, weights that the text speaks
 * of hardly decay, for their v̂ is large; but of rows that it never speaks of λ·w is all that v̂ has seen, so that every
 * step takes a full lr off them, whatever λ is: they are erased.
 */
import { compileStep, createBackend, createOptimizer, loadCorpus, normal, parameterList, zeros } from 'halflife'
import type { CompileStepOptions, Optimizer } from 'halflife'
import { add, crossEntropy, gather, matmul, mean, reshape, tanh } from 'halflife/engine'

const [BYTES, CONTEXT, BATCH, STEPS, RATE] = [256, 6, 64, 400, 0.005]

const model = parameterList()
model.declare('table', [BYTES, 16], 'embedding', normal(0.1))
model.declare('hidden.weight', [CONTEXT * 16, 64], 'matrix', normal(0.1))
model.declare('hidden.bias', [64], 'bias', zeros)
model.declare('out.weight', [64, BYTES], 'head', normal(0.05))
const parameters = model.list()
const decayed = parameters.filter(({ role }) => role !== 'bias')
const rest = parameters.filter(({ role }) => role === 'bias')

/** The next byte from the last six, mean of -ln p. */
const loss: CompileStepOptions['loss'] = (weights, input) => {
  const rows = gather(weights.get('table'), input('bytes', [BATCH, CONTEXT], 'i32')) // [B, C, 16]
  const flat = reshape(rows, [BATCH, CONTEXT * 16])
  const hidden = tanh(add(matmul(flat, weights.get('hidden.weight')), weights.get('hidden.bias'))) // [B, 64]
  return mean(crossEntropy(matmul(hidden, weights.get('out.weight')), input('next', [BATCH], 'i32')))
}

const { train: text } = await loadCorpus({ data: 'moby-dick', tokenizer: 'byte' })
/** The places in the text that step t reads; the same for every run. */
const places = (t: number): number[] =>
  Array.from({ length: BATCH }, (_, k) => ((t * BATCH + k) * 7919) % (text.length - CONTEXT))
const seen = new Set<number>()
for (let t = 0; t < STEPS; t++) for (const at of places(t)) for (let k = 0; k < CONTEXT; k++) seen.add(text[at + k]!)
const never = Array.from({ length: BYTES }, (_, byte) => byte).filter((byte) => !seen.has(byte))
const common = [...' etaoin'].map((character) => character.charCodeAt(0))

/** Root of the mean square over some rows of the table. */
function rms(table: ArrayLike<number>, rows: readonly number[]): number {
  const squares = rows.flatMap((row) => Array.from({ length: 16 }, (_, k) => table[row * 16 + k]! ** 2))
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length)
}

function run(optimizer: Optimizer): { loss: number; never: number; common: number } {
  const backend = createBackend({ threads: 1 }) // the bits do not depend on it
  const step = compileStep({ backend, parameters, optimizer, loss })
  const before = rms(step.values('table'), never)
  const losses: number[] = []
  for (let t = 0; t < STEPS; t++) {
    step.input('bytes').set(places(t).flatMap((at) => Array.from(text.subarray(at, at + CONTEXT))))
    step.input('next').set(places(t).map((at) => text[at + CONTEXT]!))
    losses.push(step.run().loss)
  }
  const table = step.values('table')
  const last = losses.slice(-100).reduce((sum, one) => sum + one, 0) / 100
  const result = { loss: last, never: rms(table, never) / before, common: rms(table, common) }
  backend.dispose()
  return result
}

const groups = (weightDecay: number) => [
  { params: decayed, weightDecay },
  { params: rest, weightDecay: 0 },
]
const options = { learningRate: RATE }
const runs: readonly (readonly [name: string, optimizer: Optimizer])[] = [
  ['no decay', createOptimizer('adamw', groups(0), options)],
  ['AdamW, λ 0.1', createOptimizer('adamw', groups(0.1), options)],
  ['Adam + L2, λ 0.1', createOptimizer('adam', groups(0.1), options)],
  ['Adam + L2, λ 0.0001', createOptimizer('adam', groups(1e-4), options)],
]
console.log(`${STEPS} steps of ${BATCH} predictions at learning rate ${RATE}; ${never.length} bytes are never seen`)
console.log('                      loss   rows never seen: left of them   common rows: RMS')
for (const [name, optimizer] of runs) {
  const { loss: last, never: left, common: size } = run(optimizer)
  console.log(`${name.padEnd(20)}  ${last.toFixed(2)}   ${left.toFixed(6).padEnd(29)}   ${size.toFixed(3)}`)
}
console.log(`AdamW's (1 - lr·λ)^${STEPS} is ${((1 - RATE * 0.1) ** STEPS).toFixed(6)}`)
