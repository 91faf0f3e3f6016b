import { describe, expect, test } from 'vitest'
import { resolveRecipe, type RecipeConfig } from '../recipes/index.ts'
import { float32 } from './backends.test.data.ts'
import { initialiseParameters } from './initialise.ts'
import { createSampler, type Generation, type SampleOptions } from './sample.ts'
import { modelSetup } from './setup.ts'
import { tinyCorpus } from './tiny.test.data.ts'

const config: RecipeConfig = resolveRecipe('quickstart', {
  config: { model: { layers: 1, heads: 2, width: 8, context: 4, vocab: 16 } },
}).config

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

  test('writes the text that its tokens are, and ends it before a stop string', async () => {
    const backend = float32.create()
    const digits = {
      ...tokenizer,
      decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => 'abcdefghijklm'[id]).join(''),
    }
    initialiseParameters(backend, modelSetup(config, digits.vocab).parameters, 3)
    const sampler = createSampler(backend, config, digits)
    const written = async (options: SampleOptions): Promise<[string, Generation]> => {
      const pieces = sampler.write({ prompt: '12', tokens: 20, seed: 7, ...options })
      for (let text = ''; ;) {
        const next = await pieces.next()
        if (next.done === true) return [text, next.value]
        text += next.value
      }
    }
    const [whole, generation] = await written({})
    expect(whole).toBe(digits.decode(await sample({ prompt: '12', tokens: 20, seed: 7 })))
    expect(await sampler.text({ prompt: '12', tokens: 20, seed: 7 })).toBe(`12${whole}`)
    expect(generation).toMatchObject({ reason: 'tokens', promptTokens: 2, tokens: 20 })
    expect(generation.tokensPerSecond).toBeGreaterThan(0)
    const stop = whole.slice(5, 8)
    const [cut, early] = await written({ stop: ['never', stop] })
    expect(cut).toBe(whole.slice(0, whole.indexOf(stop)))
    expect(early).toMatchObject({ reason: 'stop', tokens: whole.indexOf(stop) + 3 })
    backend.dispose()
  })

  test('ends at the token that ends a document, unless told to go on', async () => {
    const backend = float32.create()
    initialiseParameters(backend, modelSetup(config, tokenizer.vocab).parameters, 3)
    const free = await sample({ prompt: '12', tokens: 20, seed: 7 })
    const sampler = createSampler(backend, config, { ...tokenizer, end: free[4]! })
    const ids = async (options: SampleOptions): Promise<number[]> => {
      const found: number[] = []
      for await (const id of sampler.generate({ prompt: '12', tokens: 20, seed: 7, ...options })) found.push(id)
      return found
    }
    expect(await ids({})).toEqual(free.slice(0, free.indexOf(free[4]!)))
    expect(await ids({ ignoreEnd: true })).toEqual(free)
    backend.dispose()
  })

  test('begins where the tokenizer says a document begins', async () => {
    const backend = float32.create()
    initialiseParameters(backend, modelSetup(config, tokenizer.vocab).parameters, 3)
    const sampler = createSampler(backend, config, { ...tokenizer, begin: [1, 2] })
    const found: number[] = []
    for await (const id of sampler.generate({ tokens: 5, temperature: 0 })) found.push(id)
    expect(found).toEqual(await sample({ prompt: '12', tokens: 5, temperature: 0 }))
    backend.dispose()
  })

  test.each([
    [{ topP: 0 }, 'topP is 0; it must be above 0 and at most 1.'],
    [{ minP: 1.5 }, 'minP is 1.5; it must be from 0 to 1.'],
    [{ repetitionPenalty: 0.5 }, 'repetitionPenalty is 0.5; it must be a finite number, 1 or more.'],
    [{ stop: [''] }, 'A stop string is empty'],
    [{ tokens: -1 }, 'tokens is -1; it must be a whole number, 0 or more.'],
    [{ temperature: Number.NaN }, 'temperature is NaN; it must be a finite number, 0 or more.'],
    [{ topK: 0 }, 'topK is 0; it must be a whole number, 1 or more.'],
    [{ seed: 1.5 }, 'seed is 1.5'],
  ])('refuses %j', async (options, message) => {
    await expect(sample(options)).rejects.toThrow(message)
  })
})
