import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { totalParameters } from '../nn/parameter.ts'
import { GPT2_124M, gpt2Parameters, SHAKESPEARE } from './gpt2Parameters.test.data.ts'
import { buildLedger, survivalOf, type Ledger } from './ledger.ts'
import { renderLedger } from './ledgerTable.ts'
import { policyNames } from './policy.ts'
import { constant, valuesOver, warmupCosine } from './schedule.ts'

const SHAKESPEARE_RUN = {
  weightDecay: 0.1,
  learningRates: warmupCosine({ peak: 1e-3, warmup: 100, steps: 2000, floor: 1e-4 }),
  steps: 2000,
}
const FIXED_RUN = { weightDecay: 0.1, learningRates: constant({ peak: 6e-4 }), steps: 10 }

const shakespeare = (policy: string): Ledger => buildLedger(gpt2Parameters(SHAKESPEARE), policy, SHAKESPEARE_RUN)
const gpt2 = (policy: string): Ledger => buildLedger(gpt2Parameters(GPT2_124M), policy, FIXED_RUN)

describe('golden counts', () => {
  test('the models have the published numbers of parameters', () => {
    expect(totalParameters(gpt2Parameters(SHAKESPEARE))).toBe(804_096)
    expect(totalParameters(gpt2Parameters(GPT2_124M))).toBe(124_439_808)
  })

  // Tensors and parameters decayed: shakespeare-char-cpu of 27 and 804,096; gpt2-nanogpt@124m of 148 and 124,439,808.
  test.each([
    ['note', 18, 802_944, 50, 124_318_464],
    ['nanogpt', 18, 802_944, 50, 124_318_464],
    ['mingpt', 16, 786_432, 48, 84_934_656],
    ['gpt-1', 18, 802_944, 50, 124_318_464],
    ['llm.c', 18, 802_944, 50, 124_318_464],
    ['llm.c-cpu', 27, 804_096, 148, 124_439_808],
    ['huggingface', 18, 802_944, 50, 124_318_464],
    ['megatron', 18, 802_944, 50, 124_318_464],
    ['neox', 18, 802_944, 50, 124_318_464],
    ['olmo-2', 25, 787_584, 146, 85_056_000],
    ['levanter', 16, 786_432, 48, 84_934_656],
    ['torchtitan', 27, 804_096, 148, 124_439_808],
    ['moonlight', 27, 804_096, 148, 124_439_808],
    ['timm', 17, 794_752, 49, 123_532_032],
    ['all', 27, 804_096, 148, 124_439_808],
    ['none', 0, 0, 0, 0],
  ])('%s', (policy, smallTensors, smallParameters, largeTensors, largeParameters) => {
    expect(shakespeare(policy).totals).toEqual({
      decayed: { tensors: smallTensors, parameters: smallParameters },
      undecayed: { tensors: 27 - smallTensors, parameters: 804_096 - smallParameters },
    })
    expect(gpt2(policy).totals).toEqual({
      decayed: { tensors: largeTensors, parameters: largeParameters },
      undecayed: { tensors: 148 - largeTensors, parameters: 124_439_808 - largeParameters },
    })
  })

  test('the table above names every policy', () => {
    expect(policyNames).toHaveLength(16)
  })
})

describe('what a λ does', () => {
  test('nanoGPT’s CPU command leaves 0.896 of the initial weights', () => {
    const ledger = shakespeare('nanogpt')
    const matrix = ledger.entries.find((entry) => entry.name === 'h.0.mlp.c_fc.weight')
    expect(matrix?.survival).toBeCloseTo(0.896, 3)
    expect(matrix?.timescaleSteps).toBeCloseTo(10_000, 6)
    expect(matrix?.halfLifeSteps).toBeCloseTo(6931.4718, 3)
    expect(ledger.learningRate.peak).toBeCloseTo(1e-3, 12)
    expect(Math.exp(-0.1 * ledger.learningRate.sum)).toBeCloseTo(matrix?.survival ?? 0, 4)
  })

  test('nanoGPT’s GPT-2 run forgets its initial weights: Σ lr·λ = 19.79, survival 2.5e-9', () => {
    const rates = valuesOver(warmupCosine({ peak: 6e-4, warmup: 2000, steps: 600_000, floor: 6e-5 }), 600_000)
    expect(rates.reduce((sum, rate) => sum + rate, 0) * 0.1).toBeCloseTo(19.794, 3)
    expect(survivalOf(rates, 0.1) * 1e9).toBeCloseTo(2.5, 1)
  })

  test('survival is the product over the steps, exactly', () => {
    expect(survivalOf([0.1, 0.2, 0.4], 0.5)).toBe((1 - 0.1 * 0.5) * (1 - 0.2 * 0.5) * (1 - 0.4 * 0.5))
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), 'all', {
      weightDecay: 0.5,
      learningRates: [0.1, 0.2, 0.4],
      steps: 3,
    })
    expect(ledger.entries[0]).toMatchObject({ survival: survivalOf([0.1, 0.2, 0.4], 0.5), timescaleSteps: 5 })
    expect(ledger.learningRate).toEqual({ peak: 0.4, sum: expect.closeTo(0.7, 12) })
  })

  test('an undecayed tensor survives whole and has no half-life', () => {
    const gain = shakespeare('nanogpt').entries.find((entry) => entry.name === 'ln_f.weight')
    expect(gain).toEqual({
      name: 'ln_f.weight',
      aliases: [],
      shape: [128],
      role: 'gain',
      parameters: 128,
      weightDecay: 0,
      reason: 'fewer than two dimensions',
      form: null,
      learningRateMultiplier: 1,
      learningRateReason: null,
      learningRateFactor: 1,
      decaySchedule: null,
      halfLifeSteps: null,
      halfLifeTokens: null,
      halfLifeShare: null,
      timescaleSteps: null,
      timescaleTokens: null,
      timescaleShare: null,
      survival: 1,
      sumDecay: 0,
      equilibriumRms: null,
      equilibriumRmsExact: null,
    })
  })

  test('λ = 0 decays nothing and says so', () => {
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), 'nanogpt', { ...SHAKESPEARE_RUN, weightDecay: 0 })
    expect(ledger.totals.decayed).toEqual({ tensors: 0, parameters: 0 })
    expect(ledger.entries[0]?.reason).toBe('λ is 0 (rule: two or more dimensions)')
  })

  test('a tied head is one entry with an alias', () => {
    const entries = shakespeare('nanogpt').entries
    expect(entries.filter((entry) => entry.name === 'lm_head.weight')).toEqual([])
    expect(entries[0]).toMatchObject({ name: 'wte.weight', aliases: ['lm_head.weight'], parameters: 65 * 128 })
  })

  test('a policy’s multiplier scales λ', () => {
    const half = {
      name: 'half',
      description: 'Embeddings decay at half strength.',
      source: 'test',
      usualWeightDecay: null,
      decide: ({ role }: { role: string }) => ({ decays: role === 'embedding' ? 0.5 : true, reason: role }),
    }
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), half, SHAKESPEARE_RUN)
    expect(ledger.entries.slice(0, 2).map((entry) => entry.weightDecay)).toEqual([0.05, 0.1])
    expect(ledger.entries[0]?.timescaleSteps).toBeCloseTo(20_000, 6)
  })

  test('with tokens per step and β1, times are also in tokens and shares, and an equilibrium is foretold', () => {
    const run = { ...SHAKESPEARE_RUN, tokensPerStep: 768, beta1: 0.9 }
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), 'nanogpt', run)
    expect(ledger).toMatchObject({ form: 'decoupled', tokensPerStep: 768 })
    const [embedding] = ledger.entries
    expect(embedding).toMatchObject({ form: 'decoupled', learningRateMultiplier: 1, learningRateReason: null })
    expect(embedding?.timescaleTokens).toBeCloseTo(7_680_000, 3)
    expect(embedding?.timescaleShare).toBeCloseTo(5, 9)
    expect(embedding?.halfLifeTokens).toBeCloseTo(6931.4718 * 768, 0)
    expect(embedding?.halfLifeShare).toBeCloseTo(3.4657359, 6)
    expect(embedding?.sumDecay).toBeCloseTo(0.1 * ledger.learningRate.sum, 12)
    expect(embedding?.equilibriumRms).toBeCloseTo(Math.sqrt(1e-3 / 0.2), 12)
    expect(embedding?.equilibriumRmsExact).toBeCloseTo(0.07067, 4)
  })

  test('overrides change λ and the learning rate of what they match, and say so', () => {
    const overrides = { decay: { embedding: 0, '*.ln_?.weight': 0.05 }, learningRateScale: 'position=0.5, gain=0' }
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), 'nanogpt', { ...SHAKESPEARE_RUN, overrides })
    const at = (name: string) => ledger.entries.find((entry) => entry.name === name)
    expect(at('wte.weight')).toMatchObject({
      weightDecay: 0,
      form: null,
      survival: 1,
      reason: 'override embedding=0 (rule: two or more dimensions)',
    })
    expect(at('h.0.ln_1.weight')).toMatchObject({
      weightDecay: 0.05,
      learningRateMultiplier: 0,
      learningRateReason: 'gain=0',
      reason: 'override *.ln_?.weight=0.05 (rule: fewer than two dimensions)',
      survival: 1,
      halfLifeSteps: null,
    })
    expect(at('wpe.weight')).toMatchObject({ weightDecay: 0.1, learningRateMultiplier: 0.5 })
    expect(at('wpe.weight')?.timescaleSteps).toBeCloseTo(20_000, 6)
    expect(at('wpe.weight')?.survival).toBeCloseTo(0.9467, 3)
    expect(ledger.roles.map(({ role, weightDecay }) => [role, weightDecay])).toEqual([
      ['embedding', 0],
      ['position', 0.1],
      ['gain', 0.05],
      ['gain', 0],
      ['matrix', 0.1],
    ])
    expect(renderLedger(ledger)).toMatch(/lr ×.*\n.*embedding .* 1 /)
    expect(() =>
      buildLedger(gpt2Parameters(SHAKESPEARE), 'note', { ...SHAKESPEARE_RUN, overrides: { decay: 'head=0' } }),
    ).toThrow('matches nothing')
  })

  test('a form that cannot be foretold leaves its measures open, and the table says "?"', () => {
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), 'nanogpt', { ...SHAKESPEARE_RUN, form: 'gradient-l2' })
    expect(ledger.entries[0]).toMatchObject({ form: 'gradient-l2', survival: null, halfLifeSteps: null })
    expect(ledger.roles.find(({ role }) => role === 'gain')?.survival).toBe(1)
    const table = renderLedger(ledger)
    expect(table).toMatch(/^Weight decay: policy nanogpt, form gradient-l2, λ 0.1/)
    expect(table).toMatch(/embedding .*0\.1 +\? +\?\n/)
  })

  test('corrected decay goes by lr² in matrices and by lr elsewhere', () => {
    const ledger = buildLedger(gpt2Parameters(SHAKESPEARE), 'nanogpt', { ...SHAKESPEARE_RUN, form: 'corrected' })
    const survival = (role: string) => ledger.entries.find((entry) => entry.role === role)?.survival ?? 0
    expect(survival('embedding')).toBeCloseTo(0.896, 3)
    expect(survival('matrix')).toBeGreaterThan(0.91)
  })

  test('the ledger is plain JSON', () => {
    const ledger = shakespeare('nanogpt')
    expect(JSON.parse(JSON.stringify(ledger))).toEqual(ledger)
  })
})

test('role rows add up to the totals', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...policyNames),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      (policy, layers, bias) => {
        const parameters = gpt2Parameters({ ...SHAKESPEARE, layers, bias })
        const { roles, totals, entries } = buildLedger(parameters, policy, FIXED_RUN)
        expect(entries.map((entry) => entry.name)).toEqual(parameters.map((parameter) => parameter.name))
        expect(totals.decayed.parameters + totals.undecayed.parameters).toBe(totalParameters(parameters))
        const decayed = roles.filter((row) => row.weightDecay > 0)
        expect(decayed.reduce((sum, row) => sum + row.tensors, 0)).toBe(totals.decayed.tensors)
        expect(decayed.reduce((sum, row) => sum + row.parameters, 0)).toBe(totals.decayed.parameters)
      },
    ),
    { numRuns: 40 },
  )
})

test.each([
  [{ ...FIXED_RUN, weightDecay: -0.1 }, /weightDecay is -0.1/],
  [{ ...FIXED_RUN, weightDecay: Number.NaN }, /weightDecay is NaN/],
  [{ ...FIXED_RUN, learningRates: [0.1] }, /1 learning rates were given for 10 steps/],
  [{ ...FIXED_RUN, learningRates: [0.1, -1], steps: 2 }, /step 1 is -1/],
  [{ ...FIXED_RUN, steps: 1.5 }, /steps is 1.5/],
])('a wrong number is refused (%#)', (run, message) => {
  expect(() => buildLedger(gpt2Parameters(SHAKESPEARE), 'note', run)).toThrow(message)
})

describe('renderLedger', () => {
  test('the table of nanoGPT’s CPU command', () => {
    expect(renderLedger(shakespeare('nanogpt'))).toMatchInlineSnapshot(`
      "Weight decay: policy nanogpt, λ 0.1, peak learning rate 0.001, 2,000 steps
      role         tensors  parameters    λ  half-life (steps)  survives the run
      embedding          1       8,320  0.1              6,931            89.6 %
      position           1       8,192  0.1              6,931            89.6 %
      gain               9       1,152    –                  –             100 %
      matrix            16     786,432  0.1              6,931            89.6 %
      ──────────────────────────────────────────────────────────────────────────
      decayed           18     802,944
      not decayed        9       1,152"
    `)
  })

  test.each([80, 60, 40, 30])('every line fits in %i columns, and the totals stay', (width) => {
    const lines = renderLedger(gpt2('nanogpt'), { width }).split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
    expect(lines.at(-1)).toMatch(/^not decayed/)
  })

  test('colours change nothing but the colours', () => {
    const painted = renderLedger(shakespeare('nanogpt'), { color: true })
    expect(painted).toContain('\u001B[1m')
    // oxlint-disable-next-line no-control-regex
    const plain = painted.replaceAll(/\u001B\[\d+m/g, '').split('\n')
    expect(plain.map((line) => line.trimEnd()).join('\n')).toBe(renderLedger(shakespeare('nanogpt')))
  })

  test('a decay that overshoots is called out', () => {
    const wild = { weightDecay: 2000, learningRates: constant({ peak: 1e-3 }), steps: 3 }
    expect(renderLedger(buildLedger(gpt2Parameters(SHAKESPEARE), 'note', wild))).toMatch(
      /multiplies decayed weights by -1: lr · λ = 2\s+is 1 or more/,
    )
  })
})
