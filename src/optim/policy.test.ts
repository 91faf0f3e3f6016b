import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ROLES, type Role } from '../nn/parameter.ts'
import { GPT2_124M, gpt2Parameters } from './gpt2Parameters.test.data.ts'
import { nearest } from './nearest.ts'
import {
  decide,
  decideAll,
  findPolicy,
  policies,
  policyNames,
  type DecayAnswer,
  type Policy,
  type PolicyParameter,
} from './policy.ts'

const at = (name: string, shape: readonly number[], role: Role): PolicyParameter => ({ name, shape, role, aliases: [] })

/** peers.md §1.1: what each decays, for parameters of the usual shapes. */
const CASES: readonly PolicyParameter[] = [
  at('wte.weight', [50257, 768], 'embedding'),
  at('wpe.weight', [1024, 768], 'position'),
  at('h.0.attn.c_attn.weight', [2304, 768], 'matrix'),
  at('lm_head.weight', [50257, 768], 'head'),
  at('h.0.attn.c_attn.bias', [2304], 'bias'),
  at('h.0.ln_1.weight', [768], 'gain'),
  at('h.0.moe.gate.weight', [8, 768], 'router'),
  at('logit_scale', [], 'scalar'),
  at('stacked.ln_1.weight', [64, 6144], 'gain'),
  at('relative_attention_table', [32, 12], 'bias'),
]

test.each([
  //                emb pos mat head bias gain rout scal 2-D gain, 2-D bias
  ['note', '        yes yes yes yes  no   no   yes  no   no  no'],
  ['nanogpt', '     yes yes yes yes  no   no   yes  no   yes yes'],
  ['mingpt', '      no  no  yes yes  no   no   yes  no   no  no'],
  ['gpt-1', '       yes yes yes yes  no   no   yes  no   yes yes'],
  ['llm.c', '       yes yes yes yes  no   no   no   no   no  no'],
  ['llm.c-cpu', '   yes yes yes yes  yes  yes  yes  yes  yes yes'],
  ['huggingface', ' yes yes yes yes  no   no   yes  yes  no  no'],
  ['megatron', '    yes yes yes yes  no   no   yes  yes  yes no'],
  ['neox', '        yes yes yes yes  no   no   yes  yes  no  no'],
  ['olmo-2', '      no  no  yes yes  yes  yes  yes  yes  yes yes'],
  ['levanter', '    no  no  yes yes  no   no   yes  yes  no  no'],
  ['torchtitan', '  yes yes yes yes  yes  yes  yes  yes  yes yes'],
  ['moonlight', '   yes yes yes yes  yes  yes  yes  yes  yes yes'],
  ['timm', '        yes no  yes yes  no   no   yes  no   yes no'],
  ['all', '         yes yes yes yes  yes  yes  yes  yes  yes yes'],
  ['none', '        no  no  no  no   no   no   no   no   no  no'],
])('policy %s decays what its source decays', (name, expected) => {
  const answers = CASES.map((parameter) => (decide(findPolicy(name), parameter).multiplier === 1 ? 'yes' : 'no'))
  expect(answers).toEqual(expected.trim().split(/\s+/))
})

test('the table above covers every policy, and each says where it was read', () => {
  expect(policyNames).toHaveLength(16)
  for (const name of policyNames) {
    expect(policies[name].source.length).toBeGreaterThan(5)
    expect(policies[name].description).toMatch(/\.$/)
  }
})

describe('the note’s rule', () => {
  test('by role agrees with the note’s code on GPT-2', () => {
    for (const parameter of gpt2Parameters(GPT2_124M)) {
      const byRole = decide(policies.note, parameter).multiplier === 1
      expect(byRole, parameter.name).toBe(asWritten(parameter.name, parameter.shape))
    }
  })

  test.each([
    at('rms_norm.scale', [64, 6144], 'gain'),
    at('q_norm', [32, 128], 'gain'),
    at('relative_attention_bias.weight', [32, 12], 'embedding'),
  ])('and differs where the name misleads: $name', (parameter) => {
    expect(decide(policies.note, parameter).multiplier === 1).not.toBe(asWritten(parameter.name, parameter.shape))
  })
})

test('huggingface also reads names: T5’s table is left out because of "bias" in its name', () => {
  const table = at('relative_attention_bias.weight', [32, 12], 'embedding')
  expect(decide(policies.huggingface, table)).toEqual({
    multiplier: 0,
    reason: 'its name speaks of a bias or a norm',
  })
})

test('a frozen parameter never decays', () => {
  const frozen = { ...at('wte.weight', [4, 2], 'embedding'), frozen: true }
  for (const name of policyNames) expect(decide(policies[name], frozen).multiplier).toBe(0)
})

describe('errors', () => {
  test('an unknown policy lists the known ones and suggests the nearest', () => {
    const caught = thrown(() => findPolicy('nanoGTP'))
    expect(caught).toMatchObject({
      name: 'PolicyError',
      message: 'Unknown decay policy "nanoGTP".',
      hint: expect.stringMatching(/^Did you mean "nanogpt"\? The policies are: note, nanogpt, .*none\.$/),
    })
    expect(thrown(() => findPolicy('zebra'))).toMatchObject({ hint: expect.not.stringContaining('Did you mean') })
    expect(() => findPolicy('constructor')).toThrow('Unknown decay policy "constructor"')
  })

  test('a policy of one’s own may multiply λ, but only by a finite number of zero or more', () => {
    const parameter = at('w', [2, 2], 'matrix')
    expect(decide(own(0.5), parameter)).toEqual({ multiplier: 0.5, reason: 'because' })
    expect(() => decide(own(-1), parameter)).toThrow('Policy "own" answered decays = -1 for "w"')
    expect(() => decide(own(Number.NaN), parameter)).toThrow('decays = NaN')
  })

  test('a tied tensor given twice, under its name or its alias, is refused', () => {
    const tied = { ...at('wte.weight', [4, 2], 'embedding'), aliases: ['lm_head.weight'] }
    const again = at('lm_head.weight', [4, 2], 'head')
    expect(() => decideAll(policies.note, [tied, again])).toThrow(
      '"lm_head.weight" stands for two parameters: "wte.weight" and "lm_head.weight".',
    )
  })
})

describe('properties', () => {
  const parameters = fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z][a-z._]{0,12}$/),
      shape: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
      role: fc.constantFrom(...ROLES),
      aliases: fc.constant<readonly string[]>([]),
      frozen: fc.boolean(),
    }),
    { selector: (parameter) => parameter.name, maxLength: 20 },
  )

  test('each parameter is answered exactly once, and order changes no answer', () => {
    const shuffled = parameters.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length })),
    )
    fc.assert(
      fc.property(fc.constantFrom(...policyNames), shuffled, (name, [list, other]) => {
        const answers = decideAll(policies[name], list)
        const again = decideAll(policies[name], other)
        expect([...answers.keys()]).toEqual(list.map((parameter) => parameter.name))
        expect(new Map([...again].toSorted(byKey))).toEqual(new Map([...answers].toSorted(byKey)))
      }),
      { numRuns: 60 },
    )
  })
})

test('nearest finds typing errors and the last part of a path, and gives up on the rest', () => {
  const paths = ['model.heads', 'model.width', 'optimizer.weightDecay', 'train.batchSize']
  expect(nearest('heads', paths)).toBe('model.heads')
  expect(nearest('optimizer.weight_decay', paths)).toBe('optimizer.weightDecay')
  expect(nearest('train.bathcSize', paths)).toBe('train.batchSize')
  expect(nearest('optmizer.weightdecy', paths)).toBe('optimizer.weightDecay')
  expect(nearest('train.heads', paths)).toBe('model.heads')
  expect(nearest('flux.capacitor', paths)).toBeUndefined()
  expect(nearest('optimizer.lr', [...paths, 'optimizer.eps'])).toBeUndefined()
  expect(nearest('llm-c', ['llm.c', 'llm.c-cpu'])).toBe('llm.c')
})

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}

function thrown(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

/** The rule as the note writes it in Python. */
function asWritten(name: string, shape: readonly number[]): boolean {
  return !(name.includes('bias') || name.includes('layer_norm') || shape.length === 1)
}

function own(decays: boolean | number): Policy {
  const decide = (): DecayAnswer => ({ decays, reason: 'because' })
  return { name: 'own', description: 'Mine.', source: 'me', usualWeightDecay: null, decide }
}
