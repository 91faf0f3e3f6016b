import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tokenizerRecord } from '../records/index.ts'
import { charactersOf, charTokenizer } from './charTokenizer.ts'
import { DataError } from './dataError.ts'
import { TOKENIZER_NAMES } from './tokenizerNames.ts'
import { openTokenizer, tokenizerFromDescription } from './tokenizers.ts'

const anyText = fc.string({ unit: 'binary' })
const char = charTokenizer(charactersOf(['hello wörld 🦙\n']))

function errorOf(run: () => unknown): DataError {
  try {
    run()
  } catch (error) {
    if (error instanceof DataError) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

describe('every tokenizer', () => {
  it.each([...TOKENIZER_NAMES, 'ids'] as const)('%s comes back from its description', async (name) => {
    const description =
      name === 'char' ? char.describe() : name === 'ids' ? ({ name, vocab: 65 } as const) : ({ name } as const)
    const tokenizer = await tokenizerFromDescription(tokenizerRecord.parse(JSON.parse(JSON.stringify(description))))
    expect(tokenizer.name).toBe(name)
    expect(tokenizer.describe()).toEqual(description)
    const text = name === 'ids' ? '3 14 15' : 'hello wörld 🦙\n'
    const ids = tokenizer.encode(text)
    expect(ids).toBeInstanceOf(Uint16Array)
    expect(Math.max(...ids)).toBeLessThan(tokenizer.vocab)
    expect(tokenizer.decode(ids)).toBe(text)
    expect(tokenizer.encode('')).toHaveLength(0)
    expect(tokenizer.decode([])).toBe('')
    expect(errorOf(() => tokenizer.decode([0, tokenizer.vocab])).message).toMatch(
      `token id ${tokenizer.vocab} at position 1`,
    )
    expect(errorOf(() => tokenizer.decode([-1])).message).toMatch('token id -1')
  })

  it.each(['byte', 'gpt2'] as const)('%s writes any text', async (name) => {
    const tokenizer = await tokenizerFromDescription({ name })
    fc.assert(fc.property(anyText, (text) => tokenizer.decode(tokenizer.encode(text)) === text))
    expect(tokenizer.decode(tokenizer.encode('\uFEFFmark'))).toBe('\uFEFFmark')
  })

  it('is known by its name', async () => {
    expect((await openTokenizer('gpt2', () => [])).vocab).toBe(50_257)
    expect((await openTokenizer('char', () => ['ba', 'cb'])).describe()).toEqual({ name: 'char', characters: 'abc' })
    const error: unknown = await openTokenizer('gpt-2', () => []).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(DataError)
    expect(error).toMatchObject({
      message: 'Unknown tokenizer "gpt-2".',
      hint: expect.stringContaining('char, byte, gpt2'),
    })
  })
})

describe('char', () => {
  it('numbers characters by code point, as nanoGPT does', () => {
    // 'ﬀ' (U+FB00) comes before '🦙' (U+1F999), although its UTF-16 unit is the larger one.
    expect(charactersOf(['b🦙aﬀb'])).toBe('abﬀ🦙')
    expect([...charTokenizer('abﬀ🦙').encode('🦙aﬀ')]).toEqual([3, 0, 2])
  })

  it('writes any text over its alphabet', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(text !== '')
        const tokenizer = charTokenizer(charactersOf([text]))
        const ids = tokenizer.encode(text)
        expect(tokenizer.decode(ids)).toBe(text)
        expect(new Set(ids).size).toBe(tokenizer.vocab)
      }),
    )
  })

  it('names a character that it does not know, and its place', () => {
    const { message } = errorOf(() => char.encode('hello\n🦙 heéo'))
    expect(message).toContain('"é" (U+00E9) at position 10 (line 2, column 5)')
    expect(message).toContain(`vocabulary of ${char.vocab} characters`)
  })

  it('refuses a damaged alphabet', () => {
    expect(errorOf(() => charTokenizer('aba')).message).toContain('"a" (U+0061) twice')
    expect(errorOf(() => charTokenizer('')).message).toContain('has 0')
  })
})

describe('ids', () => {
  it('refuses words', async () => {
    const ids = await tokenizerFromDescription({ name: 'ids', vocab: 65 })
    expect(errorOf(() => ids.encode('1 two')).message).toContain('"two" is not a token id')
    expect(errorOf(() => ids.encode('64 65')).message).toContain('token id 65 at position 1')
  })
})

describe('gpt2', () => {
  it('takes special tokens in a text as plain characters, but can write them', async () => {
    const gpt2 = await tokenizerFromDescription({ name: 'gpt2' })
    const ids = gpt2.encode('a<|endoftext|>b')
    expect(ids).not.toContain(50_256)
    expect(gpt2.decode(ids)).toBe('a<|endoftext|>b')
    expect(gpt2.decode([50_256])).toBe('<|endoftext|>')
  })

  it('keeps nothing from one decoding to the next', async () => {
    const gpt2 = await tokenizerFromDescription({ name: 'gpt2' })
    const llama = gpt2.encode('🦙')
    expect(gpt2.decode(llama.subarray(0, 1))).toBe('\uFFFD')
    expect(gpt2.decode(llama)).toBe('🦙')
  })

  it('takes long runs of one kind', async () => {
    const gpt2 = await tokenizerFromDescription({ name: 'gpt2' })
    const spaces = ' '.repeat(200_000)
    expect(gpt2.decode(gpt2.encode(spaces))).toBe(spaces)
  })

  const vectors = fileURLToPath(new URL('../../../shared/data/tokenizer-vectors', import.meta.url))
  const inputs = `${vectors}/ggml-vocab-gpt-2.gguf.inp`
  it.skipIf(!existsSync(inputs))(`gives the ids of llama.cpp's vectors (${inputs}; skipped where absent)`, async () => {
    const gpt2 = await tokenizerFromDescription({ name: 'gpt2' })
    const texts = readFileSync(inputs, 'utf8').split('\n__ggml_vocab_test__\n')
    const lines = readFileSync(inputs.replace(/inp$/, 'out'), 'utf8').split('\n')
    // The last text ends with the file's own line end and the last line is followed by nothing.
    expect(texts.length).toBeGreaterThan(40)
    expect(lines).toHaveLength(texts.length)
    for (const [i, text] of texts.entries()) {
      expect([text, [...gpt2.encode(text)].join(' ')]).toEqual([text, lines[i]!.trim()])
      expect(gpt2.decode(gpt2.encode(text))).toBe(text)
    }
  })
})

it('ids of which nobody knows the text may be more than 16 bits count', async () => {
  const description = tokenizerRecord.parse({ name: 'ids', vocab: 151_936 })
  const tokenizer = await tokenizerFromDescription(description)
  expect(tokenizer.encode('151643 7')).toEqual(Uint32Array.of(151_643, 7))
  expect(tokenizer.decode([151_643, 7])).toBe('151643 7')
})
