/**
 * Where weights settle under AdamW when their gradients are noise: at a size and a speed of turning that follow from the
 * learning rate and λ alone (Kosson et al. 2024, arXiv 2305.17212), whatever size they start with.
 *
 *     RMS = √(η/2λ)             turn per step = √(2ηλ·(1 − β1)/(1 + β1))
 */
import { adamw, compileStep, createBackend, normal, parameterList } from 'halflife'
import type { CompileStepOptions } from 'halflife'
import { greaterEqual, mul, randomUniform, sub, sum } from 'halflife/engine'
import { equilibriumRms, equilibriumRmsExact } from 'halflife/optim'

const COUNT = 4096

/** Noise of ±1: v̂ is then exactly 1, and u is the plain average of gradients. */
const loss: CompileStepOptions['loss'] = (weights, input) => {
  const drawn = randomUniform(input('seed', [], 'i32'), input('step', [], 'i32'), { shape: [COUNT], stream: 0 })
  return sum(mul(sub(mul(greaterEqual(drawn, 0.5), 2), 1), weights.get('w')))
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let total = 0
  for (let k = 0; k < COUNT; k++) total += a[k]! * b[k]!
  return total
}

/** RMS and turn per step, averaged over four timescales after three of settling from ten times too large or small. */
function settle(rate: number, decay: number, start: number): { rms: number; turn: number } {
  const model = parameterList()
  model.declare('w', [COUNT], 'matrix', normal(start))
  const backend = createBackend({ threads: 1 })
  const optimizer = adamw(model.list(), { learningRate: rate, weightDecay: decay })
  const step = compileStep({ backend, parameters: model.list(), optimizer, loss })
  step.input('seed')[0] = 11
  const timescale = Math.round(1 / (rate * decay))
  let [squares, turns, samples] = [0, 0, 0]
  for (let t = 1; t <= 7 * timescale; t++) {
    step.input('step')[0] = t
    const before = t > 3 * timescale && t % 10 === 0 ? Float64Array.from(step.values('w')) : undefined
    step.run()
    if (!before) continue
    const after = step.values('w')
    squares += dot(after, after) / COUNT
    turns += Math.acos(dot(before, after) / Math.sqrt(dot(before, before) * dot(after, after)))
    samples++
  }
  backend.dispose()
  return { rms: Math.sqrt(squares / samples), turn: turns / samples }
}

console.log('lr     λ     start    RMS      √(lr/2λ)  with momentum   turn      foretold')
for (const [rate, decay, factor] of [
  [0.01, 0.1, 10],
  [0.01, 0.1, 0.1],
  [0.01, 0.5, 1],
  [0.01, 1, 1],
] as const) {
  const share = rate * decay
  const plain = equilibriumRms(rate, share)!
  const exact = equilibriumRmsExact(rate, share, 0.9)!
  const { rms, turn } = settle(rate, decay, plain * factor)
  const foretold = Math.sqrt((2 * share * 0.1) / 1.9)
  const cells = [rms.toFixed(5), plain.toFixed(5), `${exact.toFixed(5)}     `, turn.toFixed(6), foretold.toFixed(6)]
  console.log(`${rate}   ${String(decay).padEnd(3)}   ${String(factor).padEnd(4)} ×   ${cells.join('   ')}`)
}
