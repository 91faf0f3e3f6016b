import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { byteTokenizer } from './byteTokenizer.ts'
import { loadCorpus } from './corpus.ts'
import { DataError } from './dataError.ts'
import { packDocuments, splitText } from './documents.ts'
import { gpt2Tokenizer } from './gpt2Tokenizer.ts'
import { llamaTokenizerJson } from './llama.test.data.ts'
import { openTokenizerFile } from './tokenizerFile.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-documents-'))
afterAll(() => rmSync(root, { recursive: true }))
let made = 0
function folder(files: Readonly<Record<string, string>>): string {
  const path = join(root, String(made++))
  mkdirSync(path)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
  return path
}
const lines = (texts: readonly string[]): string => texts.map((text) => `${JSON.stringify({ text })}\n`).join('')

describe('packing', () => {
  const whole = { separator: 'line end', continues: false, open: false } as const

  it('ends every document with the tokenizer’s token, and text that spells it stays text', async () => {
    const gpt2 = await gpt2Tokenizer()
    const texts = ['one', 'two<|endoftext|>', 'three']
    const tokens = packDocuments({ ...whole, texts }, gpt2)
    expect(gpt2.decode(tokens)).toBe('one<|endoftext|>two<|endoftext|><|endoftext|>three<|endoftext|>')
    expect([...tokens].filter((id) => id === gpt2.end)).toHaveLength(3)
    const documents = texts.flatMap((text) => Array.from(gpt2.encode(text)).concat(gpt2.end!))
    expect([...tokens]).toEqual(documents)
  })

  it('begins every document where the tokenizer has a token for that', () => {
    const llama = openTokenizerFile(folder({ 'tokenizer.json': llamaTokenizerJson() }))
    const tokens = packDocuments({ ...whole, texts: ['Hello', 'Hello world'] }, llama)
    expect([...tokens]).toEqual([1, 15043, 2, 1, 15043, 3186, 2])
  })

  it('separates them by text where there is none', () => {
    const texts = ['one', 'two\n', 'three']
    expect(byteTokenizer.decode(packDocuments({ ...whole, texts }, byteTokenizer))).toBe('one\ntwo\nthree\n')
    const apart = packDocuments({ ...whole, separator: 'empty line', texts: ['one', 'two'] }, byteTokenizer)
    expect(byteTokenizer.decode(apart)).toBe('one\n\ntwo\n')
  })

  it('a document that is cut in two ends once', async () => {
    const gpt2 = await gpt2Tokenizer()
    const { train, validation } = splitText({ texts: ['x', 'abcdefghij'.repeat(10)], separator: 'line end' }, 0.1)
    const packed = [train, validation].map((part) => gpt2.decode(packDocuments(part, gpt2)))
    expect(packed.join('')).toBe(`x<|endoftext|>${'abcdefghij'.repeat(10)}<|endoftext|>`)
    expect(packed[0]!.endsWith('<|endoftext|>')).toBe(false)
  })
})

describe('splitText', () => {
  it('loses nothing, keeps the order, and leaves about the share', () => {
    const texts = fc.array(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(texts, fc.constantFrom(0.1, 0.3, 0.5), (texts, share) => {
        const { train, validation } = splitText({ texts, separator: 'none' }, share)
        expect([...train.texts, ...validation.texts].join('')).toBe(texts.join(''))
        expect(train.open).toBe(validation.continues)
        const total = texts.join('').length
        const left = validation.texts.join('').length
        expect(left).toBeGreaterThanOrEqual(Math.floor((share * total) / 2))
        expect(left).toBeLessThanOrEqual(Math.ceil(2 * share * total) + 1)
      }),
    )
  })

  it('cuts between documents where that is near the share', () => {
    const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(30))
    const { train, validation } = splitText({ texts, separator: 'empty line' }, 0.1)
    expect(train.open).toBe(false)
    expect([...train.texts, ...validation.texts]).toEqual(texts)
  })
})

describe('a .jsonl file', () => {
  const texts = Array.from({ length: 20 }, (_, i) => `document ${i}\nwith two lines`)

  it('has a document on each line', async () => {
    const data = join(folder({ 'a.jsonl': lines(texts) }), 'a.jsonl')
    const corpus = await loadCorpus({ data, tokenizer: 'gpt2' })
    const { tokenizer, train, validation } = corpus
    const written = texts.map((text) => `${text}<|endoftext|>`)
    expect(tokenizer.decode([...train, ...validation])).toBe(written.join(''))
    expect(tokenizer.decode(validation)).toBe(written.slice(-2).join(''))
    expect(corpus.description).toContain('20 documents')
    const bytes = await loadCorpus({ data, tokenizer: 'byte' })
    expect(bytes.tokenizer.decode([...bytes.train, ...bytes.validation])).toBe(
      texts
        .map((text) => `${text}\n\n`)
        .join('')
        .replaceAll(/\n\n$/g, '\n')
        .replace(/(document 17\nwith two lines\n)\n/, '$1'),
    )
  })

  it('may stand among text files', async () => {
    const data = folder({ 'a.txt': 'first '.repeat(50), 'b.jsonl': lines(['second', 'third']) })
    const { tokenizer, train, validation } = await loadCorpus({ data, tokenizer: 'gpt2', validationShare: 0.05 })
    const written = tokenizer.decode([...train, ...validation])
    expect(written).toBe(`${'first '.repeat(50)}<|endoftext|>second<|endoftext|>third<|endoftext|>`)
  })

  it.each([
    ['no JSON', `${lines(['x'])}{"text": \n`, /line 2 is not JSON/],
    ['no text', `${lines(['x'])}\n{"content": "y"}\n`, /line 3 has no "text"/],
    ['no line', '\n\n', /has no documents/],
  ])('%s: explained with its line', async (_, content, message) => {
    const data = join(folder({ 'a.jsonl': content }), 'a.jsonl')
    const error: unknown = await loadCorpus({ data, tokenizer: 'gpt2' }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(DataError)
    expect((error as DataError).message).toMatch(message)
  })
})

it('a folder of text files has a document in each', async () => {
  const data = folder({ 'a.txt': 'one '.repeat(40), 'b.txt': 'two '.repeat(40) })
  const { tokenizer, train, validation } = await loadCorpus({ data, tokenizer: 'gpt2' })
  const written = tokenizer.decode([...train, ...validation])
  expect(written).toBe(`${'one '.repeat(40)}<|endoftext|>${'two '.repeat(40)}<|endoftext|>`)
})

it('a single text file is no document among others', async () => {
  const data = join(folder({ 'a.txt': 'one '.repeat(40) }), 'a.txt')
  const { tokenizer, train, validation } = await loadCorpus({ data, tokenizer: 'gpt2' })
  expect(train).not.toContain(tokenizer.end)
  expect(validation).not.toContain(tokenizer.end)
})
