/**
 * Why gradients grow at the end of a run, and the decay that stops it (AdamC: Defazio 2025, arXiv 2506.02285).
 *
 * The weights of a layer whose output is normalised settle where decay balances the step, and there ‖g‖/‖w‖ is
 * √(2λ/η_t): as the learning rate η_t falls, it rises. The form `corrected` decays by η_t²/η_max·λ instead of η_t·λ, and
 * the ratio stays. Here the loss is noise seen through a normalised weight vector, so that nothing else moves.
 */
import { compileStep, createBackend, createOptimizer, parameterList } from 'halflife'
import type { CompileStepOptions } from 'halflife'
import { cos, div, log, mul, randomUniform, sqrt, square, sub, sum } from 'halflife/engine'

const [COUNT, STEPS, DECAY, PEAK, LAST] = [2000, 20_000, 0.05, 0.1, 0.005]
/** Cosine from 0.1 to 0.005. */
const rate = (t: number): number => LAST + 0.5 * (1 + Math.cos((Math.PI * t) / STEPS)) * (PEAK - LAST)

const model = parameterList()
// It starts at its equilibrium, where ‖w‖⁴ = η·N/(2λ).
const size = (PEAK / (2 * DECAY * COUNT)) ** 0.25
model.declare('w', [COUNT], 'matrix', { kind: 'normal', std: size })
const parameters = model.list()

/** noise·w/‖w‖: its gradient is the noise at right angles to w, over ‖w‖. */
const loss: CompileStepOptions['loss'] = (weights, input) => {
  const w = weights.get('w')
  const keys = [input('seed', [], 'i32'), input('step', [], 'i32')] as const
  const uniform = (stream: number) => randomUniform(...keys, { shape: [COUNT], stream })
  const radius = sqrt(mul(log(sub(1, uniform(0))), -2))
  const noise = mul(radius, cos(mul(uniform(1), 2 * Math.PI))) // Box and Muller
  return div(sum(mul(noise, w)), sqrt(sum(square(w))))
}

/** ‖g‖/‖w‖ at five moments over its value at the peak, √(2λ/η_max); ‖g‖ is √N/‖w‖ on average. */
function ratios(form: 'decoupled' | 'corrected'): number[] {
  const backend = createBackend({ threads: 1 })
  const optimizer = createOptimizer('sgd', parameters, { learningRate: PEAK, weightDecay: DECAY, form })
  const step = compileStep({ backend, parameters, optimizer, loss, seed: 1 })
  const found: number[] = []
  step.input('seed')[0] = 7
  for (let t = 1; t <= STEPS; t++) {
    step.input('step')[0] = t
    step.run({ learningRate: rate(t - 1) })
    if (t > 1 && t % (STEPS / 4) !== 0) continue
    const squared = Float64Array.from(step.values('w')).reduce((total, w) => total + w * w, 0)
    found.push(Math.sqrt(COUNT) / squared / Math.sqrt((2 * DECAY) / PEAK))
  }
  backend.dispose()
  return found
}

const show = (values: readonly number[]): string => values.map((value) => value.toFixed(3)).join('  ')
const moments = [0, 0.25, 0.5, 0.75, 1].map((share) => share * STEPS)
console.log('‖g‖/‖w‖ over its value at the peak, at 0, 25, 50, 75 and 100 % of the run')
console.log(`decoupled  ${show(ratios('decoupled'))}`)
console.log(`√(η_max/η) ${show(moments.map((t) => Math.sqrt(PEAK / rate(t))))}`)
console.log(`corrected  ${show(ratios('corrected'))}`)
