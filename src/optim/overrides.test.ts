import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GPT2_124M, gpt2Parameters, SHAKESPEARE } from './gpt2Parameters.test.data.ts'
import { settleDecay } from './overrides.ts'
import { matchesPattern, matchPatterns, readPatterns } from './patterns.ts'
import { policies, policyNames, PolicyError, type PolicyParameter } from './policy.ts'

const GPT2 = gpt2Parameters({ ...GPT2_124M, layers: 2 })

describe('patterns as text and as a map', () => {
  test('mean the same', () => {
    const expected = [
      { pattern: 'embedding', value: 0 },
      { pattern: '*.norm.*', value: 0.05 },
    ]
    expect(readPatterns('decay', 'embedding=0, *.norm.*=0.05')).toEqual(expected)
    expect(readPatterns('decay', ' embedding = 0,*.norm.*=5e-2')).toEqual(expected)
    expect(readPatterns('decay', { embedding: 0, '*.norm.*': 0.05 })).toEqual(expected)
    expect(readPatterns('decay', '  ')).toEqual([])
    expect(readPatterns('decay', 'gain=0, gain=0')).toEqual([{ pattern: 'gain', value: 0 }])
  })

  test.each([
    ['embedding', 'The decay pattern "embedding" has no value.'],
    ['embedding=', 'The decay pattern "embedding=" has no value.'],
    ['embedding=0,', 'The decay pattern "" has no value.'],
    ['=0', 'A decay pattern is empty.'],
    ['embedding=none', 'The decay of "embedding" is NaN; it must be a finite number, zero or more.'],
    ['embedding=-0.1', 'The decay of "embedding" is -0.1; it must be a finite number, zero or more.'],
    ['embedding=Infinity', 'The decay of "embedding" is Infinity; it must be a finite number, zero or more.'],
    ['gain=0, gain=1', 'The decay of "gain" is given as 0 and as 1.'],
  ])('%j is refused', (text, message) => {
    expect(thrown(() => readPatterns('decay', text)).message).toBe(message)
  })
})

describe('matching', () => {
  test.each([
    ['embedding', ['wte.weight']],
    ['lm_head.weight', ['wte.weight']],
    ['wte.weight', ['wte.weight']],
    ['wte', []],
    ['WTE.*', []],
    ['*.ln_?.weight', ['h.0.ln_1.weight', 'h.0.ln_2.weight', 'h.1.ln_1.weight', 'h.1.ln_2.weight']],
    ['h.1.mlp.*', ['h.1.mlp.c_fc.weight', 'h.1.mlp.c_fc.bias', 'h.1.mlp.c_proj.weight', 'h.1.mlp.c_proj.bias']],
    ['position', ['wpe.weight']],
    ['h.[01].ln_1.weight', []],
    ['ln_f.(weight|bias)', []],
    ['ln_f.?eight', ['ln_f.weight']],
  ])('%s', (pattern, names) => {
    expect(GPT2.filter((parameter) => matchesPattern(pattern, parameter)).map(({ name }) => name)).toEqual(names)
  })

  test('a dot is a dot, and a role’s name means the role even where a parameter bears it', () => {
    const parameter = { name: 'bias', aliases: [], role: 'matrix' } as const
    expect(matchesPattern('bias', parameter)).toBe(false)
    expect(matchesPattern('bia?', parameter)).toBe(true)
    expect(matchesPattern('a.b', { name: 'axb', aliases: [], role: 'matrix' })).toBe(false)
  })

  test('* alone matches everything, once each, and any name matches itself', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9_.()[\]+^$|{}\\-]{1,20}$/), (name) => {
        const parameter = { name, aliases: [], role: 'scalar' } as const
        fc.pre(
          name !== 'scalar' && !['matrix', 'embedding', 'position', 'head', 'gain', 'bias', 'router'].includes(name),
        )
        expect(matchesPattern('*', parameter)).toBe(true)
        expect(matchesPattern(name, parameter)).toBe(true)
        expect(matchesPattern(`${name}?`, parameter)).toBe(false)
      }),
    )
  })

  test('a pattern that matches nothing names itself, what is near and what there is', () => {
    expect(thrown(match('*.norm.*=0.05'))).toMatchObject({
      name: 'PolicyError',
      message: 'The decay pattern "*.norm.*" matches no parameter.',
      hint: expect.stringMatching(
        /^The roles are embedding, position, gain, bias, matrix; the names begin wte.weight, /,
      ),
    })
    expect(thrown(match('embeding=0')).hint).toMatch(/^Did you mean "embedding"\?/)
    expect(thrown(match('wte.wieght=0')).hint).toMatch(/^Did you mean "wte.weight"\?/)
    expect(thrown(match('head=0'))).toMatchObject({
      message: 'The decay pattern "head" matches nothing: the model has no parameter of that role.',
      hint: 'Its roles are embedding, position, gain, bias, matrix.',
    })
  })

  test('two patterns that disagree about a parameter are refused with their names, in either order', () => {
    expect(thrown(match('embedding=0, wte.*=0.05')).message).toBe(
      '"embedding" gives wte.weight a decay of 0, and "wte.*" gives it 0.05.',
    )
    expect(match('wte.*=0.05, embedding=0')).toThrow('gives wte.weight')
    expect(match('lm_head.*=0.05, wte.*=0')).toThrow('gives wte.weight')
    expect(match('embedding=0, wte.*=0')().get('wte.weight')).toEqual({ pattern: 'embedding', value: 0 })
  })
})

describe('settleDecay', () => {
  test('an override takes the place of the policy’s answer, and its reason keeps both', () => {
    const settled = settleDecay(policies.nanogpt, GPT2, 0.1, { decay: 'embedding=0, gain=0.05' })
    expect(settled.get('wte.weight')).toEqual({
      weightDecay: 0,
      reason: 'override embedding=0 (rule: two or more dimensions)',
      learningRateMultiplier: 1,
      learningRateReason: null,
      decaySchedule: null,
    })
    expect(settled.get('ln_f.weight')).toMatchObject({ weightDecay: 0.05 })
    expect(settled.get('ln_f.bias')).toMatchObject({ weightDecay: 0, reason: 'fewer than two dimensions' })
    expect(settled.get('h.0.mlp.c_fc.weight')).toMatchObject({ weightDecay: 0.1, reason: 'two or more dimensions' })
  })

  test('an override is λ itself: it holds where the run’s λ is 0 and under the policy none', () => {
    const one = { decay: 'matrix=0.3' }
    for (const [policy, lambda] of [
      [policies.nanogpt, 0],
      [policies.none, 0.1],
    ] as const) {
      expect(settleDecay(policy, GPT2, lambda, one).get('h.0.mlp.c_fc.weight')?.weightDecay).toBe(0.3)
      expect(settleDecay(policy, GPT2, lambda, one).get('wte.weight')?.weightDecay).toBe(0)
    }
  })

  test('schedules of λ go by the same patterns, in place of the run’s', () => {
    const overrides = { decaySchedules: { embedding: 'cosine 1 → 0' } }
    const settled = settleDecay(policies.nanogpt, GPT2, 0.1, overrides, 'tied to the learning rate')
    expect(settled.get('wte.weight')?.decaySchedule).toBe('cosine 1 → 0')
    expect(settled.get('h.0.mlp.c_fc.weight')?.decaySchedule).toBe('tied to the learning rate')
    expect(settled.get('ln_f.bias')?.decaySchedule).toBeNull() // it does not decay
    const clash = { decaySchedules: { embedding: 'a', 'wte.*': 'b' } }
    expect(() => settleDecay(policies.nanogpt, GPT2, 0.1, clash)).toThrow(
      '"embedding" gives wte.weight a decay schedule of a, and "wte.*" gives it b.',
    )
    expect(() => settleDecay(policies.nanogpt, GPT2, 0.1, { decaySchedules: { router: 'a' } })).toThrow(
      'The decay schedule pattern "router" matches nothing',
    )
  })

  test('learning-rate multipliers go by the same patterns and leave λ alone', () => {
    const settled = settleDecay(policies.nanogpt, GPT2, 0.1, { learningRateScale: { embedding: 0.1, 'h.1.*': 0 } })
    expect(settled.get('wte.weight')).toMatchObject({
      weightDecay: 0.1,
      learningRateMultiplier: 0.1,
      learningRateReason: 'embedding=0.1',
    })
    expect(settled.get('h.1.ln_1.weight')).toMatchObject({ learningRateMultiplier: 0, learningRateReason: 'h.1.*=0' })
    expect(settled.get('h.0.ln_1.weight')).toMatchObject({ learningRateMultiplier: 1, learningRateReason: null })
    expect(() => settleDecay(policies.nanogpt, GPT2, 0.1, { learningRateScale: 'head=2' })).toThrow(
      'The learning-rate scale pattern "head" matches nothing',
    )
  })

  test('a frozen parameter never decays, not even by an override that names it', () => {
    const frozen: PolicyParameter = { name: 'wpe.weight', shape: [4, 2], role: 'position', aliases: [], frozen: true }
    const settled = settleDecay(policies.all, [frozen], 0.1, { decay: 'wpe.*=1', learningRateScale: 'position=2' })
    expect(settled.get('wpe.weight')).toEqual({
      weightDecay: 0,
      reason: 'frozen: neither trained nor decayed',
      learningRateMultiplier: 1,
      learningRateReason: null,
      decaySchedule: null,
    })
  })

  test('without overrides it is the policy’s answer times λ, whatever the policy', () => {
    const parameters = gpt2Parameters({ ...SHAKESPEARE, bias: true })
    fc.assert(
      fc.property(fc.constantFrom(...policyNames), fc.double({ min: 0, max: 10, noNaN: true }), (name, lambda) => {
        const settled = settleDecay(policies[name], parameters, lambda)
        expect([...settled.keys()]).toEqual(parameters.map((parameter) => parameter.name))
        for (const parameter of parameters) {
          const answer = policies[name].decide(parameter).decays
          expect(settled.get(parameter.name)?.weightDecay).toBe(lambda * Number(answer))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('the order of patterns that do not meet changes nothing', () => {
    const parts = ['embedding=0', 'position=0.2', 'gain=0.3', 'h.0.mlp.*.weight=0.4', 'h.1.attn.*.weight=0.5']
    const expected = settleDecay(policies.note, GPT2, 0.1, { decay: parts.join(',') })
    fc.assert(
      fc.property(fc.shuffledSubarray(parts, { minLength: parts.length }), (shuffled) => {
        expect(settleDecay(policies.note, GPT2, 0.1, { decay: shuffled.join(', ') })).toEqual(expected)
      }),
      { numRuns: 20 },
    )
  })
})

/** Matching these decay patterns against GPT-2, when called. */
function match(text: string): () => ReturnType<typeof matchPatterns> {
  return () => matchPatterns('decay', readPatterns('decay', text), GPT2)
}

function thrown(action: () => unknown): PolicyError {
  try {
    action()
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
