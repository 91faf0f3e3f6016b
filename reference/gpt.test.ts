import { describe, expect, it } from 'vitest'
import {
  adamwState,
  adamwStep,
  type Batch,
  forward,
  globalNorm,
  type GptConfig,
  IGNORED_TARGET,
  initialParameters,
  lossAndGradients,
  type Numbers,
  parameterShapes,
  type Tensors,
  train,
} from './gpt.ts'
import { relativeDifference } from '../test/golden/relativeDifference.ts'

const tiny: GptConfig = { layers: 2, heads: 2, width: 8, context: 6, vocab: 11, bias: true }

/** Four sequences of five tokens (one less than the context), a token repeated, one target ignored. */
const batch: Batch = {
  B: 2,
  T: 5,
  ids: [3, 1, 4, 1, 5, 9, 2, 6, 5, 3],
  targets: [1, 4, 1, 5, 9, 2, IGNORED_TARGET, 5, 3, 10],
}

/** Initial weights moved well away from 0.02, 1 and 0, so that no term of a gradient is lost in another's rounding. */
function scattered(config: GptConfig, seed: number): Map<string, Numbers> {
  const noise = initialParameters({ ...config, bias: false }, seed, 'float64').get('wte.weight')!
  const parameters = initialParameters(config, seed, 'float64')
  for (const [name, values] of parameters) {
    const factor = parameterShapes(config).get(name)!.length === 1 ? 1 : 12
    for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor + 10 * noise[(7 * i + 3) % noise.length]!
  }
  return parameters
}

function decayByDimension(config: GptConfig, decay: number): Map<string, number> {
  return new Map([...parameterShapes(config)].map(([name, shape]) => [name, shape.length >= 2 ? decay : 0]))
}

function parameterCount(config: GptConfig): number {
  let count = 0
  for (const shape of parameterShapes(config).values()) count += shape.reduce((a, b) => a * b, 1)
  return count
}

describe('parameterShapes', () => {
  it('counts GPT-2 small: 124,439,808 parameters in 148 tensors', () => {
    const gpt2: GptConfig = { layers: 12, heads: 12, width: 768, context: 1024, vocab: 50257, bias: true }
    expect(parameterCount(gpt2)).toBe(124_439_808)
    expect(parameterShapes(gpt2).size).toBe(148)
  })

  it("counts nanoGPT's CPU model, without biases: 804,096 parameters in 27 tensors", () => {
    const char: GptConfig = { layers: 4, heads: 4, width: 128, context: 64, vocab: 65, bias: false }
    expect(parameterCount(char)).toBe(804_096)
    expect(parameterShapes(char).size).toBe(27)
    expect([...parameterShapes(char).keys()].some((name) => name.endsWith('.bias'))).toBe(false)
  })
})

describe('gradients against central finite differences, float64', () => {
  for (const bias of [true, false]) {
    it(`of every element of every parameter, ${bias ? 'with' : 'without'} biases`, () => {
      const config = { ...tiny, bias }
      const parameters = scattered(config, 1)
      const { ids, targets, B, T } = batch
      const loss = (): number => forward(config, parameters, ids, targets, B, T, 'float64').loss
      const { gradients } = lossAndGradients(config, parameters, ids, targets, B, T, 'float64')
      expect([...gradients.keys()]).toEqual([...parameterShapes(config).keys()])

      const step = 1e-4 // error of the difference: third derivative · 1e-8, rounding 1e-16/1e-4
      for (const [name, values] of parameters) {
        const slopes = values.map((value, i) => {
          values[i] = value + step
          const above = loss()
          values[i] = value - step
          const below = loss()
          values[i] = value
          return (above - below) / (2 * step)
        })
        const exact = gradients.get(name)!
        for (let i = 0; i < slopes.length; i++) {
          expect(Math.abs(exact[i]! - slopes[i]!), `${name}[${i}]: ${exact[i]}, ${slopes[i]}`).toBeLessThan(2e-7)
        }
        // The bias of the keys shifts a row's scores alike and changes nothing; every other tensor must move the loss.
        expect(globalNorm(new Map([[name, exact]])), name).toBeGreaterThan(1e-3)
      }
    })
  }
})

describe('the tied embedding', () => {
  it('collects the gradient of the embedding and that of the head', () => {
    const parameters = scattered(tiny, 2)
    const { ids, targets, B, T } = batch
    const gradient = lossAndGradients(tiny, parameters, ids, targets, B, T, 'float64').gradients.get('wte.weight')!
    const rowNorm = (id: number): number => Math.hypot(...gradient.subarray(id * tiny.width, (id + 1) * tiny.width))

    // Token 7 is neither read nor wanted: only the head, which scores it in every row, moves it.
    expect(rowNorm(7)).toBeGreaterThan(1e-4)

    // Every row adds its dx to one position and one token; the head's half sums to zero over the vocabulary, since the
    // slopes of a row's logits do. So each column has the same sum in dwte and dwpe, and 0 without the embedding's half.
    const positions = lossAndGradients(tiny, parameters, ids, targets, B, T, 'float64').gradients.get('wpe.weight')!
    const columnSum = (values: Numbers, c: number): number => {
      let sum = 0
      for (let i = c; i < values.length; i += tiny.width) sum += values[i]!
      return sum
    }
    for (let c = 0; c < tiny.width; c++) {
      expect(columnSum(gradient, c)).toBeCloseTo(columnSum(positions, c), 12)
      expect(Math.abs(columnSum(positions, c))).toBeGreaterThan(1e-3)
    }
  })
})

describe('loss', () => {
  it('is near ln V at initial weights', () => {
    for (const vocab of [11, 300]) {
      const config = { ...tiny, vocab }
      const parameters = initialParameters(config, 3, 'float64')
      const { loss } = forward(config, parameters, batch.ids, batch.targets, batch.B, batch.T, 'float64')
      expect(Math.abs(loss - Math.log(vocab))).toBeLessThan(0.05)
    }
  })

  it('falls to almost nothing on a batch that is learned by heart', () => {
    const config = { ...tiny, bias: false }
    const parameters = initialParameters(config, 4, 'float64')
    const batches = Array.from({ length: 120 }, () => batch)
    const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: decayByDimension(config, 0.1), clipNorm: 1 }
    const { losses } = train(
      config,
      parameters,
      batches,
      batches.map(() => 1e-2),
      options,
      'float64',
    )
    expect(losses).toHaveLength(120)
    expect(losses.at(0)).toBeGreaterThan(2.3)
    expect(losses.at(-1)).toBeLessThan(0.2)
  })

  it('does not depend on what stands at an ignored target', () => {
    const parameters = scattered(tiny, 5)
    const { ids, B, T } = batch
    const none = Array<number>(B * T).fill(IGNORED_TARGET)
    const losses = [2, 6].map((n) => {
      const targets = none.with(n, 4)
      return forward(tiny, parameters, ids, targets, B, T, 'float64').loss
    })
    const both = none.with(2, 4).with(6, 4)
    const mean = (losses[0]! + losses[1]!) / 2
    expect(forward(tiny, parameters, ids, both, B, T, 'float64').loss).toBeCloseTo(mean, 14)
  })

  it('stays finite where scores and logits are far beyond what exp can hold', () => {
    const parameters = scattered(tiny, 8)
    for (const name of ['h.0.attn.c_attn.weight', 'wte.weight']) {
      const values = parameters.get(name)!
      for (let i = 0; i < values.length; i++) values[i] = values[i]! * 1e3
    }
    const { ids, targets, B, T } = batch
    const { loss, logits, gradients } = lossAndGradients(tiny, parameters, ids, targets, B, T, 'float64')
    expect(Math.max(...logits)).toBeGreaterThan(710) // ln of the largest float64
    expect(Number.isFinite(loss)).toBe(true)
    for (const [name, gradient] of gradients)
      expect(Number.isFinite(globalNorm(new Map([[name, gradient]]))), name).toBe(true)
  })

  it('sees no later token', () => {
    const parameters = scattered(tiny, 6)
    const logits = (ids: number[]): Numbers => forward(tiny, parameters, ids, batch.targets, 2, 5, 'float64').logits
    const before = logits([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    const after = logits([3, 1, 4, 8, 5, 9, 2, 6, 5, 3])
    const V = tiny.vocab
    expect(after.subarray(0, 3 * V)).toEqual(before.subarray(0, 3 * V))
    expect(after.subarray(5 * V)).toEqual(before.subarray(5 * V))
    for (const t of [3, 4]) {
      expect(relativeDifference(after.subarray(t * V, t * V + V), before.subarray(t * V, t * V + V))).toBeGreaterThan(
        1e-3,
      )
    }
  })
})

describe('float32', () => {
  it('stores in float32 and stays within its rounding of float64', () => {
    const wide = scattered(tiny, 7)
    const narrow = new Map([...wide].map(([name, values]) => [name, Float32Array.from(values)]))
    const exact = lossAndGradients(tiny, wide, batch.ids, batch.targets, batch.B, batch.T, 'float64')
    const rounded = lossAndGradients(tiny, narrow, batch.ids, batch.targets, batch.B, batch.T, 'float32')
    expect(rounded.logits).toBeInstanceOf(Float32Array)
    expect(relativeDifference(rounded.logits, exact.logits)).toBeLessThan(2e-6)
    expect(relativeDifference(rounded.logits, exact.logits)).toBeGreaterThan(0)
    for (const [name, gradient] of rounded.gradients) {
      expect(gradient).toBeInstanceOf(Float32Array)
      expect(relativeDifference(gradient, exact.gradients.get(name)!), name).toBeLessThan(5e-6)
    }
  })
})

function ones(): Tensors {
  const entries: [string, Numbers][] = [
    ['a', Float64Array.of(1, 1)],
    ['b', Float64Array.of(1)],
  ]
  return new Map(entries)
}

describe('AdamW', () => {
  /**
   * One scalar, w₀ = 1, η = .1, λ = .1, β = (.9, .95), ε = 1e-8: the weight after steps 1 to 4.
   * Source: the project's research/weight-decay.md, section 2.3, "Reference vectors", computed in float64.
   */
  const sequences = { A: [0.5, -0.3, 0.2, 0.1], B: [-0.5, 0.9, -0.2, -0.8] }
  const vectors = [
    {
      name: 'Adam λ=0',
      decay: 0,
      sequence: 'A',
      weights: [0.900000002, 0.880735876405, 0.845502241143, 0.807138039011],
    },
    {
      name: 'Adam λ=0',
      decay: 0,
      sequence: 'B',
      weights: [1.099999998, 1.067685367322, 1.055127930823, 1.08218413842],
    },
    {
      name: 'AdamW (lr·wd)',
      decay: 0.1,
      sequence: 'A',
      weights: [0.890000002, 0.861835876385, 0.817983882359, 0.771439841403],
    },
    {
      name: 'AdamW (lr·wd)',
      decay: 0.1,
      sequence: 'B',
      weights: [1.089999998, 1.046785367342, 1.023760077169, 1.040578683995],
    },
  ] as const

  for (const { name, decay, sequence, weights } of vectors) {
    it(`${name} on sequence ${sequence} gives the reference vector to its twelve decimals`, () => {
      const parameters = new Map([['w', Float64Array.of(1)]])
      const state = adamwState(parameters)
      const reached = sequences[sequence].map((gradient, index) => {
        adamwStep(parameters, new Map([['w', Float64Array.of(gradient)]]), state, {
          learningRate: 0.1,
          beta1: 0.9,
          beta2: 0.95,
          epsilon: 1e-8,
          weightDecay: new Map([['w', decay]]),
          step: index + 1,
        })
        return parameters.get('w')![0]!
      })
      reached.forEach((weight, i) => expect(Math.abs(weight - weights[i]!), `step ${i + 1}`).toBeLessThan(1e-12))
    })
  }

  const plain = { learningRate: 0.1, beta1: 0, beta2: 0.95, epsilon: 1e-8, step: 1 }
  const gradients: Tensors = new Map([
    ['a', Float64Array.of(3, 0)],
    ['b', Float64Array.of(-4)],
  ])
  it('clips by the norm of all gradients together and returns it', () => {
    const parameters = ones()
    const state = adamwState(parameters)
    const weightDecay = new Map([
      ['a', 0],
      ['b', 0],
    ])
    expect(adamwStep(parameters, gradients, state, { ...plain, weightDecay, clipNorm: 1 })).toBe(5)
    // β1 = 0, so m is the clipped gradient: g / (5 + 1e-6)
    expect(state.m.get('a')![0]).toBeCloseTo(3 / (5 + 1e-6), 15)
    expect(state.m.get('b')![0]).toBeCloseTo(-4 / (5 + 1e-6), 15)
    const unclipped = adamwState(parameters)
    adamwStep(ones(), gradients, unclipped, { ...plain, weightDecay, clipNorm: 6 })
    expect(unclipped.m.get('b')![0]).toBe(-4)
  })

  it('decays what weightDecay names, also where the gradient is zero, and asks for every name', () => {
    const parameters = ones()
    const weightDecay = new Map([
      ['a', 0.5],
      ['b', 0],
    ])
    adamwStep(parameters, gradients, adamwState(parameters), { ...plain, weightDecay })
    expect(parameters.get('a')![1]).toBe(1 - 0.1 * 0.5)
    const partial = { ...plain, weightDecay: new Map([['a', 0.5]]) }
    expect(() => adamwStep(ones(), gradients, adamwState(ones()), partial)).toThrow(/does not name b/)
  })
})

describe('initialParameters', () => {
  it('has GPT-2 deviations, gains of 1 and biases of 0, and the same bits for the same seed', () => {
    const config: GptConfig = { layers: 8, heads: 4, width: 64, context: 32, vocab: 100, bias: true }
    const parameters = initialParameters(config, 42, 'float64')
    const deviation = (name: string): number =>
      globalNorm(new Map([[name, parameters.get(name)!]])) / Math.sqrt(parameters.get(name)!.length)
    expect(deviation('h.3.mlp.c_fc.weight')).toBeCloseTo(0.02, 3)
    expect(deviation('h.3.mlp.c_proj.weight')).toBeCloseTo(0.02 / Math.sqrt(16), 3)
    expect(parameters.get('ln_f.weight')!.every((gain) => gain === 1)).toBe(true)
    expect(parameters.get('h.0.attn.c_attn.bias')!.every((bias) => bias === 0)).toBe(true)
    expect(initialParameters(config, 42, 'float64').get('h.7.mlp.c_proj.weight')).toEqual(
      parameters.get('h.7.mlp.c_proj.weight'),
    )
    expect(initialParameters(config, 43, 'float64').get('wte.weight')).not.toEqual(parameters.get('wte.weight'))
  })
})

describe('bad input', () => {
  const parameters = initialParameters(tiny, 1, 'float64')
  const { ids, targets } = batch
  const without = new Map(parameters)
  without.delete('h.1.ln_2.bias')
  const float32 = initialParameters(tiny, 1, 'float32')
  const ignored = Array<number>(10).fill(IGNORED_TARGET)

  it.each([
    [
      'a token outside the vocabulary',
      () => forward(tiny, parameters, [...Array(9).fill(0), 11], targets, 2, 5, 'float64'),
      /ids\[9\] is 11, .* 0 to 10/,
    ],
    [
      'a target below the ignored one',
      () => forward(tiny, parameters, ids, [-2, ...Array(9).fill(0)], 2, 5, 'float64'),
      /targets\[0\] is -2/,
    ],
    [
      'too few tokens',
      () => forward(tiny, parameters, [1], targets, 2, 5, 'float64'),
      /ids has 1 entries, expected B·T = 2·5/,
    ],
    [
      'rows beyond the context',
      () => forward(tiny, parameters, ids, targets, 1, 10, 'float64'),
      /T is 10.* 6 positions/,
    ],
    [
      'a missing parameter',
      () => forward(tiny, without, ids, targets, 2, 5, 'float64'),
      /h\.1\.ln_2\.bias has no numbers/,
    ],
    ['another precision', () => forward(tiny, float32, ids, targets, 2, 5, 'float64'), /wte\.weight is a Float32Array/],
    [
      'biases where the model has none',
      () => forward({ ...tiny, bias: false }, parameters, ids, targets, 2, 5, 'float64'),
      /h\.0\.ln_1\.bias is none/,
    ],
    [
      'heads that do not divide',
      () => forward({ ...tiny, heads: 3 }, parameters, ids, targets, 2, 5, 'float64'),
      /multiple of heads 3/,
    ],
    ['nothing but ignored targets', () => forward(tiny, parameters, ids, ignored, 2, 5, 'float64'), /all 10 targets/],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(message)
  })
})
