import { describe, expect, test } from 'vitest'
import { normal, zeros, type ParameterSpec } from '../nn/parameter.ts'
import { resolveGroups, type ParameterGroup } from './groups.ts'

const parameter = (name: string, aliases: readonly string[] = [], frozen = false): ParameterSpec => ({
  name,
  shape: [4, 2],
  role: 'matrix',
  init: normal(0.02),
  aliases,
  ...(frozen ? { frozen } : {}),
})
const wte = parameter('wte.weight', ['lm_head.weight'])
const fc1 = parameter('fc.weight')
const bias: ParameterSpec = { name: 'fc.bias', shape: [4], role: 'bias', init: zeros, aliases: [] }
const defaults = { learningRate: 1e-3, weightDecay: 0.01 }

const reject = (groups: readonly unknown[] | Set<unknown>, all?: readonly ParameterSpec[]) => () =>
  resolveGroups(groups as readonly ParameterGroup[], defaults, all)

describe('resolveGroups', () => {
  test('the note’s two groups', () => {
    const groups = [
      { params: [wte, fc1], weightDecay: 0.1 },
      { params: bias, weightDecay: 0 },
    ]
    expect([...resolveGroups(groups, defaults, [wte, fc1, bias])]).toEqual([
      ['wte.weight', { weightDecay: 0.1, learningRateMultiplier: 1, group: 0 }],
      ['fc.weight', { weightDecay: 0.1, learningRateMultiplier: 1, group: 0 }],
      ['fc.bias', { weightDecay: 0, learningRateMultiplier: 1, group: 1 }],
    ])
  })

  test('a plain list takes the defaults, as AdamW(params, lr, weight_decay) does', () => {
    const settings = resolveGroups([wte, fc1, bias], defaults)
    expect([...settings.values()].map(({ weightDecay }) => weightDecay)).toEqual([0.01, 0.01, 0.01])
  })

  test('a group’s learning rate becomes a multiplier of the scheduled one; unset keys take the defaults', () => {
    const settings = resolveGroups([{ params: [wte], learningRate: 5e-4 }, { params: [fc1] }], defaults)
    expect(settings.get('wte.weight')).toEqual({ weightDecay: 0.01, learningRateMultiplier: 0.5, group: 0 })
    expect(settings.get('fc.weight')).toEqual({ weightDecay: 0.01, learningRateMultiplier: 1, group: 1 })
  })

  test('or is a multiplier to begin with; not both', () => {
    const group = { params: [parameter('w')], learningRateMultiplier: 0.5 }
    expect(resolveGroups([group], defaults).get('w')).toMatchObject({ learningRateMultiplier: 0.5 })
    expect(resolveGroups([group], { ...defaults, learningRate: 0 }).get('w')?.learningRateMultiplier).toBe(0.5)
    expect(() => resolveGroups([{ ...group, learningRate: 1e-3 }], defaults)).toThrow(
      'group 0 has both a learningRate and a learningRateMultiplier; keep one of them.',
    )
    expect(() => resolveGroups([{ ...group, learningRateMultiplier: -1 }], defaults)).toThrow(
      'learningRateMultiplier of group 0 is -1',
    )
  })

  test('a frozen parameter gets no decay', () => {
    const settings = resolveGroups([{ params: [parameter('w', [], true)], weightDecay: 0.1 }], defaults)
    expect(settings.get('w')?.weightDecay).toBe(0)
  })

  test('tied names within one group are one parameter, whichever comes first', () => {
    const head = parameter('lm_head.weight')
    expect([...resolveGroups([wte, head], defaults).keys()]).toEqual(['wte.weight'])
    const mutual = parameter('lm_head.weight', ['wte.weight'])
    expect([...resolveGroups([mutual, wte], defaults).keys()]).toEqual(['lm_head.weight'])
    const chained = [parameter('a', ['x']), parameter('b', ['y']), parameter('c', ['x', 'y'])]
    expect([...resolveGroups(chained, defaults).keys()]).toEqual(['a'])
  })
})

describe('refuses', () => {
  test('a tied tensor in two groups, under either name', () => {
    const groups = [
      { params: [wte], weightDecay: 0 },
      { params: [parameter('lm_head.weight')], weightDecay: 0.1 },
    ]
    expect(reject(groups)).toThrow(
      '"lm_head.weight" (the same tensor as "wte.weight", to which it is tied) is in group 0 and in group 1',
    )
    expect(reject([{ params: [fc1] }, { params: [fc1] }])).toThrow('"fc.weight" is in group 0 and in group 1')
  })

  test('a Set, with the reason', () => {
    expect(reject(new Set([wte]))).toThrow(/came as a Set.*can change between runs/)
    expect(reject([{ params: new Set([wte]) }])).toThrow(/Group 0: params came as a Set/)
  })

  test.each([
    [[{ params: [wte], weight_decay: 0.1 }], /unknown key "weight_decay". Did you mean "weightDecay"\?/],
    [[{ params: [wte], betas: [0.9, 0.95] }], /"betas" is set once for the whole optimizer/],
    [[{ params: [wte], lr: 1 }], /unknown key "lr". A group has params, weightDecay, learningRate/],
    [[{ params: [] }], /Group 0 is empty/],
    [[], /at least one parameter or one group/],
    [[{ params: [wte] }, fc1], /mixes parameters with groups/],
    [[{ params: [fc1, fc1] }], /Group 0 lists "fc.weight" twice/],
    [[{ params: ['fc.weight'] }], /holds "fc.weight", which is no parameter/],
    [[{ params: [wte], weightDecay: -0.1 }], /weightDecay of group 0 is -0.1/],
    [[{ params: [wte], learningRate: Number.NaN }], /learningRate of group 0 is NaN/],
    [[{ params: [wte], weightDecay: '0.1' }], /weightDecay of group 0 is "0.1"; it must be a finite number/],
  ])('%#', (groups, message) => {
    expect(reject(groups)).toThrow(message)
  })

  test('a trainable parameter that is in no group, when the model is given', () => {
    expect(reject([wte, fc1], [wte, fc1, bias])).toThrow('1 trainable parameters are in no group: fc.bias')
    expect(reject([wte], [wte, parameter('w', [], true)])).not.toThrow()
  })

  test('wrong defaults, and a multiplier of zero', () => {
    expect(() => resolveGroups([wte], { learningRate: -1, weightDecay: 0 })).toThrow(
      /learningRate of the optimizer is -1/,
    )
    expect(() => resolveGroups([{ params: wte, learningRate: 1 }], { learningRate: 0, weightDecay: 0 })).toThrow(
      /no factor between them/,
    )
  })
})
