/**
 * The reference vectors: one scalar, w₀ = 1, η = 0.1, λ = 0.1, β = (0.9, 0.95) unless noted, ε = 1e-8; weights after
 * steps 1 to 4, computed in float64 by an independent program. A and B are two sequences of gradients; `sched` is
 * η = 0.1, 0.08, 0.05, 0.02.
 */
import { describe, expect, test } from 'vitest'
import { createBackend, trace } from '../engine/index.ts'
import { adam, type AdamOptions } from './adam.ts'
import { adamw, type AdamwOptions } from './adamw.ts'
import { gpt1Adam } from './gpt1Adam.ts'
import { lion } from './lion.ts'
import type { Optimizer } from './optimizer.ts'
import { scheduleFree } from './scheduleFree.ts'
import { chosenGradients, declare, type StepperOptions } from './stepper.test.data.ts'

const GRADIENTS = { A: [0.5, -0.3, 0.2, 0.1], B: [-0.5, 0.9, -0.2, -0.8] } as const
const SCHEDULED = [0.1, 0.08, 0.05, 0.02]
const CONSTANT = [0.1, 0.1, 0.1, 0.1]
const [W] = declare([['w', [], 'matrix']])
const GROUP = [{ params: W!, normalised: true }]

const reference = { learningRate: 0.1, weightDecay: 0.1, betas: [0.9, 0.95] } as const
const ofAdamw =
  (options: AdamwOptions = {}) =>
  () =>
    adamw(GROUP, { ...reference, ...options })
const ofAdam =
  (options: AdamOptions = {}) =>
  () =>
    adam(GROUP, { ...reference, ...options })

type Row = readonly [name: string, make: () => Optimizer, rates: readonly number[], A: string, B: string]

const ADAMW_A = '.890000002000 .861835876385 .817983882359 .771439841403'
const ADAMW_SCHEDULED_A = '.890000002000 .867468701508 .845514540369 .836150670862'

// prettier-ignore
const ROWS: readonly Row[] = [
  ['Adam, λ = 0', ofAdam({ weightDecay: 0 }), CONSTANT, '.900000002000 .880735876405 .845502241143 .807138039011', '1.099999998000 1.067685367322 1.055127930823 1.082184138420'],
  ['Adam + L2 in the gradient', ofAdam(), CONSTANT, '.900000001667 .860967378904 .806713340509 .748384871625', '1.099999997500 1.055873981033 1.027014773786 1.038511630857'],
  ['Adam + L2 in the loss', ofAdam({ form: 'loss-l2' }), CONSTANT, '.900000001667 .860967378904 .806713340509 .748384871625', '1.099999997500 1.055873981033 1.027014773786 1.038511630857'],
  ['AdamW', ofAdamw(), CONSTANT, ADAMW_A, '1.089999998000 1.046785367342 1.023760077169 1.040578683995'],
  ['independent', ofAdamw({ form: 'independent' }), CONSTANT, '.800000002000 .700735876205 .595428653322 .497521585858', '.999999998000 .867685367522 .768359394271 .718579662441'],
  ['cautious', ofAdamw({ form: 'cautious' }), CONSTANT, ADAMW_A, '1.099999998000 1.056685367342 1.033561077169 1.060617284767'],
  ['toward-init', ofAdamw({ form: 'toward-init' }), CONSTANT, '.900000002000 .881735876385 .847684882359 .810843831403', '1.099999998000 1.066685367342 1.053461077169 1.079982673995'],
  ['AdamW, sched', ofAdamw(), SCHEDULED, ADAMW_SCHEDULED_A, '1.089999998000 1.055428293474 1.043872433757 1.047195930409'],
  ['independent, sched', ofAdamw({ form: 'independent' }), SCHEDULED, '.800000002000 .720588701364 .666942448665 .645930759265', '.999999998000 .894148293618 .843162160687 .831710158993'],
  ['AdamC, sched', ofAdamw({ form: 'corrected' }), SCHEDULED, '.890000002000 .868892701511 .849103652126 .841091170239', '1.089999998000 1.057172293471 1.048250644487 1.053242585749'],
  ['cautious, sched', ofAdamw({ form: 'cautious' }), SCHEDULED, ADAMW_SCHEDULED_A, '1.099999998000 1.065348293474 1.053742833757 1.059154075276'],
  ['GPT-1 opt.py (β2 .999)', () => gpt1Adam(GROUP, { ...reference, betas: [0.9, 0.999] }), CONSTANT, '.896837785585 .875577583143 .839066072346 .800116052436', '1.096837659094 1.061728159557 1.047089679909 1.072300226411'],
  ['Lion (.9, .99)', () => lion(GROUP, { ...reference, betas: [0.9, 0.99] }), CONSTANT, '.890000000000 .981100000000 .871289000000 .762576110000', '1.090000000000 .979100000000 1.069309000000 1.158615910000'],
]

/** The weight after each step, or what `weight` makes of it. */
function weights(
  optimizer: Optimizer,
  gradients: readonly number[],
  rates: readonly number[],
  { count = (k: number) => k + 1, ...options }: StepperOptions & { count?: (k: number) => number } = {},
  after: (run: ReturnType<typeof chosenGradients>) => number = (run) => run.read('w')[0]!,
): number[] {
  const run = chosenGradients([W!], optimizer, options)
  run.fill('w', [1])
  return gradients.map((g, k) => {
    run.gradient('w', g)
    run.step(count(k), rates[k])
    return after(run)
  })
}

const numbers = (text: string): number[] => text.split(' ').map(Number)

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length)
  actual.forEach((value, k) => expect(Math.abs(value - expected[k]!), `step ${k + 1}`).toBeLessThan(tolerance))
}

describe.each(['A', 'B'] as const)('reference vectors, sequence %s', (sequence) => {
  test.each(ROWS)('%s', (_, make, rates, a, b) => {
    expectClose(weights(make(), GRADIENTS[sequence], rates), numbers(sequence === 'A' ? a : b), 1e-11)
  })

  test('Schedule-Free, decay at y, β2 .999: the weights to evaluate', () => {
    const optimizer = scheduleFree(GROUP, { ...reference, betas: [0.9, 0.999] })
    const expected =
      sequence === 'A'
        ? '.890000002000 .921934627801 .910758846908 .894889283682'
        : '1.089999998000 1.022745911430 1.007951837740 1.028364495971'
    const actual = weights(optimizer, GRADIENTS[sequence], CONSTANT, {}, ({ backend }) => {
      const average = backend.compile(
        trace('average', (context) => ({
          outputs: { x: optimizer.evaluationWeights!(context, new Map([['w', context.state('w', [])]])).get('w')! },
        })),
      )
      average.run()
      return backend.buffer('average/x', 'f32', [])[0]!
    })
    expectClose(actual, numbers(expected), 1e-11)
  })

  test('a step counter that never advances gives OLMo-core’s wrong values; ours advances', () => {
    const wrong =
      sequence === 'A'
        ? '.890000002000 .854888880738 .789805444020 .713409259676'
        : '1.089999998000 1.035132121262 1.004631616275 1.042893345215'
    const stuck = weights(ofAdamw()(), GRADIENTS[sequence], CONSTANT, { count: () => 1 })
    expectClose(stuck, numbers(wrong), 1e-11)
    const ours = weights(ofAdamw()(), GRADIENTS[sequence], CONSTANT)
    expect(Math.abs(ours[3]! - stuck[3]!)).toBeGreaterThan(1e-3)
  })

  test('f32 on the compiled backend: the same numbers within rounding', () => {
    const backend = createBackend({ threads: 1 })
    try {
      for (const [, make, rates, a, b] of ROWS) {
        const actual = weights(make(), GRADIENTS[sequence], rates, { backend })
        expectClose(actual, numbers(sequence === 'A' ? a : b), 2e-6)
      }
    } finally {
      backend.dispose()
    }
  })
})
