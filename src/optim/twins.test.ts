/** Optimizers without PyTorch goldens against plain loops, written from the official code, over random runs. */
import { describe, expect, test } from 'vitest'
import { createBackend, trace, type Backend } from '../engine/index.ts'
import { amsgrad } from './amsgrad.ts'
import { sgd } from './sgd.ts'
import { adafactor, type AdafactorOptions } from './adafactor.ts'
import { lion } from './lion.ts'
import { muon, orthogonalise, type MuonOptions } from './muon.ts'
import type { Optimizer } from './optimizer.ts'
import { scheduleFree } from './scheduleFree.ts'
import { chosenGradients, declare } from './stepper.test.data.ts'

type Matrix = number[][]

/** A small generator, so that both sides see the same gradients: uniform in −1 to 1. */
function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
}

const matrix = (rows: number, columns: number, next: () => number): Matrix =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, next))
const flat = (m: Matrix): number[] => m.flat()
const map = (m: Matrix, f: (value: number, i: number, j: number) => number): Matrix =>
  m.map((row, i) => row.map((value, j) => f(value, i, j)))
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((total, value, k) => total + value * b[k]![j]!, 0)))
const transposed = (m: Matrix): Matrix => m[0]!.map((_, j) => m.map((row) => row[j]!))
const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const rms = (m: Matrix): number => Math.sqrt(average(flat(m).map((v) => v * v)))

const RATES = [0.05, 0.05, 0.04, 0.03, 0.02, 0.01]
const STEPS = RATES.length

interface Shape {
  readonly rows: number
  readonly columns: number
}

/** Runs the optimizer and a twin on the same gradients and compares the weights after every step. */
function compare(
  { rows, columns }: Shape,
  make: (specs: ReturnType<typeof declare>) => Optimizer,
  twin: (w: Matrix, g: Matrix, t: number, rate: number) => Matrix,
  backend?: Backend,
): void {
  const specs = declare([['w', [rows, columns], 'matrix']])
  const run = chosenGradients(specs, make(specs), backend ? { backend } : {})
  const next = uniform(rows * 100 + columns)
  let w = matrix(rows, columns, next)
  run.fill('w', flat(w))
  for (let t = 1; t <= STEPS; t++) {
    const g = matrix(rows, columns, next)
    run.gradient('w', flat(g))
    run.step(t, RATES[t - 1])
    w = twin(w, g, t, RATES[t - 1]!)
    const ours = run.read('w')
    const tolerance = backend ? 1e-5 : 1e-11
    flat(w).forEach((value, k) => expect(Math.abs(ours[k]! - value), `step ${t}`).toBeLessThan(tolerance))
  }
}

const SHAPES: readonly Shape[] = [
  { rows: 6, columns: 4 },
  { rows: 3, columns: 5 },
  { rows: 4, columns: 4 },
]

/** google-research/t5x adafactor.py, for one matrix. */
function adafactorTwin(options: {
  factored: boolean
  beta1: number
  decay: (rate: number) => number
  scaled?: boolean
}) {
  let [v, rowMeans, columnMeans, m]: [Matrix, number[], number[], Matrix] = [[], [], [], []]
  return (w: Matrix, g: Matrix, t: number, rate: number): Matrix => {
    const beta2 = 1 - t ** -0.8
    const squares = map(g, (value) => value * value + 1e-30)
    const mix = (old: number | undefined, fresh: number): number => beta2 * (old ?? 0) + (1 - beta2) * fresh
    let y: Matrix
    if (options.factored) {
      rowMeans = squares.map((row, i) => mix(rowMeans[i], average(row)))
      columnMeans = transposed(squares).map((column, j) => mix(columnMeans[j], average(column)))
      const mean = average(rowMeans)
      y = map(g, (value, i, j) => value / Math.sqrt((rowMeans[i]! / mean) * columnMeans[j]!))
    } else {
      v = map(squares, (value, i, j) => mix(v[i]?.[j], value))
      y = map(g, (value, i, j) => value / Math.sqrt(v[i]![j]!))
    }
    const clip = Math.max(1, rms(y))
    const size = options.scaled === false ? 1 : Math.max(rms(w), 1e-3)
    let delta = map(y, (value) => (rate * size * value) / clip)
    if (options.beta1 > 0) {
      m = map(delta, (value, i, j) => options.beta1 * (m[i]?.[j] ?? 0) + (1 - options.beta1) * value)
      delta = m
    }
    return map(w, (value, i, j) => (1 - options.decay(rate)) * value - delta[i]![j]!)
  }
}

/** The twin of orthogonalise, in float64. */
const newtonSchulz = (g: Matrix): Matrix => {
  const tall = g.length > g[0]!.length
  let x = tall ? transposed(g) : g
  const norm = Math.max(Math.sqrt(flat(x).reduce((total, value) => total + value * value, 0)), 1e-7)
  x = map(x, (value) => value / norm)
  for (let step = 0; step < 5; step++) {
    const gram = product(x, transposed(x))
    const squared = product(gram, gram)
    const polynomial = map(gram, (value, i, j) => -4.775 * value + 2.0315 * squared[i]![j]!)
    const rest = product(polynomial, x)
    x = map(x, (value, i, j) => 3.4445 * value + rest[i]![j]!)
  }
  return tall ? transposed(x) : x
}

const makeMuon = (options: MuonOptions) => (specs: ReturnType<typeof declare>) =>
  muon(specs, { learningRate: 0.05, weightDecay: 0.3, ...options })

const makeAdafactor = (options: AdafactorOptions) => (specs: ReturnType<typeof declare>) =>
  adafactor(specs, { minimumSizeToFactor: 2, learningRate: 0.05, ...options })

/** torch/optim/_muon.py, in float64. */
const muonTwin = ({ nesterov = true, scaling = 'original' }: MuonOptions, lambda: number) => {
  let buffer: Matrix = []
  return (w: Matrix, g: Matrix, _: number, rate: number): Matrix => {
    buffer = map(g, (value, i, j) => 0.95 * (buffer[i]?.[j] ?? 0) + 0.05 * value)
    const direction = nesterov ? map(g, (value, i, j) => 0.05 * value + 0.95 * buffer[i]![j]!) : buffer
    const o = newtonSchulz(direction)
    const [rows, columns] = [g.length, g[0]!.length]
    const adjusted =
      scaling === 'original' ? Math.sqrt(Math.max(1, rows / columns)) : 0.2 * Math.sqrt(Math.max(rows, columns))
    return map(w, (value, i, j) => value * (1 - rate * lambda) - rate * adjusted * o[i]![j]!)
  }
}

describe.each(SHAPES)('$rows × $columns', (shape) => {
  describe('Adafactor', () => {
    test('factored, with decay that is not multiplied by the rate', () => {
      const twin = adafactorTwin({ factored: true, beta1: 0, decay: () => 0.02 })
      compare(shape, makeAdafactor({ weightDecay: 0.02 }), twin)
    })

    test('unfactored with momentum and lr², as PaLM', () => {
      const twin = adafactorTwin({ factored: false, beta1: 0.9, decay: (rate) => rate ** 2 })
      compare(shape, makeAdafactor({ factored: false, beta1: 0.9, weightDecay: 1, form: 'lr-squared' }), twin)
    })

    test('without parameter scaling', () => {
      const twin = adafactorTwin({ factored: true, beta1: 0, decay: () => 0, scaled: false })
      compare(shape, makeAdafactor({ scaleByParameter: false }), twin)
    })

    test('in f32 on the compiled backend', () => {
      const backend = createBackend({ threads: 1 })
      const twin = adafactorTwin({ factored: true, beta1: 0.9, decay: () => 0.02 })
      compare(shape, makeAdafactor({ weightDecay: 0.02, beta1: 0.9 }), twin, backend)
      backend.dispose()
    })
  })

  describe('Muon', () => {
    test.each([{}, { nesterov: false }, { scaling: 'match-rms-adamw' }] as const)('%j', (options) => {
      compare(shape, makeMuon(options), muonTwin(options, 0.3))
    })

    test('in f32 on the compiled backend', () => {
      const backend = createBackend({ threads: 1 })
      compare(shape, makeMuon({}), muonTwin({}, 0.3), backend)
      backend.dispose()
    })
  })

  test('Lion', () => {
    let m: Matrix = []
    compare(
      shape,
      (specs) => lion(specs, { learningRate: 0.05, weightDecay: 0.3 }),
      (w, g, _, rate) => {
        const u = map(g, (value, i, j) => Math.sign(0.9 * (m[i]?.[j] ?? 0) + 0.1 * value))
        m = map(g, (value, i, j) => 0.99 * (m[i]?.[j] ?? 0) + 0.01 * value)
        return map(w, (value, i, j) => value * (1 - rate * 0.3) - rate * u[i]![j]!)
      },
    )
  })

  test.each([
    [0.5, false],
    [0, true],
    [0, false],
  ])('SGD with dampening %f, Nesterov %s: the first step is not dampened', (dampening, nesterov) => {
    let b: Matrix = []
    compare(
      shape,
      (specs) => sgd(specs, { learningRate: 0.05, weightDecay: 0.3, momentum: 0.9, dampening, nesterov }),
      (w, g, t, rate) => {
        const l2 = map(g, (value, i, j) => value + 0.3 * w[i]![j]!)
        b = t === 1 ? l2 : map(l2, (value, i, j) => 0.9 * b[i]![j]! + (1 - dampening) * value)
        return map(w, (value, i, j) => value - rate * (nesterov ? l2[i]![j]! + 0.9 * b[i]![j]! : b[i]![j]!))
      },
    )
  })

  test('AMSGrad, where gradients grow small: the second moment does not follow', () => {
    let [m, v, highest]: [Matrix, Matrix, Matrix] = [[], [], []]
    compare(
      shape,
      (specs) => amsgrad(specs, { learningRate: 0.05, weightDecay: 0.3, form: 'decoupled', betas: [0.5, 0.3] }),
      (w, g, t, rate) => {
        m = map(g, (value, i, j) => 0.5 * (m[i]?.[j] ?? 0) + 0.5 * value)
        v = map(g, (value, i, j) => 0.3 * (v[i]?.[j] ?? 0) + 0.7 * value * value)
        highest = map(v, (value, i, j) => Math.max(value, highest[i]?.[j] ?? 0))
        return map(w, (value, i, j) => {
          const root = Math.sqrt(highest[i]![j]! / (1 - 0.3 ** t)) + 1e-8
          return value * (1 - rate * 0.3) - (rate * m[i]![j]!) / (1 - 0.5 ** t) / root
        })
      },
    )
  })

  test('Schedule-Free: y, with a learning rate that changes and r = 1', () => {
    let [z, v, sum, largest]: [Matrix, Matrix, number, number] = [[], [], 0, 0]
    compare(
      shape,
      (specs) => scheduleFree(specs, { learningRate: 0.05, weightDecay: 0.3, polynomial: 1 }),
      (y, g, t, rate) => {
        if (t === 1) z = y
        largest = Math.max(largest, rate)
        sum += t * largest ** 2
        const c = (t * largest ** 2) / sum
        v = map(g, (value, i, j) => 0.999 * (v[i]?.[j] ?? 0) + 0.001 * value * value)
        const d = map(g, (value, i, j) => {
          return value / (Math.sqrt(v[i]![j]! / (1 - 0.999 ** t)) + 1e-8) + 0.3 * y[i]![j]!
        })
        const moved = map(y, (value, i, j) => {
          return value + c * (z[i]![j]! - value) + rate * (0.9 * (1 - c) - 1) * d[i]![j]!
        })
        z = map(z, (value, i, j) => value - rate * d[i]![j]!)
        return moved
      },
    )
  })
})

const orthogonalised = (shape: readonly number[], values: readonly number[]): number[] => {
  const backend = createBackend({ threads: 1 })
  const compiled = backend.compile(
    trace('orthogonalise', (context) => ({ outputs: { o: orthogonalise(context.input('m', 'f32', shape), 5) } })),
  )
  backend.buffer('orthogonalise/m', 'f32', shape).set(values)
  compiled.run()
  const result = [...backend.buffer('orthogonalise/o', 'f32', shape)]
  backend.dispose()
  return result
}

describe('Newton-Schulz', () => {
  test('brings singular values of very different sizes near 1, and keeps the singular vectors', () => {
    // A rotation of the first two rows of a diagonal matrix: U·diag(1, 0.5, 0.2, 0.1), 4 × 6
    const [c, d] = [0.6, 0.8]
    const sizes = [1, 0.5, 0.2, 0.1]
    const diagonal = matrix(4, 6, () => 0).map((row, i) => row.map((_, j) => (i === j ? sizes[i]! : 0)))
    const rotation = [
      [c, -d, 0, 0],
      [d, c, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ]
    const o = orthogonalised([4, 6], flat(product(rotation, diagonal)))
    const unrotated = product(
      transposed(rotation),
      map(diagonal, (_, i, j) => o[i * 6 + j]!),
    )
    for (const [i, row] of unrotated.entries()) {
      for (const [j, value] of row.entries()) {
        if (i !== j) expect(value).toBeCloseTo(0, 5)
        else expect(Math.abs(value - 0.95)).toBeLessThan(0.3) // Jordan: within 0.7 to 1.2
      }
    }
  })

  test('each matrix of a stack by itself, and zeros stay zeros', () => {
    const next = uniform(6)
    const [first, second] = [matrix(3, 5, next), matrix(3, 5, next)]
    const stacked = orthogonalised([3, 3, 5], [...flat(first), ...flat(second), ...Array<number>(15).fill(0)])
    const alone = [
      ...orthogonalised([3, 5], flat(first)),
      ...orthogonalised([3, 5], flat(second)),
      ...Array<number>(15).fill(0),
    ]
    stacked.forEach((value, k) => expect(value).toBeCloseTo(alone[k]!, 5))
  })
})
