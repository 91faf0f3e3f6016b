import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normal, ones, parameterList, truncatedNormal, zeros, type ParameterSpec } from '../nn/parameter.ts'
import { explain, type Explanation, type ExplainRun } from './explain.ts'
import { renderExplanation } from './explainText.ts'
import { GPT2_124M, gpt2Parameters, SHAKESPEARE } from './gpt2Parameters.test.data.ts'
import { initialRms } from './initialRms.ts'
import { constant, warmupCosine } from './schedule.ts'
import { powerLinesTimescale, suggestWeightDecay } from './suggest.ts'

/** nanoGPT's CPU command on Shakespeare's 1,003,854 characters. */
const RUN: ExplainRun = {
  weightDecay: 0.1,
  learningRates: warmupCosine({ peak: 1e-3, warmup: 100, steps: 2000, floor: 1e-4 }),
  steps: 2000,
  tokensPerStep: 768,
  beta1: 0.9,
  corpusTokens: 1_003_854,
}
const PARAMETERS = gpt2Parameters(SHAKESPEARE)
const shakespeare = (change: Partial<ExplainRun> = {}, policy = 'nanogpt'): Explanation =>
  explain(PARAMETERS, policy, { ...RUN, ...change })

describe('nanoGPT’s CPU command, where the textbook λ does almost nothing', () => {
  const explanation = shakespeare()

  test('its numbers', () => {
    expect(explanation).toMatchObject({
      policy: 'nanogpt',
      form: 'decoupled',
      weightDecay: 0.1,
      steps: 2000,
      tokensPerStep: 768,
      parameters: { total: 804_096, decayed: 802_944 },
      strength: 'faint',
    })
    expect(explanation.survival).toBeCloseTo(0.896, 3)
    expect(explanation.survivalLimit).toBeCloseTo(Math.exp(-(explanation.sumLrDecay ?? 0)), 12)
    expect(explanation.sumLrDecay).toBeCloseTo(0.1 * explanation.learningRate.sum, 12)
    expect(explanation.timescaleSteps).toBeCloseTo(10_000, 6)
    expect(explanation.timescaleShare).toBeCloseTo(5, 9)
    expect(explanation.timescaleTokens).toBeCloseTo(7.68e6, 3)
    expect(explanation.halfLifeSteps).toBeCloseTo(6931.47, 1)
    expect(explanation.equilibriumRms).toBeCloseTo(0.0707, 4)
    expect(explanation.equilibriumRmsExact).toBeCloseTo(0.07067, 4)
    expect(explanation.initialRms).toBeCloseTo(0.02, 9)
    expect(explanation.tokensPerParameter).toBeCloseTo(1_536_000 / 804_096, 12)
    expect(explanation.epochs).toBeCloseTo(1.5301, 4)
    expect(explanation.learningRate.last).toBeCloseTo(1e-4, 8)
  })

  test('its verdict can be acted on', () => {
    expect(explanation.verdict).toBe(
      'λ = 0.1 leaves 89.6 % of the initial weights after 2,000 steps, and its timescale of 10,000 steps is 5 times ' +
        'the run: expect no visible effect. Power Lines suggests more, λ ≈ 0.65: a timescale of 1,541 steps, 77.1 % of ' +
        'the run. To see decay act, λ ≈ 2 would give a timescale of 500 steps, a quarter of the run.',
    )
  })

  test('the guide quotes it', () => {
    const guide = readFileSync(new URL('../../docs/weight-decay.md', import.meta.url), 'utf8')
    expect(guide.replaceAll(/\n>? ?/g, ' ')).toContain(explanation.verdict)
  })

  test('its notes say which survival is meant, what is left out, and how steps count', () => {
    const notes = explanation.notes.join('\n')
    expect(notes).toContain('product ∏ (1 − lr_t·λ_t)')
    expect(notes).toContain('Steps count from 0')
    expect(notes).toContain('no batch ramp')
    expect(notes).toContain('pure noise')
  })

  test('it is plain JSON with the promised keys', () => {
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
    const promised = ['survival', 'sumLrDecay', 'timescaleSteps', 'timescaleShare', 'equilibriumRms']
    expect(Object.keys(explanation)).toEqual(
      expect.arrayContaining([...promised, 'tokensPerParameter', 'suggestions', 'verdict']),
    )
  })
})

describe('suggestions', () => {
  test('for the run above: Power Lines, the two ends of the EMA rule, a quarter of the run', () => {
    const { suggestions } = shakespeare()
    expect(suggestions.map(({ rule }) => rule)).toEqual(['power-lines', 'ema-run', 'ema-epoch', 'quarter-run'])
    const [lines, weakest, strongest, quarter] = suggestions
    expect(lines?.timescaleShare).toBeCloseTo(1.084 * (1_536_000 / 804_096) ** -0.527, 12)
    expect(lines?.weightDecay).toBeCloseTo(1 / (1e-3 * 2000 * (lines?.timescaleShare ?? 1)), 12)
    expect(lines?.caveat).toMatch(/111M to 3.3B parameters; this model lies outside/)
    expect(weakest).toMatchObject({ weightDecay: 0.5, timescaleShare: 1 })
    expect(strongest?.timescaleSteps).toBeCloseTo(1_003_854 / 768, 9)
    expect(quarter).toMatchObject({ weightDecay: 2, timescaleSteps: 500, timescaleShare: 0.25 })
  })

  test('Power Lines as its paper prints it: 1 token per parameter, 20, 1000', () => {
    expect(powerLinesTimescale(1).toFixed(2)).toBe('1.08')
    expect(powerLinesTimescale(20).toFixed(3)).toBe('0.224')
    expect(powerLinesTimescale(1000).toFixed(3)).toBe('0.028')
  })

  test('every suggested λ, taken, gives the timescale it promises, whatever the form', () => {
    const forms = fc.constantFrom('decoupled', 'independent', 'fixed', 'lr-squared', 'corrected', 'toward-init')
    const rate = fc.double({ min: 1e-5, max: 1e-2, noNaN: true })
    fc.assert(
      fc.property(forms, rate, fc.integer({ min: 10, max: 500 }), (form, peak, steps) => {
        const run = { learningRates: constant({ peak }), steps, form, tokensPerStep: 768, corpusTokens: 5000 } as const
        const { suggestions } = explain(PARAMETERS, 'all', { ...run, weightDecay: 0.1 })
        expect(suggestions.length).toBeGreaterThan(2)
        for (const { weightDecay, timescaleSteps } of suggestions) {
          const taken = explain(PARAMETERS, 'all', { ...run, weightDecay })
          expect((taken.timescaleSteps ?? 0) / timescaleSteps).toBeCloseTo(1, 9)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('a run of less than one pass has no strongest λ by the EMA rule, and without tokens no Power Lines', () => {
    const short = suggestWeightDecay({ learningRate: 1e-3, steps: 100, tokensPerStep: 10, corpusTokens: 5000 })
    expect(short.map(({ rule }) => rule)).toEqual(['ema-run', 'quarter-run'])
    expect(suggestWeightDecay({ learningRate: 0, steps: 100 })).toEqual([])
    expect(suggestWeightDecay({ learningRate: 1e-3, steps: 100, form: 'gradient-l2' })).toEqual([])
  })
})

describe('verdicts', () => {
  test.each([
    [0, 'none', /^λ is 0, so nothing decays\. Power Lines suggests more, λ ≈ 0\.65/],
    [0.1, 'faint', /expect no visible effect/],
    [0.65, 'partial', /leaves 49\.1 % .* real but far from an equilibrium\. Power Lines would choose about the same/],
    [2, 'full', /the start is forgotten; its timescale of 500 steps .* Power Lines suggests less, λ ≈ 0\.65/],
    [200, 'short', /remember the last steps/],
    [1000, 'unstable', /takes 100 % of a weight .* leaves nothing or overshoots zero/],
    [1500, 'unstable', /takes 150\.0 % of a weight .* overshoots zero/],
    [2500, 'unstable', /takes 250\.0 % of a weight .* diverges/],
  ] as const)('λ = %f is %s', (weightDecay, strength, verdict) => {
    const explanation = shakespeare({ weightDecay })
    expect(explanation.strength).toBe(strength)
    expect(explanation.verdict).toMatch(verdict)
  })

  test('a policy that decays nothing, and a form that does not tell', () => {
    expect(shakespeare({}, 'none')).toMatchObject({
      strength: 'none',
      weightDecay: 0,
      survival: 1,
      timescaleSteps: null,
      equilibriumRms: null,
      verdict: expect.stringMatching(/^Nothing decays: policy none leaves every tensor out/),
    })
    expect(shakespeare({ form: 'gradient-l2' })).toMatchObject({
      strength: 'unknown',
      survival: null,
      sumLrDecay: null,
      suggestions: [],
      verdict: expect.stringContaining('by the form gradient-l2 depends on the gradients'),
    })
  })

  test('toward-init is judged by what it forgets of the learning', () => {
    expect(shakespeare({ form: 'toward-init', weightDecay: 2 })).toMatchObject({
      strength: 'full',
      survival: 1,
      verdict: expect.stringMatching(/^λ = 2 leaves 11\.2 % of an early change of the weights/),
    })
  })

  test('a stronger λ is never judged weaker', () => {
    const order = ['none', 'faint', 'partial', 'full', 'short', 'unstable']
    const lambda = fc.double({ min: 0, max: 3000, noNaN: true })
    fc.assert(
      fc.property(lambda, lambda, (a, b) => {
        const ranks = [Math.min(a, b), Math.max(a, b)].map((weightDecay) => {
          return order.indexOf(shakespeare({ weightDecay }).strength)
        })
        expect(ranks[0]).toBeLessThanOrEqual(ranks[1] ?? -1)
      }),
      { numRuns: 60 },
    )
  })
})

test('overrides make groups; the headline is the largest of them', () => {
  const overrides = { decay: 'embedding=0.01, gain=0.5', learningRateScale: 'embedding=0.1' }
  const explanation = shakespeare({ overrides })
  expect(explanation.weightDecay).toBe(0.1)
  expect(
    explanation.groups.map(({ weightDecay, learningRateMultiplier, roles, parameters }) => {
      return [weightDecay, learningRateMultiplier, roles.join(' '), parameters]
    }),
  ).toEqual([
    [0.01, 0.1, 'embedding', 8320],
    [0.1, 1, 'position matrix', 794_624],
    [0.5, 1, 'gain', 1152],
  ])
  expect(explanation.groups[2]?.initialRms).toBe(1)
  expect(renderExplanation(explanation)).toContain('All that decays (above: the largest group)')
})

describe('initial RMS', () => {
  test.each([
    [zeros, 0],
    [ones, 1],
    [{ kind: 'constant', value: -0.5 }, 0.5],
    [normal(0.02), 0.02],
    // Var of a unit normal cut at ±b is 1 − 2bφ(b)/(2Φ(b) − 1): b = 1: 0.2911, 2: 0.7737, 3: 0.9733.
    [truncatedNormal(1, 1), Math.sqrt(0.2911)],
    [truncatedNormal(1, 2), Math.sqrt(0.7737)],
    [truncatedNormal(1), Math.sqrt(0.9733)],
    [truncatedNormal(0.5, 40), 0.5],
  ] as const)('%j', (init, expected) => {
    expect(initialRms(init)).toBeCloseTo(expected, 4)
  })

  test('that of a group is weighed by its tensors’ sizes', () => {
    const list = parameterList()
    list.declare('a', [3, 1], 'matrix', normal(2))
    list.declare('b', [1, 1], 'matrix', zeros)
    const explanation = explain(list.list(), 'all', { ...RUN })
    expect(explanation.initialRms).toBeCloseTo(Math.sqrt(3), 12)
  })
})

describe('as text', () => {
  test('nanoGPT’s CPU command', () => {
    expect(renderExplanation(shakespeare())).toMatchInlineSnapshot(`
      "Weight decay          λ 0.1, decoupled, policy nanogpt: 802,944 of 804,096
                            parameters
      Learning rate         0.001 at the peak, 0.0001 at the end
      Run                   2,000 steps of 768 tokens: 1,536,000 tokens
      Survives the run      89.6 % of the initial weights (Σ lr·λ = 0.1095)
      Half-life             6,931 steps at the peak
      Timescale             10,000 steps at the peak, 7,680,000 tokens: 5 times the
                            run
      Equilibrium RMS       0.0707 at the peak (0.07068 with momentum); the weights
                            start at 0.02
      Tokens per parameter  1.91; the text is read 1.53 times

      λ that others would choose for this run
      rule                      λ  timescale (steps)  of the run
      Power Lines           0.649              1,541      77.1 %
      EMA, at least           0.5              2,000       100 %
      EMA, at most          0.765              1,307      65.4 %
      a quarter of the run      2                500      25.0 %
      Power Lines: Fitted for one pass over the data, at the peak learning rate of μP
      with a straight descent to zero, on models of 111M to 3.3B parameters; this
      model lies outside. Elsewhere take it as the order of magnitude. (Bergsma et al.
      2025, arXiv 2505.13738)
      EMA, at least: The weakest that still forgets the initial weights: a timescale
      much above the run keeps them. (Wang & Aitchison 2025, arXiv 2405.13698)
      EMA, at most: The strongest that still averages over all the data: a timescale
      much below one pass forgets some of it. With many passes over few data stronger
      decay has paid (Kim et al. 2025, arXiv 2509.14786: 30 times the usual λ). (Wang
      & Aitchison 2025, arXiv 2405.13698)
      a quarter of the run: For seeing decay act, not for the lowest loss.
      (definition; about what Power Lines gives at 20 tokens per parameter (0.22))

      λ = 0.1 leaves 89.6 % of the initial weights after 2,000 steps, and its
      timescale of 10,000 steps is 5 times the run: expect no visible effect. Power
      Lines suggests more, λ ≈ 0.65: a timescale of 1,541 steps, 77.1 % of the run. To
      see decay act, λ ≈ 2 would give a timescale of 500 steps, a quarter of the run.

      Survival is the product ∏ (1 − lr_t·λ_t) over the steps; published tables often
      give its limit exp(−Σ lr_t·λ_t), here 0.896. It tells what decay alone leaves:
      gradients write over it.
      Steps count from 0, and step t of a warm-up over w steps has the learning rate
      peak·(t + 1)/(w + 1).
      Every step is taken to have the same number of tokens: no batch ramp.
      The equilibrium is that of an Adam-type optimizer under gradients that are pure
      noise, at the peak learning rate; it is reached after about half a timescale and
      sinks with the learning rate."
    `)
  })

  test('what is unknown is said to be', () => {
    const { learningRates, steps } = RUN
    const text = renderExplanation(
      explain(PARAMETERS, 'nanogpt', { weightDecay: 0.1, learningRates, steps, form: 'gradient-l2' }),
    )
    expect(text).toContain('Survives the run      not foretold for this form of decay')
    expect(text).toContain('Tokens per parameter  unknown')
    expect(text).not.toContain('λ that others')
  })

  test.each([100, 60, 40])('every line fits in %i columns', (width) => {
    const text = renderExplanation(shakespeare({ overrides: { decay: 'gain=1' } }), { width })
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(width)
  })

  test('GPT-2 in full takes a moment only, and says what nanoGPT’s λ did', () => {
    const run = {
      weightDecay: 0.1,
      learningRates: warmupCosine({ peak: 6e-4, warmup: 2000, steps: 600_000, floor: 6e-5 }),
      steps: 600_000,
      tokensPerStep: 491_520,
      beta1: 0.9,
    }
    const parameters: readonly ParameterSpec[] = gpt2Parameters(GPT2_124M)
    expect(explain(parameters, 'nanogpt', run).verdict).toMatch(
      /^λ = 0\.1 leaves 2\.5e-7 % .* forgotten; its timescale of 16,667 steps is 2\.8 % of the run.* about the same, λ ≈ 0\.15\.$/,
    )
  })
})
