/** GGUF files, read back by Hugging Face's own reader. */
import { mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gguf } from '@huggingface/gguf'
import { afterAll, describe, expect, test } from 'vitest'
import { GOLDEN_FOLDER } from '../../../test/golden/parity.ts'
import { quickDisk } from '../../checkpoint/crashingDisk.test.data.ts'
import { widenBf16, widenF16 } from '../../checkpoint/dtype.ts'
import { tokenizerFiles } from '../../data/index.ts'
import { huggingfaceRecord } from '../../data/huggingfaceTokenizer.ts'
import { llamaModelFile, llamaTokenizerJson } from '../../data/llama.test.data.ts'
import { findModel } from '../../models/index.ts'
import { parameterCount } from '../../nn/parameter.ts'
import type { FloatDtype } from '../../checkpoint/index.ts'
import { ExchangeError } from '../exchangeError.ts'
import { openHuggingFace } from '../huggingface/open.ts'
import { openShards } from '../huggingface/shards.ts'
import type { Pretrained } from '../pretrained.ts'
import { halvesToNeighbours, neighboursToHalves } from '../rotaryRows.ts'
import { tokenizerToWrite } from '../tokenizerToWrite.ts'
import { tokenizerValues } from './tokenizer.ts'
import { writeGgufModel } from './write.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-gguf-'))
afterAll(() => rmSync(root, { recursive: true }))
let files = 0

interface ReadFile {
  readonly metadata: Readonly<Record<string, unknown>>
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: readonly number[]; readonly type: number; readonly values: readonly number[] }
  >
}

async function written(source: Pretrained, dtype: FloatDtype): Promise<ReadFile> {
  const path = join(root, `${files++}.gguf`)
  writeGgufModel(source, path, { dtype, tokenizer: await tokenizerToWrite(source), disk: quickDisk })
  const { metadata, tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true })
  const file = openSync(path, 'r')
  const tensors = tensorInfos.map(({ name, shape, dtype: type, offset }) => {
    const sizes = shape.map(Number).toReversed()
    const bits = new Uint8Array(parameterCount(sizes) * (type === 0 ? 4 : 2))
    readSync(file, bits, 0, bits.length, Number(tensorDataOffset) + Number(offset))
    const values = type === 0 ? new Float32Array(bits.buffer) : new Float32Array(parameterCount(sizes))
    if (type === 1) widenF16(new Uint16Array(bits.buffer), values)
    if (type === 30) widenBf16(new Uint16Array(bits.buffer), values)
    return [name, { shape: sizes, type: Number(type), values: [...values] }] as const
  })
  return { metadata: Object.fromEntries(Object.entries(metadata)), tensors: new Map(tensors) }
}

/** The tensors as transformers stores them. */
function stored(name: string): (tensor: string) => Float32Array {
  const shards = openShards(join(GOLDEN_FOLDER, name))
  return (tensor) => shards.read(tensor, new Float32Array(parameterCount(shards.tensors.get(tensor)!.shape)))
}

function transposed(values: Float32Array, rows: number): number[] {
  const columns = values.length / rows
  return Array.from({ length: values.length }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!)
}

describe('gpt2', () => {
  test('has llama.cpp’s keys, names and layouts', async () => {
    const source = openHuggingFace(join(GOLDEN_FOLDER, 'gpt2'))
    const { metadata, tensors } = await written(source, 'F32')
    source.close()
    expect(metadata).toMatchObject({
      version: 3,
      'general.architecture': 'gpt2',
      'general.file_type': 0,
      'gpt2.block_count': 2,
      'gpt2.context_length': 16,
      'gpt2.embedding_length': 12,
      'gpt2.feed_forward_length': 48,
      'gpt2.attention.head_count': 3,
      'gpt2.attention.layer_norm_epsilon': Math.fround(1e-5),
      'tokenizer.ggml.model': 'none',
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
    })
    const theirs = stored('gpt2')
    expect(tensors.size).toBe(28)
    expect(tensors.get('token_embd.weight')).toEqual({
      shape: [40, 12],
      type: 0,
      values: [...theirs('transformer.wte.weight')],
    })
    expect(tensors.get('position_embd.weight')?.values).toEqual([...theirs('transformer.wpe.weight')])
    expect(tensors.get('blk.1.attn_qkv.weight')).toEqual({
      shape: [36, 12],
      type: 0,
      values: transposed(theirs('transformer.h.1.attn.c_attn.weight'), 12),
    })
    expect(tensors.get('blk.1.attn_qkv.bias')?.values).toEqual([...theirs('transformer.h.1.attn.c_attn.bias')])
    expect(tensors.get('output_norm.bias')?.values).toEqual([...theirs('transformer.ln_f.bias')])
  })
})

function under(metadata: ReadFile['metadata'], key: string): unknown {
  return metadata[`tokenizer.ggml.${key}`]
}

function zeros(_: unknown, out: Float32Array): void {
  out.fill(0)
}

/** A model of zeros with that tokenizer. */
function modelWith(tokenizer: Pretrained['tokenizer'], vocab: number, name: string): Pretrained {
  const source = openHuggingFace(join(GOLDEN_FOLDER, name))
  source.close()
  const model = { ...source.model, vocab }
  const parameters = findModel(model.architecture).declareParameters(model)
  return { ...source, carried: [], tokenizer, model, parameters, read: zeros }
}

/** What is written of the tokenizer. */
async function writtenWith(tokenizer: Pretrained['tokenizer'], vocab: number, name = 'gpt2') {
  const source = modelWith(tokenizer, vocab, name)
  const values = tokenizerValues(source, await tokenizerToWrite(source))
  return Object.fromEntries(Array.from(values, ([key, { value }]) => [key, value]))
}

/** A tokenizer.json with one merge. */
function merging(more: Readonly<Record<string, unknown>>): Pretrained['tokenizer'] {
  const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'], unk_token: null }
  const decoder = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true }
  const rest = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder, ...more }
  return huggingfaceRecord(JSON.stringify({ model, ...rest }), null, 'x')
}

describe('tokenizers', () => {
  test('characters are tokens that nothing merges; rows beyond them are unused', async () => {
    const { metadata } = await written(modelWith({ name: 'char', characters: '\u0000\n abc\\é' }, 10, 'gpt2'), 'F32')
    expect(under(metadata, 'model')).toBe('rwkv')
    const tokens = [String.raw`\x00`, String.raw`\n`, ' ', 'a', 'b', 'c', '\\\\', 'é', '[UNUSED8]', '[UNUSED9]']
    expect(under(metadata, 'tokens')).toEqual(tokens)
    expect(under(metadata, 'token_type')).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 5, 5])
    expect(under(metadata, 'add_bos_token')).toBe(false)
    expect(under(metadata, 'eos_token_id')).toBeUndefined()
  })

  test('so are bytes, also from a tokenizer.json of nothing else', async () => {
    const metadata = await writtenWith({ name: 'byte' }, 256)
    const tokens = under(metadata, 'tokens') as string[]
    expect([tokens[10], tokens[65], tokens[0xc3], tokens[255]]).toEqual([
      String.raw`\n`,
      'A',
      String.raw`\xc3`,
      String.raw`\xff`,
    ])
    const json = String((await tokenizerFiles({ name: 'byte' })).get('tokenizer.json'))
    expect(under(await writtenWith(huggingfaceRecord(json, null, 'x'), 256), 'tokens')).toEqual(tokens)
    const letters = String((await tokenizerFiles({ name: 'char', characters: '\n ab' })).get('tokenizer.json'))
    const again = await writtenWith(huggingfaceRecord(letters, null, 'x'), 4)
    expect(under(again, 'tokens')).toEqual([String.raw`\n`, ' ', 'a', 'b'])
  })

  test('GPT-2’s has its merges, its way to cut words, and its end of text', async () => {
    const metadata = await writtenWith({ name: 'gpt2' }, 50_257)
    expect([under(metadata, 'model'), under(metadata, 'pre')]).toEqual(['gpt2', 'gpt-2'])
    expect((under(metadata, 'merges') as string[]).slice(0, 2)).toEqual(['Ġ t', 'Ġ a'])
    expect((under(metadata, 'tokens') as string[])[50_256]).toBe('<|endoftext|>')
    expect((under(metadata, 'token_type') as number[])[50_256]).toBe(3)
    expect(under(metadata, 'eos_token_id')).toBe(50_256)
  })

  test('SentencePiece’s has its scores and kinds, from tokenizer.model or from tokenizer.json', async () => {
    const record = { name: 'sentencepiece', model: llamaModelFile().toString('base64') } as const
    const metadata = await writtenWith(record, 32_000, 'llama')
    expect(metadata).toMatchObject({
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.pre': 'default',
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
      'tokenizer.ggml.unknown_token_id': 0,
      'tokenizer.ggml.add_bos_token': true,
      'tokenizer.ggml.add_space_prefix': true,
      'tokenizer.ggml.remove_extra_whitespaces': false,
    })
    expect((under(metadata, 'token_type') as number[]).slice(0, 5)).toEqual([2, 3, 3, 6, 6])
    expect((under(metadata, 'scores') as number[]).slice(260, 263)).toEqual([-1, -2, -3])
    const fromJson = await writtenWith(huggingfaceRecord(llamaTokenizerJson(), null, 'x'), 32_000, 'llama')
    expect(under(fromJson, 'token_type')).toEqual(under(metadata, 'token_type'))
    const scores = under(fromJson, 'scores') as number[]
    const tokens = under(fromJson, 'tokens') as string[]
    expect(scores[tokens.indexOf('▁t')]).toBeGreaterThan(scores[tokens.indexOf('▁the')]!)
    expect(under(fromJson, 'add_space_prefix')).toBe(true)
  })

  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false }
  const split = (Regex: string): object => ({
    type: 'Sequence',
    pretokenizers: [{ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }, bytes],
  })
  const words = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

  test('the pattern that cuts words has a name', async () => {
    const llama3 = await writtenWith(merging({ pre_tokenizer: split(words) }), 3)
    expect(under(llama3, 'pre')).toBe('llama-bpe')
    const qwen = await writtenWith(merging({ pre_tokenizer: split(words.replace('{1,3}', '')) }), 3)
    expect(under(qwen, 'pre')).toBe('qwen2')
  })

  test.each([
    ['an unknown pattern', { pre_tokenizer: split('[a-z]') }, /it cuts words by \[a-z\], and known are/],
    ['no pattern', { pre_tokenizer: bytes }, /it cuts words by nothing/],
    ['merged characters', { decoder: { type: 'Fuse' } }, /it merges characters, neither bytes/],
  ])('%s is refused', async (_, parts, message) => {
    await expect(writtenWith(merging(parts), 3)).rejects.toThrow(message)
  })
})

describe('llama', () => {
  test.each(['F16', 'BF16'] as const)('in %s keeps norms in F32 and moves the rows of q and k', async (dtype) => {
    const source = openHuggingFace(join(GOLDEN_FOLDER, 'llama'))
    const { metadata, tensors } = await written(source, dtype)
    source.close()
    const type = dtype === 'F16' ? 1 : 30
    expect(metadata).toMatchObject({
      'general.architecture': 'llama',
      'general.file_type': dtype === 'F16' ? 1 : 32,
      'llama.attention.head_count': 4,
      'llama.attention.head_count_kv': 2,
      'llama.rope.dimension_count': 4,
      'llama.rope.freq_base': 10_000,
      'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
    })
    const theirs = stored('llama')
    const rounded = (values: Iterable<number>): number[] => {
      if (dtype === 'BF16') return [...values] // as they were stored
      return Array.from(values, (value) => Math.round(value * 2 ** 24) / 2 ** 24)
    }
    expect(tensors.get('blk.0.attn_norm.weight')?.type).toBe(0)
    expect(tensors.get('output.weight')).toEqual({ shape: [40, 16], type, values: rounded(theirs('lm_head.weight')) })
    const key = theirs('model.layers.1.self_attn.k_proj.weight') // [8, 16], two heads of four rows
    const rows = [0, 2, 1, 3, 4, 6, 5, 7].flatMap((row) => Array.from(key.subarray(16 * row, 16 * row + 16)))
    expect(tensors.get('blk.1.attn_k.weight')).toEqual({ shape: [8, 16], type, values: rounded(rows) })
    expect(tensors.get('blk.1.attn_v.weight')?.values).toEqual(
      rounded(theirs('model.layers.1.self_attn.v_proj.weight')),
    )
    expect(tensors.get('blk.1.ffn_down.weight')?.shape).toEqual([16, 24])
  })
})

test('qwen3 has the norms of its heads, and its rows stay', async () => {
  const source = openHuggingFace(join(GOLDEN_FOLDER, 'qwen3'))
  const { metadata, tensors } = await written(source, 'F32')
  source.close()
  expect(metadata).toMatchObject({ 'general.architecture': 'qwen3', 'qwen3.attention.key_length': 8 })
  const theirs = stored('qwen3')
  expect(tensors.get('blk.0.attn_q.weight')?.values).toEqual([...theirs('model.layers.0.self_attn.q_proj.weight')])
  expect(tensors.get('blk.0.attn_q_norm.weight')?.values).toEqual([...theirs('model.layers.0.self_attn.q_norm.weight')])
  expect(tensors.has('output.weight')).toBe(false) // tied
})

test.each(['mistral', 'olmo2'])('%s, which llama.cpp would read as something else, is refused', (name) => {
  const source = openHuggingFace(join(GOLDEN_FOLDER, name))
  expect(() => writeGgufModel(source, join(root, 'none.gguf'), { dtype: 'F32', tokenizer: null })).toThrow(
    ExchangeError,
  )
  source.close()
})

test('stretched wavelengths are a table of LLaMA 3.1’s, or a factor; heads may be wider than their share', async () => {
  const llama = openHuggingFace(join(GOLDEN_FOLDER, 'llama_scaled'))
  const { metadata, tensors } = await written(llama, 'F16')
  llama.close()
  expect(metadata).toMatchObject({ 'llama.attention.key_length': 8, 'llama.rope.dimension_count': 8 })
  const table = tensors.get('rope_freqs.weight')
  expect([table?.shape, table?.type]).toEqual([[4], 0])
  expect(table?.values[0]).toBe(1)
  expect(table?.values[3]).toBe(4)
  const mistral = openHuggingFace(join(GOLDEN_FOLDER, 'mistral_scaled'))
  const linear = await written(mistral, 'F32')
  mistral.close()
  expect(linear.metadata).toMatchObject({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2.5 })
  expect(linear.tensors.has('rope_freqs.weight')).toBe(false)
})

test('rows of neighbours and of halves are each other’s inverse', () => {
  const w = Float32Array.from({ length: 3 * 6 * 2 }, (_, i) => i)
  expect(neighboursToHalves(halvesToNeighbours(w, 3, 18), 3, 18)).toEqual(w)
  expect([...halvesToNeighbours(Float32Array.of(0, 1, 2, 3), 1, 4)]).toEqual([0, 2, 1, 3])
})
