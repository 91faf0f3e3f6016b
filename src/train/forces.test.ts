import { describe, expect, test } from 'vitest'
import { lossAndGradients, type Tensors } from '../../reference/gpt.ts'
import { fillBatch } from '../data/index.ts'
import type { Backend } from '../engine/index.ts'
import { forceOf } from '../optim/force.ts'
import { createOptimizer, decayFormNames, optimizerNames } from '../optim/index.ts'
import { compiledBackends, float32, missingBackends, testedBackends } from './backends.test.data.ts'
import type { Forces } from './forces.ts'
import { initialiseParameters } from './initialise.ts'
import { compilePrograms } from './programs.ts'
import type { StepSetup } from './step.ts'
import { tinyCorpus, tinySetup } from './tiny.test.data.ts'

const SEED = 5
const corpus = tinyCorpus()
const [LR, LAMBDA, BETA1, BETA2, EPS] = [1e-2, 0.3, 0.9, 0.95, 1e-8]

/** Initial values away from 0.02, 1 and 0. */
function scatter(backend: Backend, setup: StepSetup): Map<string, Float64Array> {
  initialiseParameters(backend, setup.parameters, SEED)
  for (const { name, shape } of setup.optimizer.init(setup.parameters)) backend.buffer(name, 'f32', shape).fill(0)
  return new Map(
    setup.parameters.map(({ name, shape }) => {
      const values = backend.buffer(name, 'f32', shape)
      values.forEach((value, i) => {
        values[i] = Math.fround((shape.length === 2 ? 10 : 1) * value + 0.1 * Math.sin(i + name.length))
      })
      return [name, Float64Array.from(values)] as const
    }),
  )
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!
  return sum
}
const norm = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a))
const between = (a: ArrayLike<number>, b: ArrayLike<number>): number => Math.acos(dot(a, b) / (norm(a) * norm(b)))

/** AdamW with clipping in plain loops, taken apart. */
class PlainAdamw {
  readonly #moments = new Map<string, { m: Float64Array; v: Float64Array }>()
  #step = 0
  readonly setup: StepSetup
  readonly parameters: Map<string, Float64Array>

  constructor(setup: StepSetup, parameters: Map<string, Float64Array>) {
    this.setup = setup
    this.parameters = parameters
  }

  step(gradients: Tensors): Map<string, { before: Float64Array; gradient: Float64Array; decay: Float64Array | null }> {
    this.#step++
    const squares = [...gradients.values()].reduce((sum, g) => sum + dot(g, g), 0)
    const coefficient = Math.min(1, this.setup.clip / (Math.sqrt(squares) + 1e-6))
    return new Map(
      [...this.parameters].map(([name, w]) => {
        const before = Float64Array.from(w)
        const { m, v } = this.#moments.get(name) ?? { m: new Float64Array(w.length), v: new Float64Array(w.length) }
        this.#moments.set(name, { m, v })
        const lambda = this.setup.optimizer.settings.get(name)!.weightDecay
        const parts = { gradient: new Float64Array(w.length), decay: lambda > 0 ? new Float64Array(w.length) : null }
        w.forEach((value, i) => {
          const g = gradients.get(name)![i]! * coefficient
          m[i] = BETA1 * m[i]! + (1 - BETA1) * g
          v[i] = BETA2 * v[i]! + (1 - BETA2) * g * g
          const corrected = m[i]! / (1 - BETA1 ** this.#step)
          parts.gradient[i] = (LR * corrected) / (Math.sqrt(v[i]! / (1 - BETA2 ** this.#step)) + EPS)
          if (parts.decay) parts.decay[i] = LR * lambda * value
          w[i] = value - parts.gradient[i]! - (parts.decay?.[i] ?? 0)
        })
        return [name, { before, ...parts }]
      }),
    )
  }
}

describe.skipIf(true).each(missingBackends)('%s', () => {
  test('cannot run here', () => expect(missingBackends).toEqual([]))
})

describe.each(testedBackends)('$label', ({ create, tolerance }) => {
  test.each([1, 2])('every measure of AdamW’s third step is that of plain loops (accumulation %i)', (accumulation) => {
    const backend = create()
    const setup = tinySetup({
      config: { bias: false },
      accumulation,
      clip: 0.5,
      weightDecay: LAMBDA,
      learningRate: LR,
      betas: [BETA1, BETA2],
      eps: EPS,
    })
    const parameters = scatter(backend, setup)
    const plain = new PlainAdamw(setup, parameters)
    const seen: number[] = []
    const programs = compilePrograms(backend, setup, { onBatch: (ids) => void seen.push(...ids) })
    for (let step = 0; step < 3; step++) {
      const { ids, targets } = batches(setup, step)
      const { gradients } = lossAndGradients(setup.config, parameters, ids, targets, 2 * accumulation, 8, 'float64')
      const expected = plain.step(gradients)
      const { forces } = programs.step(corpus.train, { step, seed: SEED, learningRate: LR }, step === 2)
      expect(seen.splice(0)).toEqual([...ids])
      if (step < 2) expect(forces).toBeNull()
      else compare(forces!, expected, gradients, parameters)
    }
    backend.dispose()
  })

  function compare(
    forces: Forces,
    expected: ReturnType<PlainAdamw['step']>,
    gradients: Tensors,
    parameters: Tensors,
  ): void {
    expect([...forces.sums.keys()]).toEqual([...expected.keys()])
    for (const [name, { before, gradient, decay }] of expected) {
      const force = forceOf(forces.sums.get(name)!)
      const [after, g] = [parameters.get(name)!, gradients.get(name)!]
      const update = before.map((w, i) => w - after[i]!)
      const wanted = {
        norm: norm(after),
        rms: norm(after) / Math.sqrt(after.length),
        gradientNorm: norm(g),
        updateRatio: norm(update) / norm(before),
        update: norm(update),
        gradientPart: norm(gradient),
        decayPart: decay && norm(decay),
        decayShare: decay && norm(decay) / (norm(gradient) + norm(decay)),
        angle: decay && between(gradient, decay),
        shrink: decay && LR * LAMBDA,
        rotation: between(before, after),
      }
      for (const [measure, value] of Object.entries(wanted)) {
        const found = force[measure as keyof typeof wanted]
        if (value === null) expect(found, `${name} ${measure}`).toBeNull()
        else
          expect(Math.abs(found! / value - 1), `${name} ${measure}: ${found} for ${value}`).toBeLessThan(20 * tolerance)
      }
      expect(decay === null).toBe(!['embedding', 'position', 'matrix'].includes(roleOf(name)))
    }
    expect([...forces.rows.keys()]).toEqual(['wte.weight'])
    const table = parameters.get('wte.weight')!
    const rows = Array.from({ length: 13 }, (_, row) => norm(table.subarray(16 * row, 16 * row + 16)) ** 2)
    forces.rows.get('wte.weight')!.forEach((found, row) => {
      expect(Math.abs(found / rows[row]! - 1)).toBeLessThan(tolerance)
    })
  }
})

function roleOf(name: string): string {
  return tinySetup().parameters.find((parameter) => parameter.name === name)!.role
}

function batches(setup: StepSetup, step: number): { ids: Int32Array; targets: Int32Array } {
  const [batchSize, context] = [setup.batchSize, setup.sequenceLength]
  const size = batchSize * context
  const [ids, targets] = [new Int32Array(size * setup.accumulation), new Int32Array(size * setup.accumulation)]
  for (let microStep = 0; microStep < setup.accumulation; microStep++) {
    const [from, to] = [size * microStep, size * (microStep + 1)]
    const position = { batchSize, context, seed: SEED, step, microStep }
    fillBatch(corpus.train, position, ids.subarray(from, to), targets.subarray(from, to))
  }
  return { ids, targets }
}

/** The interpreters compute node by node: there only a change of the graph itself could show. */
const bitwise = [float32, ...compiledBackends].map((backend, k) => {
  const optimizers = k === 1 ? optimizerNames : (['adamw', 'muon'] as const)
  return { label: backend.label, create: backend.create, variants: [...optimizers, ...(k === 1 ? decayFormNames : [])] }
})

describe.each(bitwise)('$label', ({ create, variants }) => {
  test.each(variants)('looking changes no bit of %s', (variant) => {
    const form = decayFormNames.find((name) => name === variant) ?? 'decoupled'
    const name = optimizerNames.find((known) => known === variant) ?? 'adamw'
    const states = [false, true].map((looking) => {
      const backend = create()
      const { parameters, optimizer: _, ...rest } = tinySetup({ config: { layers: 1 }, clip: 0.5 })
      const optimizer = createOptimizer(name, parameters, { learningRate: 1e-2, weightDecay: 0.3, form })
      const setup = { ...rest, parameters, optimizer, accumulation: form === variant ? 2 : 1 }
      scatter(backend, setup)
      const programs = compilePrograms(backend, setup, looking ? {} : undefined)
      const losses = [0, 1, 2, 3].map((step) => {
        const look = looking && step % 2 === 1
        return programs.step(corpus.train, { step, seed: SEED, learningRate: 1e-2 }, look).loss
      })
      const all = [...parameters, ...optimizer.init(parameters)]
      const values = all.map(({ name: state, shape }) => [state, [...backend.buffer(state, 'f32', shape)]] as const)
      backend.dispose()
      return { losses, values }
    })
    expect(states[1]).toEqual(states[0])
    expect(states[0]!.losses[3]).not.toBe(states[0]!.losses[0])
  })
})

test('programs compiled without a look refuse one', () => {
  const backend = testedBackends[0]!.create()
  const setup = tinySetup()
  const programs = compilePrograms(backend, setup)
  expect(() => programs.step(corpus.train, { step: 0, seed: 1, learningRate: 0 }, true)).toThrow(/without a look/)
  expect(Object.keys(programs.reports)).toEqual(['train', 'evaluate', 'norms'])
  backend.dispose()
})
