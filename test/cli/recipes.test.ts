/** `halflife recipes` and `halflife plan` on the built program. */
import { describe, expect, test } from 'vitest'
import { halflife } from './halflife.ts'

describe('recipes', () => {
  test('lists those of no family and the families with their sizes', async () => {
    const { code, stdout } = await halflife(['recipes'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {2}quickstart +\S/m)
    expect(stdout).toMatch(/^ {2}gpt3 +nano micro mini 125m 350m .* 175b$/m)
  })

  test('shows every value of one with evidence and source', async () => {
    const { stdout } = await halflife(['recipes', 'palm@540b'])
    expect(stdout).toMatch(/^optimizer\.form +lr-squared +published +Chowdhery/m)
    const { fields } = JSON.parse((await halflife(['recipes', 'palm@540b', '--json'])).stdout) as {
      fields: Record<string, { value: unknown; evidence: string }>
    }
    expect(fields['model.layers']).toMatchObject({ value: 118, evidence: 'published' })
  })

  test('compares two', async () => {
    const { stdout } = await halflife(['recipes', 'palm@8b', '--diff', 'palm-note@8b'])
    expect(stdout).toMatch(/^optimizer\.weightDecay +1 \(published\) → 0\.1 \(note\)$/m)
    expect(stdout).not.toMatch(/model\.layers/)
    const other = await halflife(['recipes', 'llama@7b', '--diff', 'mistral@7b', '--json'])
    const { differences } = JSON.parse(other.stdout) as { differences: { path: string; before: unknown }[] }
    expect(differences.find(({ path }) => path === 'model.window')?.before).toBeNull()
  })

  test.each([
    [['recipes', 'lama@7b'], /Unknown recipe "lama@7b"/, /Did you mean "llama@7b"/],
    [['recipes', '--diff', 'llama@7b'], /--diff compares two recipes/, /Name the other/],
    [['train', 'llama2'], /Unknown recipe "llama2"/, /Its sizes are llama2@nano, .*llama2@70b/],
    [['train', 'gpt2-note@124m'], /Unknown recipe/, /gpt2-note is called gpt2: gpt2@124m/],
  ])('%j is refused', async (args, message, hint) => {
    const { code, stderr, stdout } = await halflife(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(hint)
  })
})

describe('plan', () => {
  test('540 billion parameters, on paper', async () => {
    const args = ['plan', 'palm@540b', '--device', '275e12', '--devices', '6144', '--utilisation', '0.462', '--json']
    const { code, stdout } = await halflife(args)
    expect(code).toBe(0)
    const plan = JSON.parse(stdout) as Record<string, never> & {
      parameters: { total: number; byRole: unknown }
      tokens: number
      memory: { total: number }
      survival: number
      time: { seconds: number }
    }
    expect(plan.parameters.total).toBe(540_356_474_880)
    expect(plan.survival).toBeCloseTo(0.0144, 4)
    expect(plan.memory.total).toBeGreaterThan(8e12)
    // 776 of the 780 billion tokens, by 6·N and attention's share
    expect(plan.tokens / 780e9).toBeCloseTo(1, 1)
    expect(plan.time.seconds / 86_400).toBeCloseTo(37.7, 1)
  })

  test('says where a source misprints a size', async () => {
    const { stdout } = await halflife(['plan', 'gpt3@13b'])
    expect(stdout).toMatch(
      /^Parameters +12,853,386,240\n +Table 2\.1 prints a width of 5,140, which would make 12,936,488,380/m,
    )
    const { stdout: shown } = await halflife(['recipes', 'grok-1@314b'])
    expect(shown).toMatch(/^grok-1@314b: .*leaves the token table out: 314,879,514,624\./)
  })

  test.each([
    [['plan', 'gpt2@124m', '--device', 'abacus'], /FLOP\/s above 0/],
    [['plan', 'gpt2@124m', '--tokens', '1e9', '--steps', '5'], /both say how long/],
    [['plan', 'quickstart', '--tokens', '1e15'], /too many to walk through/],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await halflife(args)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})
