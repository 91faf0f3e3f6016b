/**
 * Where weight decay leads: under pure noise the weights settle at a size and turn at a rate that follow from lr, λ and
 * the betas (Kosson et al. 2024, arXiv 2305.17212; epfml/REQ rotational_wrapper.py). Simulated on the compiled backend,
 * with noise from the seed inside the step.
 */
import { afterAll, describe, expect, test } from 'vitest'
import {
  bufferName,
  cos,
  createBackend,
  div,
  greaterEqual,
  log,
  mul,
  randomUniform,
  sqrt,
  square,
  sub,
  sum,
  trace,
  type Tensor,
} from '../engine/index.ts'
import { adamw } from './adamw.ts'
import { lion } from './lion.ts'
import type { Optimizer } from './optimizer.ts'
import { sgd } from './sgd.ts'
import { declare } from './stepper.test.data.ts'

const backend = createBackend({ threads: 1 })
afterAll(() => backend.dispose())

/** Mean 0 and variance 1: `signs` are ±1, so that Adam's second moment is exactly 1. */
type Noise = (keys: readonly [Tensor, Tensor], shape: readonly number[]) => Tensor

const signs: Noise = ([a, b], shape) => {
  return sub(mul(greaterEqual(randomUniform(a, b, { shape, stream: 0 }), 0.5), 2), 1)
}
/** Box and Muller. */
const gaussian: Noise = ([a, b], shape) => {
  const [u, angle] = [0, 1].map((stream) => randomUniform(a, b, { shape, stream })) as [Tensor, Tensor]
  return mul(sqrt(mul(log(sub(1, u)), -2)), cos(mul(angle, 2 * Math.PI)))
}

interface Simulation {
  readonly optimizer: (specs: ReturnType<typeof declare>) => Optimizer
  readonly noise: (parameter: Tensor, keys: readonly [Tensor, Tensor]) => Tensor
  readonly count: number
  /** RMS of the Gaussian start. */
  readonly start: number
}

/** A compiled noise run; `step` returns how far the weights turned, in radians. */
function simulate({ optimizer: make, noise, count, start }: Simulation) {
  const name = `w.${count}` // a backend's buffer keeps its shape
  const specs = declare([[name, [count], 'matrix']])
  const optimizer = make(specs)
  for (const state of optimizer.init(specs)) backend.buffer(state.name, 'f32', state.shape).fill(0)
  const executable = backend.compile(
    trace('noise', (context) => {
      const parameter = context.state(name, [count])
      const keys = [context.input('seed', 'i32', []), context.input('step', 'i32', [])] as const
      return { updates: optimizer.update(context, new Map([[name, { parameter, gradient: noise(parameter, keys) }]])) }
    }),
  )
  const weights = backend.buffer(name, 'f32', [count])
  const scale = 1 / Math.sqrt(average(weightsOfTwelve(count).map((value) => value * value)))
  weights.set(weightsOfTwelve(count).map((value) => value * scale * start))
  backend.buffer(bufferName('noise', 'seed'), 'i32', [])[0] = 1234
  return {
    weights,
    step: (t: number, learningRate?: number): void => {
      for (const [scalar, value] of Object.entries(optimizer.scalars(t, learningRate))) {
        backend.buffer(bufferName('noise', scalar), 'f32', [])[0] = value
      }
      backend.buffer(bufferName('noise', 'step'), 'i32', [])[0] = t
      executable.run()
    },
  }
}

const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const rms = (values: ArrayLike<number>): number => {
  let total = 0
  for (let k = 0; k < values.length; k++) total += values[k]! ** 2
  return Math.sqrt(total / values.length)
}

/** Nearly Gaussian, from a small generator. */
function weightsOfTwelve(count: number): number[] {
  let state = 99
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return Array.from({ length: count }, () => Array.from({ length: 12 }, next).reduce((a, b) => a + b, -6))
}

function angle(before: ArrayLike<number>, after: ArrayLike<number>): number {
  let [dot, a, b] = [0, 0, 0]
  for (let k = 0; k < before.length; k++) {
    dot += before[k]! * after[k]!
    a += before[k]! ** 2
    b += after[k]! ** 2
  }
  return Math.acos(Math.min(1, dot / Math.sqrt(a * b)))
}

/** Mean square size and mean turn per step, after a burn-in. */
function measure(simulation: Simulation, timescale: number): { rms: number; turn: number } {
  const { weights, step } = simulate(simulation)
  const burnIn = Math.round(1.5 * timescale)
  const [squares, turns]: [number[], number[]] = [[], []]
  for (let t = 1; t <= burnIn + 6 * timescale; t++) {
    const sampled = t > burnIn && t % 20 === 0
    const before = sampled ? Float64Array.from(weights) : undefined
    step(t)
    if (!before) continue
    squares.push(rms(weights) ** 2)
    turns.push(angle(before, weights))
  }
  return { rms: Math.sqrt(average(squares)), turn: average(turns) }
}

const adamwTurn = (lr: number, lambda: number, beta1: number): number =>
  Math.sqrt((2 * lr * lambda * (1 - beta1)) / (1 + beta1))

/** RMS² = η²·(1−β1)/(1+β1)·(1+a·β1)/((1−a·β1)·(1−a²)), a = 1 − η·λ: exact for noise of variance 1 and v = 1. */
function exactRms(lr: number, lambda: number, beta1: number): number {
  const a = 1 - lr * lambda
  return lr * Math.sqrt((((1 - beta1) / (1 + beta1)) * (1 + a * beta1)) / ((1 - a * beta1) * (1 - a * a)))
}

describe('AdamW with v = 1: the size within 0.5 % of the exact form, the turn within 1 % of √(2ηλ(1−β1)/(1+β1))', () => {
  // The exact form's values for three of the rows: 0.22261, 0.09783, 0.06774.
  test.each([
    [1e-2, 0.1, 0.9, 0.22261, 1 << 15],
    [1e-2, 0.5, 0.9, 0.09783, 1 << 15],
    [1e-2, 1, 0.9, 0.06774, 1 << 15],
    [1e-2, 0.1, 0.95, 0.22151, 1 << 15],
  ])('η %f, λ %f, β1 %f', (lr, lambda, beta1, published, count) => {
    const exact = exactRms(lr, lambda, beta1)
    expect(exact).toBeCloseTo(published, 5)
    const simulation: Simulation = {
      optimizer: (specs) => adamw(specs, { learningRate: lr, weightDecay: lambda, betas: [beta1, 0.999] }),
      noise: (w, keys) => signs(keys, w.shape),
      count,
      start: exact,
    }
    const measured = measure(simulation, 1 / (lr * lambda))
    expect(Math.abs(measured.rms / exact - 1)).toBeLessThan(5e-3)
    expect(Math.abs(measured.turn / adamwTurn(lr, lambda, beta1) - 1)).toBeLessThan(1e-2)
  })
})

const noise: Simulation['noise'] = (w, keys) => gaussian(keys, w.shape)

describe('other optimizers and forms, against an independent simulation of 20,000 weights', () => {
  const count = 1 << 13
  test('SGD with momentum and L2: it turns by √(2ηλ/(1+μ)) per step', () => {
    const [lr, lambda, momentum] = [1e-2, 0.1, 0.9] // a timescale of 100 steps
    const start = Math.sqrt(lr / (2 * lambda * (1 - momentum)))
    const optimizer: Simulation['optimizer'] = (specs) =>
      sgd(specs, { learningRate: lr, weightDecay: lambda, momentum, form: 'gradient-l2' })
    const { turn } = measure({ optimizer, noise, count, start }, (1 - momentum) / (lr * lambda))
    expect(Math.abs(turn / Math.sqrt((2 * lr * lambda) / (1 + momentum)) - 1)).toBeLessThan(1e-2)
    expect(Math.abs(turn / 0.032401 - 1)).toBeLessThan(1e-2)
  })

  test('Lion: 3 % above √(π/2)·√(2ηλ)·√((1−β1)² + β1²(1−β2)/(1+β2)), and its size', () => {
    const [lr, lambda, beta1, beta2] = [1e-3, 1, 0.9, 0.99]
    const optimizer: Simulation['optimizer'] = (specs) => lion(specs, { learningRate: lr, weightDecay: lambda })
    const measured = measure({ optimizer, noise, count, start: 0.14442 }, 1 / (lr * lambda))
    const blend = Math.sqrt((1 - beta1) ** 2 + (beta1 ** 2 * (1 - beta2)) / (1 + beta2))
    const predicted = Math.sqrt(Math.PI / 2) * Math.sqrt(2 * lr * lambda) * blend
    expect(predicted).toBeCloseTo(0.006649, 6)
    expect(Math.abs(measured.turn / 0.006855 - 1)).toBeLessThan(1e-2)
    expect(Math.abs(measured.rms / 0.14442 - 1)).toBeLessThan(1e-2)
  })

  test('cautious decay settles half as large again as AdamW and turns by a third less', () => {
    const [lr, lambda] = [1e-2, 0.1]
    const optimizer: Simulation['optimizer'] = (specs) =>
      adamw(specs, { learningRate: lr, weightDecay: lambda, betas: [0.9, 0.95], form: 'cautious' })
    const start = 1.488 * Math.sqrt(lr / (2 * lambda))
    const measured = measure({ optimizer, noise, count, start }, 2 / (lr * lambda))
    expect(Math.abs(measured.rms / start - 1)).toBeLessThan(2e-2)
    expect(Math.abs(measured.turn / 0.00711 - 1)).toBeLessThan(2e-2)
  })
})

/** Noise without its part along w, over ‖w‖: what a layer whose output is normalised sends back. */
const tangential: Simulation['noise'] = (w, keys) => {
  const raw = gaussian(keys, w.shape)
  const squared = sum(square(w))
  const along = mul(w, div(sum(mul(raw, w)), squared))
  return div(sub(raw, along), sqrt(squared))
}

describe('AdamC’s toy: SGD on scale-invariant noise, λ 0.05, rate by cosine from 0.1 to 0.005', () => {
  const [count, steps, lambda] = [2000, 20_000, 0.05]
  const rate = (t: number): number => 0.005 + 0.5 * (1 + Math.cos((Math.PI * (t - 1)) / steps)) * 0.095
  /** ‖g‖/‖w‖ over its settled value at the peak rate, √(2λ/η_max), at five moments; ‖g‖ = √count/‖w‖ on average. */
  const ratios = (form: 'decoupled' | 'corrected'): number[] => {
    const start = (0.1 / (2 * lambda * count)) ** 0.25 // so that ‖w‖⁴ = η·count/(2λ)
    const optimizer: Simulation['optimizer'] = (specs) => sgd(specs, { learningRate: 0.1, weightDecay: lambda, form })
    const { weights, step } = simulate({ optimizer, noise: tangential, count, start })
    const moments: number[] = []
    for (let t = 1; t <= steps; t++) {
      step(t, rate(t))
      if (t === 1 || t % (steps / 4) === 0) {
        moments.push(Math.sqrt(count) / (rms(weights) ** 2 * count) / Math.sqrt((2 * lambda) / 0.1))
      }
    }
    return moments
  }

  /** The same without chance: ‖w‖² ← (1 − share)²·‖w‖² + η²·count/‖w‖², since noise and w are at right angles. */
  const expected = (share: (t: number) => number): number[] => {
    let squared = Math.sqrt((0.1 / (2 * lambda)) * count)
    const moments: number[] = []
    for (let t = 1; t <= steps; t++) {
      squared = (1 - share(t)) ** 2 * squared + (rate(t) ** 2 * count) / squared
      if (t === 1 || t % (steps / 4) === 0) moments.push(Math.sqrt(count) / squared / Math.sqrt((2 * lambda) / 0.1))
    }
    return moments
  }

  test('with plain decay the gradients grow fourfold over the run', () => {
    const measured = ratios('decoupled')
    const exact = expected((t) => rate(t) * lambda)
    measured.forEach((value, k) => expect(Math.abs(value / exact[k]! - 1)).toBeLessThan(5e-3))
    // Single gradients of an independent simulation; each is off by 1.6 % (one standard deviation) by chance.
    const independent = [1.001, 1.079, 1.386, 2.307, 4.181]
    measured.forEach((value, k) => expect(Math.abs(value / independent[k]! - 1)).toBeLessThan(4e-2))
  })

  test('corrected, they stay where they are', () => {
    const measured = ratios('corrected')
    const exact = expected((t) => (rate(t) ** 2 / 0.1) * lambda)
    measured.forEach((value, k) => {
      expect(Math.abs(value / exact[k]! - 1)).toBeLessThan(5e-3)
      expect(Math.abs(value - 1)).toBeLessThan(1e-2)
    })
  })
})
