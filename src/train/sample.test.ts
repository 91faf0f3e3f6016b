import { describe, expect, test } from 'vitest'
import { randomSequence } from '../random/index.ts'
import { resolveRecipe, type RecipeConfig } from '../recipes/index.ts'
import { float32 } from './backends.test.data.ts'
import { initialiseParameters } from './initialise.ts'
import { chooseToken, createSampler, type SampleOptions } from './sample.ts'
import { modelSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'

const config: RecipeConfig = resolveRecipe('quickstart', {
  config: { model: { layers: 1, heads: 2, width: 8, context: 4, vocab: 16 } },
}).config

describe('chooseToken', () => {
  const logits = [0, Math.log(2), Math.log(5), Math.log(2), 99]
  const choose = (temperature: number, topK = Infinity, u = 0): number => {
    return chooseToken(logits, 4, { temperature, topK, random: { uniform: () => u } })
  }
  test('temperature 0 takes the likeliest, and never a row beyond the vocabulary', () => {
    expect(choose(0)).toBe(2)
  })

  test('draws each token with its share: 1, 2, 5 and 2 of 10', () => {
    const drawn = [0.05, 0.15, 0.25, 0.35, 0.75, 0.85, 0.999].map((u) => choose(1, Infinity, u))
    expect(drawn).toEqual([0, 1, 1, 2, 2, 3, 3])
  })

  test('the k likeliest only; of equals the lower id', () => {
    const drawn = [0, 0.7, 0.72, 0.999].map((u) => choose(1, 2, u)) // 5/7 and 2/7
    expect(drawn).toEqual([2, 2, 1, 1])
    expect(choose(5, 1, 0.999)).toBe(2)
  })

  test('a low temperature sharpens, a high one flattens', () => {
    const random = randomSequence([1, 2])
    const share = (temperature: number): number => {
      const drawn = Array.from({ length: 1000 }, () => chooseToken(logits, 4, { temperature, topK: Infinity, random }))
      return drawn.filter((token) => token === 2).length / 1000
    }
    // softmax of (0, ln 2, ln 5, ln 2)/T at ln 5: 25/34 at T = 1/2, and 5^.1/(1 + 2·2^.1 + 5^.1) = 0.272 at T = 10
    expect(share(0.5)).toBeCloseTo(25 / 34, 1)
    expect(share(10)).toBeCloseTo(0.272, 1)
  })
})

describe('a sampler', () => {
  const tokenizer = { ...tinyCorpus(13).tokenizer, encode: (text: string) => Uint16Array.from(text, Number) }
  const sample = async (options: SampleOptions): Promise<number[]> => {
    const backend = float32.create()
    initialiseParameters(backend, modelSetup(config, tokenizer.vocab).parameters, 3)
    const found: number[] = []
    for await (const token of createSampler(backend, config, tokenizer).generate(options)) found.push(token)
    backend.dispose()
    return found
  }

  test('writes as many tokens as asked, beyond the context, the same for the same seed', async () => {
    const tokens = await sample({ prompt: '12', tokens: 20, seed: 7 })
    expect(tokens).toHaveLength(20)
    expect(Math.max(...tokens)).toBeLessThan(13)
    expect(await sample({ prompt: '12', tokens: 20, seed: 7 })).toEqual(tokens)
    expect(await sample({ prompt: '12', tokens: 20, seed: 8 })).not.toEqual(tokens)
  })

  test('sees the last tokens of the context and nothing before them', async () => {
    const greedy = (prompt: string) => sample({ prompt, tokens: 6, temperature: 0 })
    expect(await greedy('931234')).toEqual(await greedy('1234'))
    expect(await greedy('2')).toEqual(await sample({ prompt: '2', tokens: 6, topK: 1 }))
  })

  test.each([
    [{ tokens: -1 }, 'tokens is -1; it must be a whole number, 0 or more.'],
    [{ temperature: Number.NaN }, 'temperature is NaN; it must be a finite number, 0 or more.'],
    [{ topK: 0 }, 'topK is 0; it must be a whole number, 1 or more.'],
    [{ seed: 1.5 }, 'seed is 1.5'],
  ])('refuses %j', async (options, message) => {
    await expect(sample(options)).rejects.toThrow(message)
  })
})
