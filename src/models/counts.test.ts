/** Parameters of every published size, to the digit; nothing is allocated for them. */
import { describe, expect, test } from 'vitest'
import { activeParameters, totalParameters, type ParameterSpec } from '../nn/parameter.ts'
import { buildLedger } from '../optim/index.ts'
import { findModel, type ArchitectureName } from './index.ts'
import { published, routed, type Size } from './publishedCounts.test.data.ts'

type Counter = (size: Size & { readonly headDim?: number | null | undefined }) => number
const blocksOfBiasedNorms: Counter = ({ layers: l, width: d }) => 13 * l * d + 2 * d
const twoGains: Counter = ({ layers: l, width: d }) => (2 * l + 1) * d

/** Parameters with one dimension, which the note and nearly all trainers leave out: by the formulas of the blocks. */
const vectors: Readonly<Record<ArchitectureName, Counter>> = {
  gpt2: blocksOfBiasedNorms,
  gpt3: blocksOfBiasedNorms,
  'gpt-neox': blocksOfBiasedNorms,
  llama: twoGains,
  mistral: twoGains,
  mixtral: twoGains,
  palm: ({ layers: l, width: d }) => (l + 1) * d,
  'grok-1': ({ layers: l, width: d }) => (4 * l + 1) * d,
  olmo2: ({ layers: l, width: d, heads, kvHeads = heads }) => (2 * l + 1) * d + l * (d + (d / heads) * kvHeads),
  qwen3: ({ layers: l, width: d, headDim }) => (2 * l + 1) * d + 2 * l * headDim!,
}

/** By the note's policy. */
function undecayed(parameters: readonly ParameterSpec[]): number {
  const run = { weightDecay: 0.1, learningRates: [1e-3], steps: 1 }
  return buildLedger(parameters, 'note', run).totals.undecayed.parameters
}

describe.each(Object.entries(routed))('%s', (name, [shared, ...sizes]) => {
  test.each(sizes)('%s', (_, size, total, active) => {
    const base = { dropout: 0, stochasticDepth: 0, vocab: 0, context: 0, normEps: 1e-5, ropeTheta: 1e4 }
    const experts = { experts: 8, expertsPerToken: 2, balanceLoss: 0.02 }
    const parameters = findModel(name).declareParameters({ ...base, ...experts, ...shared, ...size })
    expect(totalParameters(parameters)).toBe(total)
    expect(activeParameters(parameters)).toBe(active)
    expect(undecayed(parameters)).toBe(vectors[name as ArchitectureName](size))
  })
})

describe.each(Object.entries(published))('%s', (name, [shared, ...sizes]) => {
  test.each(sizes)('%s', (_, size, count) => {
    const base = { dropout: 0, stochasticDepth: 0, vocab: 0, context: 0, kvHeads: size.heads }
    const parameters = findModel(name).declareParameters({ ...base, ...shared, ...size })
    expect(totalParameters(parameters)).toBe(count)
    expect(undecayed(parameters)).toBe(vectors[name as ArchitectureName]({ headDim: shared.headDim, ...size }))
  })
})
