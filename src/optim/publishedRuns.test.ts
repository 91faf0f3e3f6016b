/**
 * What λ = 0.1 meant in published runs, row by row and to the printed digit: table 1.4 of the research document on
 * weight decay (schedules as published, batch ramps ignored, nominal sizes where the table uses them).
 *
 * The table's survival is exp(−Σ lr·λ); ours is the product, and both print the same in every row.
 */
import { describe, expect, test } from 'vitest'
import { normal, type ParameterSpec } from '../nn/parameter.ts'
import { explain, type Explanation } from './explain.ts'
import { warmupCosine } from './schedule.ts'

interface PublishedRun {
  readonly name: string
  readonly parameters: number
  readonly peak: number
  readonly warmup: number
  /** Steps to the floor, a tenth of the peak; after it the floor holds. */
  readonly cosine: number
  readonly steps: number
  readonly tokensPerStep: number
}

/** GPT-3: linear warm-up over 375M tokens, cosine to 10 % over 260B, then 10 % to 300B (Brown et al. 2020, appendix B). */
const gpt3 = (name: string, parameters: number, peak: number, tokensPerStep: number): PublishedRun => ({
  name: `GPT-3 ${name}`,
  parameters,
  peak,
  warmup: Math.round(375e6 / tokensPerStep),
  cosine: 260e9 / tokensPerStep,
  steps: 300e9 / tokensPerStep,
  tokensPerStep,
})

/** LLaMA 1 and 2: 2,000 steps of warm-up, cosine to 10 %, 4M tokens per step. */
const llama = (name: string, parameters: number, peak: number, steps: number): PublishedRun => ({
  name,
  parameters,
  peak,
  warmup: 2000,
  cosine: steps,
  steps,
  tokensPerStep: 4e6,
})

/** As printed: τ at the peak, τ/steps, Σ lr·λ, survival, tokens per parameter, τ_opt, λ_opt, equilibrium RMS. */
const TABLE: readonly (readonly [PublishedRun, string])[] = [
  [gpt3('125M', 125e6, 6e-4, 0.5e6), '16,667 0.028 17.638 2.2e-8 2400 0.0179 0.155 0.0548'],
  [gpt3('350M', 350e6, 3e-4, 0.5e6), '33,333 0.056 8.819 1.5e-4 857 0.0309 0.180 0.0387'],
  [gpt3('760M', 760e6, 2.5e-4, 0.5e6), '40,000 0.067 7.349 6.4e-4 395 0.0464 0.144 0.0354'],
  [gpt3('1.3B', 1.3e9, 2e-4, 1e6), '50,000 0.167 2.940 0.053 231 0.0616 0.271 0.0316'],
  [gpt3('2.7B', 2.7e9, 1.6e-4, 1e6), '62,500 0.208 2.352 0.095 111 0.0906 0.230 0.0283'],
  [gpt3('6.7B', 6.7e9, 1.2e-4, 2e6), '83,333 0.556 0.882 0.414 45 0.146 0.380 0.0245'],
  [gpt3('13B', 13e9, 1e-4, 2e6), '100,000 0.667 0.735 0.480 23 0.207 0.322 0.0224'],
  [gpt3('175B', 175e9, 0.6e-4, 3.2e6), '166,667 1.78 0.276 0.759 1.7 0.816 0.218 0.0173'],
  [
    {
      name: 'nanoGPT 124M',
      parameters: 124e6,
      peak: 6e-4,
      warmup: 2000,
      cosine: 600_000,
      steps: 600_000,
      tokensPerStep: 491_520,
    },
    '16,667 0.028 19.794 2.5e-9 2378 0.0180 0.154 0.0548',
  ],
  [
    {
      name: 'build-nanogpt',
      parameters: 124e6,
      peak: 6e-4,
      warmup: 715,
      cosine: 19_073,
      steps: 19_073,
      tokensPerStep: 524_288,
    },
    '16,667 0.874 0.627 0.534 81 0.107 0.815 0.0548',
  ],
  [llama('LLaMA 7B', 6_738_415_616, 3e-4, 250_000), '33,333 0.133 4.122 0.0162 148 0.078 0.171 0.0387'],
  [llama('LLaMA 13B', 13_015_864_320, 3e-4, 250_000), '33,333 0.133 4.122 0.0162 77 0.110 0.121 0.0387'],
  [llama('LLaMA 33B', 32_528_943_616, 1.5e-4, 350_000), '66,667 0.190 2.886 0.0558 43 0.149 0.128 0.0274'],
  [llama('LLaMA 65B', 65_285_660_672, 1.5e-4, 350_000), '66,667 0.190 2.886 0.0558 21 0.215 0.088 0.0274'],
  [llama('LLaMA-2 7B', 6_738_415_616, 3e-4, 500_000), '33,333 0.067 8.247 2.6e-4 297 0.054 0.124 0.0387'],
  [llama('LLaMA-2 13B', 13_015_864_320, 3e-4, 500_000), '33,333 0.067 8.247 2.6e-4 154 0.076 0.087 0.0387'],
  [llama('LLaMA-2 70B', 68_976_648_192, 1.5e-4, 500_000), '66,667 0.133 4.124 0.0162 29 0.184 0.073 0.0274'],
  [
    {
      name: 'Pythia 160M',
      parameters: 162e6,
      peak: 6e-4,
      warmup: 1430,
      cosine: 143_000,
      steps: 143_000,
      tokensPerStep: 2_097_152,
    },
    '16,667 0.117 4.715 0.0090 1851 0.0206 0.567 0.0548',
  ],
  [
    {
      name: 'OLMo-2 7B stage 1',
      parameters: 7_298_617_344,
      peak: 3e-4,
      warmup: 2000,
      // Sized for 5T tokens, of which stage 1 takes 4T.
      cosine: 1_192_093,
      steps: 953_674,
      tokensPerStep: 4_194_304,
    },
    '33,333 0.035 18.743 7.2e-9 548 0.0391 0.089 0.0387',
  ],
]

describe('λ = 0.1 in', () => {
  test.each(TABLE.map(([run, printed]) => ({ ...run, printed })))('$name', ({ printed, ...run }) => {
    const { peak, warmup, cosine, steps, tokensPerStep } = run
    const explanation = explain(oneMatrix(run.parameters), 'all', {
      weightDecay: 0.1,
      learningRates: warmupCosine({ peak, warmup, steps: cosine, floor: peak / 10 }),
      steps,
      tokensPerStep,
      beta1: 0.9,
    })
    const cells = printed.split(' ')
    expect(row(explanation, explanation.survivalLimit, cells)).toEqual(cells)
    expect(row(explanation, explanation.survival, cells)).toEqual(cells)
  })
})

test('PaLM 540B: lr² per step, at 1e-2 for 10,000 steps and then 1/√step', () => {
  const steps = 255_000
  const explanation = explain(oneMatrix(540.35e9), 'all', {
    weightDecay: 1,
    form: 'lr-squared',
    learningRates: (step) => 1 / Math.sqrt(Math.max(step + 1, 10_000)),
    steps,
    // 780B tokens in all; the batch grew twice, which the mean leaves out.
    tokensPerStep: 780e9 / steps,
  })
  expect(explanation.sumLrDecay?.toFixed(4)).toBe('4.2386')
  expect(explanation.survivalLimit?.toFixed(4)).toBe('0.0144')
  expect(explanation.survival?.toFixed(4)).toBe('0.0144')
  expect(explanation.timescaleSteps).toBeCloseTo(10_000, 6)
  expect(1 / explanation.learningRate.last ** 2).toBeCloseTo(255_000, 6)
  expect(explanation.tokensPerParameter?.toFixed(1)).toBe('1.4')
  expect(explanation.equilibriumRms).toBeNull()
})

test('the same 0.1 is strong at 125M and all but inert at 175B', () => {
  expect([strengthIn(0), strengthIn(7)]).toEqual(['full', 'partial'])
})

function oneMatrix(parameters: number): readonly ParameterSpec[] {
  return [{ name: 'weights', shape: [parameters], role: 'matrix', init: normal(0.02), aliases: [] }]
}

/** The explanation's numbers with as many digits as the printed cells have. */
function row(explanation: Explanation, survival: number | null, cells: readonly string[]): string[] {
  const lines = explanation.suggestions.find(({ rule }) => rule === 'power-lines')
  const { timescaleSteps, timescaleShare, sumLrDecay, tokensPerParameter, equilibriumRms } = explanation
  const values = [
    timescaleSteps,
    timescaleShare,
    sumLrDecay,
    survival,
    tokensPerParameter,
    lines?.timescaleShare,
    lines?.weightDecay,
    equilibriumRms,
  ]
  return values.map((value, index) => printedLike(value ?? Number.NaN, cells[index] ?? ''))
}

function printedLike(value: number, cell: string): string {
  if (cell.includes('e')) return value.toExponential((cell.split('e')[0]?.length ?? 1) - 2)
  if (cell.includes(',')) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(cell.split('.')[1]?.length ?? 0)
}

/** How strong λ = 0.1 is in a row of the table. */
function strengthIn(index: number): string {
  const [run] = TABLE[index] ?? []
  if (run === undefined) throw new Error(`The table has no row ${index}.`)
  const { peak, warmup, cosine, steps } = run
  const learningRates = warmupCosine({ peak, warmup, steps: cosine, floor: peak / 10 })
  return explain(oneMatrix(run.parameters), 'all', { weightDecay: 0.1, learningRates, steps }).strength
}
