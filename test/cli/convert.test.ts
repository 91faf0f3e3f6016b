/** `halflife convert`: one λ by its names elsewhere. */
import { describe, expect, test } from 'vitest'
import { halflife } from './halflife.ts'

interface Document {
  readonly steps: number | null
  readonly conversions: readonly {
    readonly to: string
    readonly weightDecay: number | null
    readonly exact: boolean
    readonly survival: { readonly to: number | null } | null
  }[]
}

async function converted(...args: readonly string[]): Promise<Document> {
  const { code, stdout, stderr } = await halflife(['convert', ...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Document
}

describe('convert', () => {
  test('PyTorch’s 0.1 at 3e-4 is 3e-5 in Composer and 333 for PaLM’s lr²; no number in torch.optim.Adam', async () => {
    const { stdout } = await halflife(['convert', '0.1', '--lr', '3e-4'])
    expect(stdout).toMatch(/^λ = 0.1 in pytorch, lr 0.0003, constant, is\n/)
    expect(stdout).toMatch(/^composer +0\.00003 +in every step$/m)
    expect(stdout).toMatch(/^palm +333\.3 +in every step$/m)
    expect(stdout).toMatch(/^pytorch-adam +none +–$/m)
    expect(stdout).toContain('composer: η_initial is the lr given to the constructor, which must be the peak')
    expect(stdout).not.toContain('survives') // of which run?
  })

  test('under a schedule λ is the same over the whole run, and what survives says so', async () => {
    const schedule = ['--schedule', 'cosine', '--warmup', '2000', '--steps', '250000', '--floor', '3e-5']
    const { steps, conversions } = await converted('0.1', '--lr', '3e-4', ...schedule)
    expect(steps).toBe(250_000)
    const t5x = conversions.find(({ to }) => to === 't5x-adafactor')!
    expect(t5x.exact).toBe(false)
    expect(t5x.weightDecay).toBeCloseTo(1.649e-5, 8)
    for (const { survival } of conversions.filter(({ weightDecay }) => weightDecay !== null)) {
      expect(survival!.to).toBeCloseTo(0.0162, 3)
    }
  })

  test('a recipe gives its own schedule and length', async () => {
    const { steps, conversions } = await converted('0.1', '--recipe', 'gpt2-nanogpt@124m', '--to', 'composer')
    expect(steps).toBe(600_000)
    expect(conversions.map(({ to, weightDecay }) => [to, weightDecay!.toPrecision(5)])).toEqual([
      ['composer', '0.000060000'],
    ])
  })

  test('Lion’s smaller learning rate asks for a larger λ; the way back from Composer', async () => {
    const lion = await converted('0.1', '--lr', '3e-4', '--to', 'lion', '--target-lr', '6e-5')
    expect(lion.conversions[0]!.weightDecay).toBeCloseTo(0.5, 12)
    const back = await converted('1e-5', '--from', 'composer', '--to', 'pytorch', '--lr', '3e-4')
    expect(back.conversions[0]!.weightDecay).toBeCloseTo(1 / 30, 12)
    expect(back).toMatchObject({ steps: null, conversions: [{ survival: null }] })
  })

  test.each([
    [['0.1'], 'depends on the learning rate, and none is given.', '--lr 3e-4'],
    [['0.1', '--lr', '0'], 'The learning rate is 0; nothing decays.', '--lr'],
    [
      ['0.1', '--lr', '1e-3', '--schedule', 'cosine'],
      'Under a cosine schedule it matters how long the run is.',
      '--steps',
    ],
    [['0.1', '--lr', '1e-3', '--to', 'keas'], 'Unknown framework "keas".', 'Did you mean "keras"?'],
    [['0.1', '--lr', '1e-3', '--recipe', 'quickstart'], 'A recipe has its own learning rate', '--recipe, or --lr'],
    [['0.1', '--lr', '1e-3', '--target-lr', '1e-4'], '--target-lr is the learning rate of one framework', '--to'],
    [['0.1', '--lr', '1e-3', '--floor', '1e-4'], 'A constant schedule has no --floor.', '--schedule'],
    [['0.1', '--lr', '1e-3', '--decay-steps', '9'], 'A constant schedule has no --decay-steps.', 'warmup-stable-decay'],
    [
      ['0.1', '--lr', '1e-3', '--schedule', 'linear', '--steps', '9', '--floor', '1'],
      'floor (1) is above peak (0.001)',
      'Check --lr',
    ],
    [['-1', '--lr', '1e-3'], 'Expected a number, 0 or more.', '--help'],
    [['0.1', '--recipe', 'gpt3'], 'Unknown recipe "gpt3".', 'quickstart'],
  ])('%j is an error that says what to do', async (args, message, hint) => {
    const { code, stdout, stderr } = await halflife(['convert', ...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr.slice(stderr.indexOf('hint:'))).toContain(hint)
  })
})
