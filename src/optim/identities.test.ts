/** What must be equal whatever the numbers: the algebra of decay, checked on the optimizers as they run. */
import { describe, expect, test } from 'vitest'
import { add, matmul, mul, rsqrt, square, sub, sum, tanh, type Tensor } from '../engine/index.ts'
import { adam } from './adam.ts'
import { adamw } from './adamw.ts'
import type { DecayFormName } from './decayForms.ts'
import type { Optimizer } from './optimizer.ts'
import { warmupCosine } from './schedule.ts'
import { sgd } from './sgd.ts'
import { chosenGradients, declare, stepper, type Loss } from './stepper.test.data.ts'

const SPECS = declare([
  ['a', [3, 2], 'matrix'],
  ['b', [2], 'bias'],
])

/** A small loss that is not linear in its weights. */
const curved: Loss = (parameters, input) => {
  const hidden = tanh(add(matmul(input('x', [4, 3]), parameters.get('a')), parameters.get('b')))
  return sum(square(sub(hidden, input('y', [4, 2]))))
}

const noise = (seed: number, count: number): number[] => {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 1073741824 - 1
  })
}

/** All weights after each step. */
function trajectory(optimizer: Optimizer, rates: readonly number[]): number[][] {
  const run = stepper(SPECS, optimizer, curved)
  run.fill('a', noise(1, 6))
  run.fill('b', noise(2, 2))
  run.input('x', [4, 3], noise(3, 12))
  run.input('y', [4, 2], noise(4, 8))
  return rates.map((rate, k) => {
    run.step(k + 1, rate)
    return [...run.read('a'), ...run.read('b')]
  })
}

/** Largest difference between two trajectories, over all steps and weights. */
function apart(left: readonly number[][], right: readonly number[][]): number {
  return Math.max(...left.flatMap((weights, t) => weights.map((value, k) => Math.abs(value - right[t]![k]!))))
}

const schedule = warmupCosine({ peak: 0.05, warmup: 4, steps: 40, floor: 0.005 })
const RATES = Array.from({ length: 40 }, (_, step) => schedule(step))
const FLAT = RATES.map(() => 0.05)

const withSgd = (form: DecayFormName, momentum: number): number[][] =>
  trajectory(sgd(SPECS, { learningRate: 0.05, weightDecay: 0.3, momentum, form }), RATES)
const withAdam = (form: DecayFormName): number[][] =>
  trajectory(adam(SPECS, { learningRate: 0.05, weightDecay: 0.3, form }), RATES)

describe('identities', () => {
  test('plain SGD: decay of λ is L2 of λ, in the gradient or in the loss, under any schedule', () => {
    const decoupled = withSgd('decoupled', 0)
    expect(apart(decoupled, withSgd('gradient-l2', 0))).toBeLessThan(1e-14)
    expect(apart(decoupled, withSgd('loss-l2', 0))).toBeLessThan(1e-14)
  })

  test('with momentum they are not', () => {
    expect(apart(withSgd('decoupled', 0.9), withSgd('gradient-l2', 0.9))).toBeGreaterThan(1e-3)
  })

  test('AdamW with λ = 0 is Adam, to the bit', () => {
    const options = { learningRate: 0.05, weightDecay: 0 }
    expect(trajectory(adamw(SPECS, options), RATES)).toEqual(trajectory(adam(SPECS, options), RATES))
  })

  test('independent λ′ = lr·λ is decoupled λ at a constant learning rate, and under a schedule', () => {
    const independent = adamw(SPECS, { learningRate: 0.05, weightDecay: 0.05 * 0.3, form: 'independent' })
    const decoupled = adamw(SPECS, { learningRate: 0.05, weightDecay: 0.3 })
    expect(apart(trajectory(independent, FLAT), trajectory(decoupled, FLAT))).toBeLessThan(1e-14)
    expect(apart(trajectory(independent, RATES), trajectory(decoupled, RATES))).toBeLessThan(1e-14)
  })

  test('corrected and decoupled are the same at a constant learning rate, fixed λ′ = lr·λ too', () => {
    const decoupled = trajectory(adamw(SPECS, { learningRate: 0.05, weightDecay: 0.3 }), FLAT)
    const corrected = adamw(SPECS, { learningRate: 0.05, weightDecay: 0.3, form: 'corrected' })
    const fixed = adamw(SPECS, { learningRate: 0.05, weightDecay: 0.05 * 0.3, form: 'fixed' })
    expect(apart(trajectory(corrected, FLAT), decoupled)).toBeLessThan(1e-14)
    expect(apart(trajectory(fixed, FLAT), decoupled)).toBeLessThan(1e-14)
  })

  test('L2 in the loss is L2 in the gradient, for Adam too', () => {
    expect(apart(withAdam('gradient-l2'), withAdam('loss-l2'))).toBeLessThan(1e-13)
    expect(apart(withAdam('gradient-l2'), withAdam('decoupled'))).toBeGreaterThan(1e-3)
  })
})

test('AdamW is an exponential moving average of its updates, exactly', () => {
  // w_T = w₀·∏(1 − η_t·λ) − Σ_t η_t·u_t·∏_{s>t}(1 − η_s·λ)   (Wang & Aitchison, arXiv 2405.13698)
  const lambda = 0.4
  const [w] = declare([['w', [5], 'matrix']])
  const start = noise(7, 5)
  const run = (weightDecay: number) => {
    const optimizer = adamw([w!], { learningRate: 0.05, weightDecay })
    const stepping = chosenGradients([w!], optimizer)
    stepping.fill('w', start)
    return RATES.map((rate, k) => {
      stepping.gradient('w', noise(100 + k, 5))
      stepping.step(k + 1, rate)
      return stepping.read('w')
    })
  }
  // The gradients do not depend on the weights, so that u_t can be read off the run without decay.
  const free = run(0)
  const unrolled = start.map((w0, i) => {
    let value = w0 * RATES.reduce((left, rate) => left * (1 - rate * lambda), 1)
    RATES.forEach((_, t) => {
      const update = (t === 0 ? start[i]! : free[t - 1]![i]!) - free[t]![i]! // η_t·u_t
      value -= update * RATES.slice(t + 1).reduce((left, rate) => left * (1 - rate * lambda), 1)
    })
    return value
  })
  const decayed = run(lambda).at(-1)!
  unrolled.forEach((value, i) => expect(decayed[i]).toBeCloseTo(value, 13))
})

/** Largest relative difference. */
const largestRatio = (left: readonly number[], right: readonly number[]): number =>
  Math.max(...left.map((loss, t) => Math.abs(loss / right[t]! - 1)))

const normalised = (weight: Tensor): Tensor => mul(weight, rsqrt(sum(square(weight))))

const network: Loss = (parameters, input) => {
  const hidden = tanh(matmul(input('x', [5, 3]), normalised(parameters.get('u'))))
  const output = matmul(hidden, normalised(parameters.get('v')))
  return sum(square(sub(output, input('y', [5, 2]))))
}

describe('scale invariance: (lr, λ, σ, ε) → (c·lr, λ/c, c·σ, ε/c) gives the same functions', () => {
  // Both weights are divided by their norm before use, so that the output does not depend on their scale.
  const specs = declare([
    ['u', [3, 4], 'matrix'],
    ['v', [4, 2], 'matrix'],
  ])
  const losses = (c: number, power: number, betas: readonly [number, number] = [0.9, 0.95]): number[] => {
    const optimizer = adamw(specs, { learningRate: 0.1 * c, weightDecay: 0.5 / c ** power, eps: 1e-3 / c, betas })
    const run = stepper(specs, optimizer, network)
    run.fill(
      'u',
      noise(11, 12).map((value) => value * c),
    )
    run.fill(
      'v',
      noise(12, 8).map((value) => value * c),
    )
    run.input('x', [5, 3], noise(13, 15))
    run.input('y', [5, 2], noise(14, 10))
    return RATES.map((_, k) => run.step(k + 1, RATES[k]! * 2 * c))
  }
  test.each([2, 10, 0.125])('c = %f', (c) => {
    const reference = losses(1, 1)
    expect(reference.at(-1)!).toBeLessThan(reference[0]! * 0.9)
    expect(largestRatio(losses(c, 1), reference)).toBeLessThan(1e-9)
  })

  test('not where λ stays as it was', () => {
    expect(largestRatio(losses(10, 0), losses(1, 0))).toBeGreaterThan(1e-3)
  })
})
