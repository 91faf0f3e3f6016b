import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { charTokenizer } from './charTokenizer.ts'
import { checkCorpusFits, corpusRecordOf, loadCorpus, type CorpusRequest } from './corpus.ts'
import { DataError } from './dataError.ts'
import { separatedTexts, splitDocuments, type Part } from './documents.ts'
import { corpusRecord } from '../records/index.ts'
import { unigramEntropy } from './entropy.ts'
import { openTokenizer } from './tokenizers.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-data-'))
afterAll(() => rmSync(root, { recursive: true }))

let made = 0
function folder(files: Record<string, string | Uint8Array>): string {
  const path = join(root, String(made++))
  mkdirSync(path)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
  return path
}
const file = (content: string | Uint8Array): string => join(folder({ 'text.txt': content }), 'text.txt')
const uint16 = (...ids: number[]): Uint8Array => new Uint8Array(Uint16Array.from(ids).buffer)

async function hashOf(text: string, validationShare = 0.1): Promise<string> {
  return (await loadCorpus({ data: file(text), tokenizer: 'byte', validationShare })).hash
}

async function errorOf(request: CorpusRequest): Promise<DataError> {
  const error: unknown = await loadCorpus(request).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof DataError) return error
  throw new Error(`Expected a DataError, got ${String(error)}.`)
}

describe('the characters of a model', () => {
  const tokenizer = charTokenizer('\n abcé')

  it('read a new text that has no others', async () => {
    const corpus = await loadCorpus({ data: file('cab\n'.repeat(10)), tokenizer, validationShare: 0.5 })
    expect([...corpus.train.subarray(0, 4)]).toEqual([4, 2, 3, 0])
    expect(corpus.tokenizer).toBe(tokenizer)
  })

  it('are named where they lack some of the text', async () => {
    const error = await errorOf({ data: file('cab dé!'.repeat(10)), tokenizer })
    expect(error.message).toMatch(
      /has 2 characters that the model's vocabulary of 6 .* "!" \(U\+0021\), "d" \(U\+0064\)\./,
    )
    const many = await errorOf({ data: file('defghijklmnopqrs'), tokenizer })
    expect(many.message).toMatch(/has 16 characters .* and 4 more\.$/)
  })

  it('are those of token ids only where a text says so', async () => {
    const pair = { 'train.bin': uint16(0, 1, 2, 1, 0), 'val.bin': uint16(2, 1, 0) }
    const xyz = { data: folder({ ...pair, 'input.txt': 'xyzyxzyx' }), tokenizer: charTokenizer('xyz') }
    expect((await loadCorpus(xyz)).train).toEqual(Uint16Array.of(0, 1, 2, 1, 0))
    expect((await errorOf({ ...xyz, tokenizer })).message).toMatch(/stand for other characters than the model's/)
    expect((await errorOf({ ...xyz, data: folder(pair) })).message).toMatch(/it has no input.txt/)
    const bytes = await openTokenizer('byte', () => [])
    expect((await loadCorpus({ data: folder(pair), tokenizer: bytes })).tokenizer).toBe(bytes)
  })
})

describe('a text file', () => {
  it('keeps the last tenth for validation', async () => {
    const data = file('abcdefghij'.repeat(10))
    const corpus = await loadCorpus({ data, tokenizer: 'char' })
    expect(corpus.tokenizer.decode(corpus.train)).toBe('abcdefghij'.repeat(9))
    expect(corpus.tokenizer.decode(corpus.validation)).toBe('abcdefghij')
    expect(corpus.name).toBe(data)
    expect(corpus.description).toBe(`${data}: 90 training and 10 validation tokens, char vocabulary of 10`)
    expect(corpusRecord.parse(corpusRecordOf(corpus))).toEqual({
      name: data,
      hash: corpus.hash,
      trainTokens: 90,
      validationTokens: 10,
    })
  })

  it('gives characters of the validation part a place in the vocabulary', async () => {
    const { tokenizer, validation } = await loadCorpus({ data: file(`${'a'.repeat(18)}zz`), tokenizer: 'char' })
    expect(tokenizer.decode(validation)).toBe('zz')
  })

  it.each(['char', 'gpt2'])('does not tear a character in two (%s)', async (tokenizer) => {
    const text = '🦙'.repeat(15)
    const corpus = await loadCorpus({ data: file(text), tokenizer, validationShare: 0.5 })
    expect(corpus.tokenizer.decode(corpus.train)).toBe('🦙'.repeat(7))
    expect(corpus.tokenizer.decode(corpus.validation)).toBe('🦙'.repeat(8))
  })

  it('may hold any bytes for the byte tokenizer, and only for it', async () => {
    const data = file(Uint8Array.from({ length: 256 }, (_, i) => i))
    const { train, validation } = await loadCorpus({ data, tokenizer: 'byte' })
    expect([...train, ...validation]).toEqual(Array.from({ length: 256 }, (_, i) => i))
    expect((await errorOf({ data, tokenizer: 'char' })).message).toContain('not UTF-8 text: byte 128')
  })

  it('has a hash of its tokens and their split', async () => {
    const first = await hashOf('abcdefghijklmnopqrst')
    expect(await hashOf('abcdefghijklmnopqrst')).toBe(first)
    expect(await hashOf('abcdefghijklmnopqrsu')).not.toBe(first)
    expect(await hashOf('abcdefghijklmnopqrst', 0.2)).not.toBe(first)
  })
})

describe('a folder of text files', () => {
  it('is joined in the order of the names', async () => {
    const data = folder({ 'b.md': 'second', 'a.txt': 'first\n', 'c.TXT': 'third', 'ignored.png': 'xxx' })
    const { train, validation, tokenizer, description } = await loadCorpus({ data, tokenizer: 'byte' })
    expect(tokenizer.decode([...train, ...validation])).toBe('first\nsecond\nthird\n')
    expect(description).toContain('3 text files')
  })
})

describe('a folder with train.bin and val.bin', () => {
  const pair = { 'train.bin': uint16(0, 1, 2, 1), 'val.bin': uint16(2, 0) }

  it('prints ids when nobody knows the alphabet', async () => {
    const { train, validation, tokenizer } = await loadCorpus({ data: folder(pair), tokenizer: 'char' })
    expect([...train]).toEqual([0, 1, 2, 1])
    expect([...validation]).toEqual([2, 0])
    expect(tokenizer.describe()).toEqual({ name: 'ids', vocab: 3 })
  })

  it('takes the alphabet of input.txt beside them, if it is their text', async () => {
    const own = await loadCorpus({ data: folder({ ...pair, 'input.txt': 'xyzyzx' }), tokenizer: 'char' })
    expect(own.tokenizer.decode(own.train)).toBe('xyzy')
    const other = await loadCorpus({ data: folder({ ...pair, 'input.txt': 'xyzyzy' }), tokenizer: 'char' })
    expect(other.tokenizer.name).toBe('ids')
  })

  it('takes the tokenizer that is named', async () => {
    const { tokenizer } = await loadCorpus({ data: folder(pair), tokenizer: 'gpt2' })
    expect(tokenizer.vocab).toBe(50_257)
    const large = folder({ ...pair, 'val.bin': uint16(1, 300) })
    expect((await errorOf({ data: large, tokenizer: 'byte' })).message).toMatch(
      /validation tokens: token id 300 at position 1/,
    )
  })

  it('must be whole', async () => {
    const lonely = await errorOf({ data: folder({ 'train.bin': uint16(1, 2) }), tokenizer: 'char' })
    expect(lonely.message).toContain('has no val.bin')
    const odd = await errorOf({ data: folder({ ...pair, 'train.bin': new Uint8Array(7) }), tokenizer: 'char' })
    expect(odd.message).toContain('has 7 bytes, an odd number')
    const empty = await errorOf({ data: folder({ ...pair, 'val.bin': '' }), tokenizer: 'char' })
    expect(empty.message).toContain('val.bin is empty')
    const single = await errorOf({ data: join(folder(pair), 'train.bin'), tokenizer: 'char' })
    expect(single.hint).toContain('Give the folder')
  })
})

describe('bad data', () => {
  it.each([
    ['a missing path', () => join(root, 'nowhere.txt'), /no file or folder .*nowhere\.txt/, /moby-dick, sotu/],
    ['an empty file', () => file(''), /text\.txt is empty/, /text in it/],
    ['a file too short to split', () => file('ab'), /too short: 1 tokens to train on and 1/, /more text/],
    ['an empty folder', () => folder({}), /has no text: it is empty/, /train\.bin/],
    ['a folder without text', () => folder({ 'a.png': 'x' }), /has no text: it holds a\.png/, /\.txt/],
  ])('%s is explained', async (_, data, message, hint) => {
    const error = await errorOf({ data: data(), tokenizer: 'char' })
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(hint)
  })

  it('an unknown tokenizer is explained', async () => {
    expect((await errorOf({ data: 'moby-dick', tokenizer: 'bpe' })).hint).toContain('char, byte, gpt2')
  })

  it.each([0, 1, -0.5, Number.NaN])('a validation share of %s is explained', async (validationShare) => {
    const error = await errorOf({ data: 'moby-dick', tokenizer: 'char', validationShare })
    expect(error.message).toContain(`validation share is ${validationShare}`)
  })

  it('a corpus that does not fit the model is explained', async () => {
    const corpus = await loadCorpus({ data: file('abcdefghij'.repeat(10)), tokenizer: 'char' })
    checkCorpusFits(corpus, { context: 89, vocab: 10 })
    expect(() => checkCorpusFits(corpus, { context: 90, vocab: 10 })).toThrow(/has 90 tokens.*at least 91/)
    expect(() => checkCorpusFits(corpus, { context: 8, vocab: 9 })).toThrow(/token id 9 at position 9/)
  })
})

describe('built-in corpora', () => {
  it('moby-dick is the whole book, cut between chapters', async () => {
    const { train, validation, tokenizer, description } = await loadCorpus({ data: 'moby-dick', tokenizer: 'char' })
    expect(description).toMatch(/^Moby-Dick \(Melville, 1851\), 139 chapters: /)
    expect(tokenizer.decode(train)).toContain('Call me Ishmael.')
    expect(tokenizer.decode(validation.subarray(0, 8))).toBe('CHAPTER ')
    expect(tokenizer.decode(validation)).toContain('only found another orphan.')
    expect(validation.length / (train.length + validation.length)).toBeCloseTo(0.1, 2)
    expect(unigramEntropy(train, tokenizer.vocab)).toBeGreaterThan(3)
  })

  it('sotu keeps the latest speeches for validation', async () => {
    const { train, validation, tokenizer } = await loadCorpus({ data: 'sotu', tokenizer: 'byte' })
    expect(tokenizer.decode(train.subarray(0, 100))).toContain('Fellow-Citizens of the Senate')
    expect(tokenizer.decode(validation)).toContain('Madam Speaker, Madam Vice President')
    expect(validation.length / (train.length + validation.length)).toBeCloseTo(0.1, 1)
  })
})

const joined = (part: Part): string => separatedTexts(part).join('')

describe('splitDocuments', () => {
  it('cuts where the later documents come closest to the share', () => {
    const texts = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(12), 'd'.repeat(8)]
    const parts = (share: number) => splitDocuments({ texts, separator: 'empty line' }, share)
    expect(joined(parts(0.1).validation)).toBe(`${'d'.repeat(8)}\n`)
    expect(joined(parts(0.2).validation)).toBe(`${'c'.repeat(12)}\n\n${'d'.repeat(8)}\n`)
    expect(joined(parts(0.99).train)).toBe(`${'a'.repeat(40)}\n`)
    expect(joined(parts(0.001).validation)).toBe(`${'d'.repeat(8)}\n`)
  })
})

describe("nanoGPT's Shakespeare", () => {
  const shared = fileURLToPath(new URL('../../../shared/data', import.meta.url))
  it.skipIf(!existsSync(`${shared}/tinyshakespeare.txt`))(
    `gives the same tokens from the text as from the .bin files (${shared}; skipped where absent)`,
    async () => {
      const text = await loadCorpus({ data: `${shared}/tinyshakespeare.txt`, tokenizer: 'char' })
      const bins = await loadCorpus({ data: `${shared}/shakespeare_char`, tokenizer: 'char' })
      expect(text.train.length).toBe(1_003_854)
      expect(text.validation.length).toBe(111_540)
      expect(text.tokenizer.vocab).toBe(65)
      expect(bins.tokenizer.vocab).toBe(65)
      expect(bins.hash).toBe(text.hash)
    },
  )
})
