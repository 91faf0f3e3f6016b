import { describe, expect, test } from 'vitest'
import { GPT2_124M, gpt2Parameters, SHAKESPEARE } from './gpt2Parameters.test.data.ts'
import { buildLedger, type Ledger } from './ledger.ts'
import { diffLedgers } from './ledgerDiff.ts'
import { renderLedgerDiff } from './ledgerDiffTable.ts'
import { decayLinear } from './decaySchedule.ts'
import { constant, warmupCosine } from './schedule.ts'

const SHAKESPEARE_RUN = {
  weightDecay: 0.1,
  learningRates: warmupCosine({ peak: 1e-3, warmup: 100, steps: 2000, floor: 1e-4 }),
  steps: 2000,
}
const FIXED_RUN = { weightDecay: 0.1, learningRates: constant({ peak: 6e-4 }), steps: 10 }

const shakespeare = (policy: string): Ledger => buildLedger(gpt2Parameters(SHAKESPEARE), policy, SHAKESPEARE_RUN)
const gpt2 = (policy: string): Ledger => buildLedger(gpt2Parameters(GPT2_124M), policy, FIXED_RUN)

const survival = (ledger: Ledger) => ledger.entries.find(({ name }) => name === 'wte.weight')?.survival ?? NaN

describe('diffLedgers', () => {
  test('lists the tensors that change sides, in the model’s order', () => {
    const diff = diffLedgers(shakespeare('nanogpt'), shakespeare('olmo-2'))
    expect(diff.stopDecaying.map((change) => change.name)).toEqual(['wte.weight', 'wpe.weight'])
    expect(diff.startDecaying).toHaveLength(9)
    expect(diff.startDecaying[0]).toEqual({
      name: 'h.0.ln_1.weight',
      shape: [128],
      role: 'gain',
      parameters: 128,
      before: {
        weightDecay: 0,
        reason: 'fewer than two dimensions',
        learningRateMultiplier: 1,
        form: null,
        decaySchedule: null,
      },
      after: {
        weightDecay: 0.1,
        reason: 'everything else decays',
        learningRateMultiplier: 1,
        form: 'decoupled',
        decaySchedule: null,
      },
    })
    expect(diff).toMatchObject({
      before: 'nanogpt',
      after: 'olmo-2',
      otherWeightDecay: [],
      onlyBefore: [],
      onlyAfter: [],
    })
  })

  test('tells another λ from a change of sides, and tensors of one model only', () => {
    const parameters = gpt2Parameters(SHAKESPEARE)
    const stronger = buildLedger(parameters, 'nanogpt', { ...SHAKESPEARE_RUN, weightDecay: 0.2 })
    expect(diffLedgers(shakespeare('nanogpt'), stronger).otherWeightDecay).toHaveLength(18)
    const biased = buildLedger(gpt2Parameters({ ...SHAKESPEARE, bias: true }), 'nanogpt', SHAKESPEARE_RUN)
    const diff = diffLedgers(biased, shakespeare('nanogpt'))
    expect(diff.onlyBefore).toHaveLength(4 * 6 + 1)
    expect(diff.onlyAfter).toEqual([])
  })

  test('tells another schedule of λ, and an optimizer’s own factor on the learning rate', () => {
    const schedules = new Map([['linear 1 → 0', decayLinear({ from: 1, to: 0, steps: SHAKESPEARE_RUN.steps })]])
    const parameters = gpt2Parameters(SHAKESPEARE)
    const falling = buildLedger(parameters, 'nanogpt', { ...SHAKESPEARE_RUN, schedules, scheduleName: 'linear 1 → 0' })
    const diff = diffLedgers(shakespeare('nanogpt'), falling)
    expect(diff.otherSchedule).toHaveLength(18)
    expect(diff.otherWeightDecay).toEqual([])
    expect(renderLedgerDiff(diff)).toContain('constant → linear 1 → 0')
    const slower = buildLedger(parameters, 'nanogpt', {
      ...SHAKESPEARE_RUN,
      learningRateFactor: ({ role }) => (role === 'matrix' ? 1 : 0.5),
    })
    const scaled = diffLedgers(shakespeare('nanogpt'), slower).otherLearningRate
    expect(scaled.map(({ role }) => role)).not.toContain('matrix')
    expect(scaled[0]).toMatchObject({ name: 'wte.weight', after: { learningRateMultiplier: 0.5 } })
    expect(survival(falling)).toBeGreaterThan(survival(shakespeare('nanogpt')))
    expect(survival(slower)).toBeCloseTo(Math.sqrt(survival(shakespeare('nanogpt'))), 4)
  })

  test('nothing differs between equal ledgers', () => {
    const { before, after, ...lists } = diffLedgers(shakespeare('note'), shakespeare('nanogpt'))
    expect([before, after]).toEqual(['note', 'nanogpt'])
    expect(Object.values(lists).flat()).toEqual([])
  })
})

describe('renderLedgerDiff', () => {
  test('nanogpt against olmo-2 on GPT-2: layers share a row, and both rules are named', () => {
    expect(renderLedgerDiff(diffLedgers(gpt2('nanogpt'), gpt2('olmo-2')))).toMatchInlineSnapshot(`
      "Weight decay: from nanogpt to olmo-2

      decays in olmo-2 only: 98 tensors, 121,344 parameters
      tensor                    role  parameters        λ
      h.*.ln_1.weight ×12       gain       9,216  – → 0.1
      h.*.ln_1.bias ×12         bias       9,216  – → 0.1
      h.*.attn.c_attn.bias ×12  bias      27,648  – → 0.1
      h.*.attn.c_proj.bias ×12  bias       9,216  – → 0.1
      h.*.ln_2.weight ×12       gain       9,216  – → 0.1
      h.*.ln_2.bias ×12         bias       9,216  – → 0.1
      h.*.mlp.c_fc.bias ×12     bias      36,864  – → 0.1
      h.*.mlp.c_proj.bias ×12   bias       9,216  – → 0.1
      ln_f.weight               gain         768  – → 0.1
      ln_f.bias                 bias         768  – → 0.1
        nanogpt: fewer than two dimensions; olmo-2: everything else decays

      decays in nanogpt only: 2 tensors, 39,383,808 parameters
      tensor      role       parameters        λ
      wte.weight  embedding  38,597,376  0.1 → –
      wpe.weight  position      786,432  0.1 → –
        nanogpt: two or more dimensions; olmo-2: embedding table (a tied head goes
        with it)"
    `)
  })

  test('another λ, form, learning rate and model are told apart', () => {
    const overrides = { decay: 'position=0.2', learningRateScale: 'embedding=0.1' }
    const before = buildLedger(gpt2Parameters(SHAKESPEARE), 'nanogpt', { ...SHAKESPEARE_RUN, overrides })
    const wide = buildLedger(gpt2Parameters({ ...SHAKESPEARE, layers: 5 }), 'nanogpt', {
      ...SHAKESPEARE_RUN,
      form: 'fixed',
    })
    const diff = diffLedgers(before, wide, ['runs/a', 'runs/b'])
    expect(diff.otherWeightDecay.map(({ name }) => name)).toEqual(['wpe.weight'])
    expect(diff.otherForm).toHaveLength(17)
    expect(diff.otherLearningRate.map(({ name }) => name)).toEqual(['wte.weight'])
    const text = renderLedgerDiff(diff, { width: 60 })
    expect(text).toMatch(/^Weight decay: from runs\/a to runs\/b/)
    expect(text).toMatch(/another λ: 1 tensor, 8,192 parameters/)
    expect(text).toMatch(/wpe\.weight .* 0\.2 → 0\.1/)
    expect(text).toMatch(/h\.\*\.mlp\.c_fc\.weight ×4 .*decoupled → fixed/)
    expect(text).toMatch(/0\.1 → 1/)
    expect(text).toMatch(/Only runs\/b has 6 tensors \(h\.4\.ln_1\.weight,\s/)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60)
  })

  test('models of other sizes that decay alike', () => {
    const deep = buildLedger(gpt2Parameters({ ...SHAKESPEARE, layers: 5 }), 'nanogpt', SHAKESPEARE_RUN)
    expect(renderLedgerDiff(diffLedgers(deep, shakespeare('nanogpt'), ['deep', 'shallow']))).toBe(
      'Weight decay: from deep to shallow\nThe tensors that both have decay alike.\n\n' +
        'Only deep has 6 tensors (h.4.ln_1.weight, h.4.attn.c_attn.weight,\n' +
        'h.4.attn.c_proj.weight, h.4.ln_2.weight, …).',
    )
  })

  test('a ledger saved by the first version compares as decoupled with multipliers of 1', () => {
    const now = shakespeare('nanogpt')
    const saved = {
      policy: now.policy,
      entries: now.entries.map(({ name, shape, role, parameters, weightDecay, reason }) => {
        return { name, shape, role, parameters, weightDecay, reason }
      }),
    }
    expect(renderLedgerDiff(diffLedgers(saved, now, ['runs/old', 'now']))).toBe(
      'Weight decay: from runs/old to now\nThe same tensors decay, with the same λ.',
    )
  })
})
