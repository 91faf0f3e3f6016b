import { describe, expect, test } from 'vitest'
import { normal, ones, parameterCount, parameterList, totalParameters, truncatedNormal, zeros } from './parameter.ts'

describe('parameterList', () => {
  test('keeps the order of declaration, and a tied tensor is one parameter', () => {
    const parameters = parameterList()
    parameters.declare('wte.weight', [65, 128], 'embedding', normal(0.02))
    parameters.declare('ln_f.weight', [128], 'gain', ones)
    parameters.declare('scale', [], 'scalar', zeros, { frozen: true })
    parameters.tie('lm_head.weight', 'wte.weight')
    parameters.tie('decoder.weight', 'lm_head.weight')
    expect(parameters.list()).toEqual([
      {
        name: 'wte.weight',
        shape: [65, 128],
        role: 'embedding',
        init: { kind: 'normal', std: 0.02 },
        aliases: ['lm_head.weight', 'decoder.weight'],
      },
      { name: 'ln_f.weight', shape: [128], role: 'gain', init: { kind: 'ones' }, aliases: [] },
      { name: 'scale', shape: [], role: 'scalar', init: { kind: 'zeros' }, aliases: [], frozen: true },
    ])
    expect(totalParameters(parameters.list())).toBe(65 * 128 + 128 + 1)
    expect(parameterCount([])).toBe(1)
  })

  test('a name can be used once, as a name or as a tie', () => {
    const parameters = parameterList()
    parameters.declare('wte.weight', [4, 2], 'embedding', normal(0.02))
    parameters.tie('lm_head.weight', 'wte.weight')
    expect(() => parameters.declare('wte.weight', [4, 2], 'embedding', zeros)).toThrow(
      /"wte.weight" is declared already/,
    )
    expect(() => parameters.declare('lm_head.weight', [4, 2], 'head', zeros)).toThrow(/already tied to "wte.weight"/)
    expect(() => parameters.tie('lm_head.weight', 'wte.weight')).toThrow(/already tied/)
    expect(() => parameters.tie('x', 'wt.weight')).toThrow(/no such parameter; declare "wt.weight" first/)
    expect(parameters.list()).toHaveLength(1)
  })

  test.each([
    ['', [2], zeros, /non-empty/],
    ['a b', [2], zeros, /spaces/],
    ['w', [2, 0], zeros, /\[2, 0\]/],
    ['w', [1.5], zeros, /positive whole/],
    ['w', [2], normal(-1), /std -1/],
    ['w', [2], normal(Number.NaN), /std NaN/],
    ['w', [2], truncatedNormal(1, 0), /bound 0/],
    ['w', [2], { kind: 'constant', value: Number.POSITIVE_INFINITY } as const, /Infinity/],
  ])('refuses %j %j %j', (name, shape, init, message) => {
    expect(() => parameterList().declare(name, shape, 'matrix', init)).toThrow(message)
  })
})
