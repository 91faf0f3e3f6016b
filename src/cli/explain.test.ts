import { describe, expect, test } from 'vitest'
import { EXIT } from './errors.ts'
import { runProgram } from './program.ts'
import type { Channel } from './terminal.ts'

describe('halflife explain', () => {
  test('says in words what λ = 0.1 does to nanoGPT’s CPU command', async () => {
    const { code, out, err } = await command('explain', 'shakespeare-char-cpu')
    expect(code).toBe(EXIT.done)
    expect(out).toContain('Survives the run      89.6 % of the initial weights')
    expect(out.replaceAll('\n', ' ')).toContain('5 times the run: expect no visible effect.')
    expect(err).toContain('65 characters')
  })

  test('--json prints the promised document, and --set is heard, overrides too', async () => {
    const flags = ['--set', 'optimizer.weightDecay=2', '--set', 'optimizer.decay=embedding=0, gain=0.5']
    const { code, out } = await command('explain', 'shakespeare-char-cpu', '--json', ...flags)
    expect(code).toBe(EXIT.done)
    expect(JSON.parse(out)).toMatchObject({
      survival: expect.closeTo(0.1116, 3),
      sumLrDecay: expect.closeTo(2.1909, 3),
      timescaleSteps: expect.closeTo(500, 9),
      timescaleShare: expect.closeTo(0.25, 9),
      equilibriumRms: expect.closeTo(0.01581, 4),
      tokensPerParameter: expect.closeTo(1.9102, 3),
      epochs: null,
      strength: 'full',
      verdict: expect.stringMatching(/^λ = 2 leaves 11\.\d %/),
      parameters: { total: 804_096, decayed: 804_096 - 65 * 128 },
      groups: [
        { weightDecay: 2, roles: ['position', 'matrix'] },
        { weightDecay: 0.5, roles: ['gain'] },
      ],
      suggestions: [{ rule: 'power-lines' }, { rule: 'ema-run', weightDecay: 0.5 }, { rule: 'quarter-run' }],
    })
  })

  test('a recipe with a text counts its passes', async () => {
    const { out, err } = await command('explain', 'quickstart', '--json')
    const { epochs, suggestions } = JSON.parse(out) as { epochs: number; suggestions: { rule: string }[] }
    expect(epochs).toBeGreaterThan(1)
    expect(suggestions.map(({ rule }) => rule)).toContain('ema-epoch')
    expect(err).toBe('')
  })

  test.each([
    [['explain', 'quickstrat'], /neither a recipe nor a folder/, /Did you mean "quickstart"\?/],
    [
      ['explain', 'shakespeare-char-cpu', '--set', 'optimizer.decay=*.norm.*=0.05'],
      /The decay pattern "\*\.norm\.\*" matches no parameter/,
      /The roles are embedding, position/,
    ],
    [
      ['explain', 'shakespeare-char-cpu', '--set', 'optimizer.decay=embedding=0, wte.*=1'],
      /"embedding" gives wte\.weight a decay of 0, and "wte\.\*" gives it 1/,
      /narrow one of them/,
    ],
    [['explain'], /missing required argument/i, /--help/],
  ])('%j is refused in words', async (args, message, hint) => {
    const { code, out, err } = await command(...args)
    expect(code).toBe(EXIT.usage)
    expect(out).toBe('')
    expect(err).toMatch(message)
    expect(err).toMatch(hint)
  })
})

interface Told {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function command(...args: string[]): Promise<Told> {
  const [out, err] = [recorder(), recorder()]
  const code = await runProgram(args, { out, err })
  return { code, out: out.text(), err: err.text() }
}

function recorder(): Channel & { text(): string } {
  const lines: string[] = []
  return {
    write: (text) => void lines.push(text),
    line: (text = '') => void lines.push(text),
    style: (_, text) => text,
    color: false,
    interactive: false,
    width: () => 80,
    text: () => lines.join('\n'),
  }
}
