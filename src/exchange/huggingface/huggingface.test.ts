/** Folders of transformers: what is wrong with one is said before anything is read, and what is written comes back. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { CheckpointError, openSafetensors, writeSafetensors, type TensorToWrite } from '../../checkpoint/index.ts'
import { quickDisk, refusingDisk } from '../../checkpoint/crashingDisk.test.data.ts'
import { parameterCount } from '../../nn/parameter.ts'
import { GOLDEN_FOLDER, goldenModels, isSupported } from '../../../test/golden/parity.ts'
import { ExchangeError } from '../exchangeError.ts'
import type { Pretrained } from '../pretrained.ts'
import { openHuggingFace } from './open.ts'
import { openShards } from './shards.ts'
import { writeHuggingFace, type HuggingFaceOptions } from './write.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-huggingface-'))
afterAll(() => rmSync(root, { recursive: true }))
let folders = 0
let folder = ''
beforeEach(() => {
  folder = join(root, `model-${folders++}`)
})

/** A copy of a golden model to damage. */
function copyOf(name: string): string {
  cpSync(join(GOLDEN_FOLDER, name), folder, { recursive: true })
  rmSync(join(folder, 'expected.safetensors'))
  return folder
}

function changeConfig(changes: Readonly<Record<string, unknown>>): void {
  const path = join(folder, 'config.json')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }))
}

function errorOf(act: () => unknown): ExchangeError | CheckpointError {
  try {
    act()
  } catch (error) {
    if (error instanceof ExchangeError || error instanceof CheckpointError) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

const openError = (): ExchangeError | CheckpointError => errorOf(() => openHuggingFace(folder).close())

function valuesOf(source: Pretrained): Map<string, number[]> {
  return new Map(
    source.parameters.map((parameter) => {
      const values = new Float32Array(parameterCount(parameter.shape))
      source.read(parameter, values)
      return [parameter.name, [...values]]
    }),
  )
}

function tensorsOf(path: string): Map<string, readonly unknown[]> {
  const stored = openShards(path)
  try {
    return new Map(
      [...stored.tensors]
        .map(([name, { shape, dtype }]): [string, unknown[]] => {
          return [name, [shape, dtype, [...stored.read(name, new Float32Array(parameterCount(shape)))]]]
        })
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
  } finally {
    stored.close()
  }
}

const supported = goldenModels.filter(isSupported)
const options: HuggingFaceOptions = { dtype: 'F32', shardBytes: 1e9, tokenizer: null, disk: quickDisk }

describe.each(supported)('%s', (name) => {
  test('is written as transformers wrote it: every tensor, and every value of config.json that was there', () => {
    const model = openHuggingFace(join(GOLDEN_FOLDER, name))
    const dtype = model.dtypes as HuggingFaceOptions['dtype']
    writeHuggingFace(model, folder, { ...options, dtype })
    model.close()
    expect(tensorsOf(folder)).toEqual(tensorsOf(join(GOLDEN_FOLDER, name)))
    const { transformers_version: _, ...theirs } = JSON.parse(
      readFileSync(join(GOLDEN_FOLDER, name, 'config.json'), 'utf8'),
    )
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject(theirs)
  })

  test('comes back from shards of any size, in any type that holds its numbers', () => {
    const model = openHuggingFace(join(GOLDEN_FOLDER, name))
    const expected = valuesOf(model)
    const { files } = writeHuggingFace(model, folder, { ...options, shardBytes: 3000 })
    model.close()
    expect(files.length).toBeGreaterThan(3)
    expect(readdirSync(folder).toSorted()).toEqual(['config.json', ...files, 'model.safetensors.index.json'].toSorted())
    const back = openHuggingFace(folder)
    expect(valuesOf(back)).toEqual(expected)
    back.close()
  })
})

test.each([
  [
    { rope_parameters: null, rope_scaling: { type: 'linear', factor: 2 } },
    { kind: 'linear', factor: 2 },
  ],
  [
    { rope_parameters: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 } },
    { kind: 'llama3', factor: 8, lowFactor: 1, highFactor: 4, originalContext: 16 },
  ],
])('stretched wavelengths in the older and the newer form: %j', (changes, ropeScaling) => {
  copyOf('llama')
  changeConfig(changes)
  const source = openHuggingFace(folder)
  source.close()
  expect(source.model.ropeScaling).toEqual(ropeScaling)
})

describe('a folder that is not right', () => {
  test.each([
    ['of another class', { architectures: ['BertModel'] }, /of the class BertModel, which is not supported/],
    ['of no class', { architectures: null, model_type: null }, /of the class that nobody names/],
    ['with another activation', { activation_function: 'relu' }, /"activation_function" is "relu" .* does not have/],
    ['with an inner width of its own', { n_inner: 50 }, /"n_inner" is 50/],
    ['with three rates of dropout', { attn_pdrop: 0.3 }, /"attn_pdrop" is 0.3/],
    ['that lacks a value', { n_layer: null }, /"n_layer" is missing/],
    ['with a value of another type', { n_head: 'four' }, /"n_head" is "four"/],
    [
      'of another width than its weights',
      { n_embd: 24 },
      /wrong shape: transformer.wte.weight is \[40, 12\], expected \[40, 24\]/,
    ],
    ['of more blocks than its weights', { n_layer: 3 }, /missing: transformer.h.2.ln_1.weight \[12\]/],
    ['of fewer blocks than its weights', { n_layer: 1 }, /unexpected: transformer.h.1/],
    ['of billions of blocks', { n_layer: 4_000_000_000 }, /names 4000000000 blocks, and .* has 28 tensors/],
    ['of a vocabulary beyond all memory', { vocab_size: 2 ** 52 }, /wrong shape: transformer.wte.weight/],
  ])('gpt2 %s', (_, changes, message) => {
    copyOf('gpt2')
    changeConfig(changes)
    const error = openError()
    expect(error.message).toMatch(message)
    expect(error.hint).not.toBe('')
  })

  test.each([
    [
      'wavelengths stretched in an unknown way',
      { rope_parameters: { rope_type: 'yarn', rope_theta: 5e5, factor: 4 } },
      /"rope_parameters.rope_type" is "yarn" .* does not have/,
    ],
    [
      'the older form of them',
      { rope_parameters: null, rope_scaling: { type: 'dynamic', factor: 2 } },
      /"rope_scaling.type" is "dynamic"/,
    ],
    [
      'half of what stretches them',
      { rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, factor: 8 } },
      /"rope_parameters.low_freq_factor" is missing/,
    ],
    ['biases', { attention_bias: true }, /"attention_bias" is true/],
    ['heads of another width than its weights', { head_dim: 8 }, /q_proj.weight is \[16, 16\], expected \[32, 16\]/],
  ])('llama with %s', (_, changes, message) => {
    copyOf('llama')
    changeConfig(changes)
    expect(openError().message).toMatch(message)
  })

  test('without a configuration, without weights, with weights of another kind', () => {
    copyOf('gpt2')
    rmSync(join(folder, 'model.safetensors'))
    expect(openError().message).toMatch(/has no model.safetensors and no model.safetensors.index.json/)
    writeFileSync(join(folder, 'pytorch_model.bin'), 'x')
    expect(openError().hint).toMatch(/There is pytorch_model.bin, which is not read/)
    writeFileSync(join(folder, 'config.json'), '{"n_layer": 2')
    expect(openError().message).toMatch(/is no JSON/)
    writeFileSync(join(folder, 'config.json'), '[]')
    expect(openError().message).toMatch(/is no JSON object/)
    rmSync(join(folder, 'config.json'))
    expect(openError().message).toMatch(/There is no file .*config.json/)
  })

  test('with a tensor that nobody knows, or in a type that is not read', () => {
    copyOf('gpt2')
    const path = join(folder, 'model.safetensors')
    const file = openSafetensors(path)
    const tensors = new Map([...file.tensors].map(([name, { shape }]) => [name, { shape, data: file.read(name) }]))
    file.close()
    const extra = { shape: [1], data: new Float32Array(1) }
    writeSafetensors(path, [...tensors, ['transformer.h.0.attn.bias', extra]], { disk: quickDisk })
    openHuggingFace(folder).close() // a mask of older versions
    writeSafetensors(path, [...tensors, ['lm_head.weight', extra]], { disk: quickDisk })
    openHuggingFace(folder).close() // tied: not read
    writeSafetensors(path, [...tensors, ['transformer.h.0.adapter.weight', extra]], { disk: quickDisk })
    expect(openError().message).toMatch(/unexpected: transformer.h.0.adapter.weight \[1\]/)
    const doubles = { shape: [16, 12], data: new Float64Array(16 * 12) }
    writeSafetensors(path, new Map<string, TensorToWrite>(tensors).set('transformer.wpe.weight', doubles), {
      disk: quickDisk,
    })
    expect(openError().message).toMatch(/transformer.wpe.weight .* is stored as F64/)
  })

  test('names without the prefix are the same names', () => {
    copyOf('gpt2')
    const prefixed = openHuggingFace(folder)
    const expected = valuesOf(prefixed)
    prefixed.close()
    const path = join(folder, 'model.safetensors')
    const file = openSafetensors(path)
    const bare = [...file.tensors].map(([name, { shape }]) => {
      return [name.replace('transformer.', ''), { shape, data: file.read(name) }] as const
    })
    file.close()
    writeSafetensors(path, bare, { disk: quickDisk })
    const again = openHuggingFace(folder)
    expect(valuesOf(again)).toEqual(expected)
    again.close()
  })
})

const index = (): string => join(folder, 'model.safetensors.index.json')

const changeIndex = (edit: (map: Record<string, string>) => void): void => {
  const content = JSON.parse(readFileSync(index(), 'utf8')) as { weight_map: Record<string, string> }
  edit(content.weight_map)
  writeFileSync(index(), JSON.stringify(content))
}

describe('shards that are not right', () => {
  test('one is missing, or cut off', () => {
    copyOf('qwen3')
    const shard = join(folder, 'model-00002-of-00004.safetensors')
    truncateSync(shard, 1000)
    expect(openError().message).toMatch(/model-00002-of-00004.safetensors is cut off/)
    rmSync(shard)
    expect(openError().message).toMatch(/lacks the shard model-00002-of-00004.safetensors, one of 4/)
  })

  test('the index leads outside, to the wrong shard, or nowhere', () => {
    copyOf('qwen3')
    changeIndex((map) => (map['model.norm.weight'] = '../../secret.safetensors'))
    expect(openError().message).toMatch(/names the file "..\/..\/secret.safetensors"; shards are/)
    changeIndex((map) => (map['model.norm.weight'] = 'model-00001-of-00004.safetensors'))
    expect(openError().message).toMatch(/says that model.norm.weight is in model-00001-of-00004.safetensors/)
    changeIndex((map) => delete map['model.norm.weight'])
    expect(openError().message).toMatch(/missing: model.norm.weight \[16\]/)
    writeFileSync(index(), '{"weight_map": 3}')
    expect(openError().message).toMatch(/has no "weight_map"/)
  })
})

const source = (): Pretrained => openHuggingFace(join(GOLDEN_FOLDER, 'gpt2'))

describe('writing', () => {
  test('never replaces what is there, and leaves nothing behind when the disk refuses', () => {
    const model = source()
    const error = errorOf(() =>
      writeHuggingFace(model, folder, { ...options, disk: refusingDisk('write', 'ENOSPC', 1) }),
    )
    expect(error.message).toMatch(/the disk is full/)
    expect(readdirSync(root).filter((name) => name.startsWith(`model-${folders - 1}`))).toEqual([])
    writeHuggingFace(model, folder, options)
    expect(errorOf(() => writeHuggingFace(model, folder, options)).message).toMatch(/exists already/)
    model.close()
  })

  test('numbers beyond F16 are refused by name', () => {
    const model = source()
    const large: Pretrained = {
      ...model,
      read(parameter, out) {
        model.read(parameter, out)
        if (parameter.name === 'h.1.ln_2.weight') out[3] = 7e4
      },
    }
    const error = errorOf(() => writeHuggingFace(large, folder, { ...options, dtype: 'F16' }))
    expect(error.message).toBe('transformer.h.1.ln_2.weight has the number 70000, and F16 ends at 65,504.')
    writeHuggingFace(large, folder, { ...options, dtype: 'BF16' })
    model.close()
  })

  test('a model without biases gets biases of zero, since GPT2LMHeadModel has them always', () => {
    const model = source()
    const parameters = model.parameters.filter(({ role }) => role !== 'bias')
    writeHuggingFace({ ...model, model: { ...model.model, bias: false }, parameters }, folder, options)
    model.close()
    const back = openHuggingFace(folder)
    for (const { name, role, shape } of back.parameters) {
      if (role === 'bias')
        expect(valuesOf(back).get(name)).toEqual(Array.from({ length: parameterCount(shape) }, () => 0))
    }
    back.close()
  })

  test('floats have a point, without which transformers refuses them', () => {
    const model = openHuggingFace(join(GOLDEN_FOLDER, 'mixtral'))
    writeHuggingFace(model, folder, options)
    model.close()
    const text = readFileSync(join(folder, 'config.json'), 'utf8')
    expect(text).toMatch(/"router_jitter_noise": 0\.0,/)
    expect(text).toMatch(/"rope_theta": 500\.0,/)
    expect(text).toMatch(/"num_local_experts": 4,/)
  })

  test('an architecture that transformers lacks is refused', () => {
    const model = source()
    const palm: Pretrained = { ...model, model: { ...model.model, architecture: 'palm' } }
    expect(errorOf(() => writeHuggingFace(palm, folder, options)).message).toMatch(
      /has no class for the architecture palm/,
    )
    model.close()
  })
})

test('however a folder is damaged, it is opened whole or refused in plain words', () => {
  copyOf('llama')
  const files = ['config.json', 'model.safetensors'].map((name) => {
    return { path: join(folder, name), bytes: readFileSync(join(folder, name)) }
  })
  const damage = fc.record({
    file: fc.nat(1),
    at: fc.noBias(fc.nat(9999)).map((n) => n / 10_000),
    with: fc.oneof(
      { weight: 3, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }) },
      { weight: 1, arbitrary: fc.constant('cut' as const) },
    ),
  })
  let opened = 0
  let refused = 0
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 2 }), (damages) => {
      const contents = files.map(({ bytes }) => Buffer.from(bytes))
      for (const { file, at, with: what } of damages) {
        // The header of the weights is where the lies are told: one byte in two falls there.
        const content = contents[file]!
        const place = Math.floor((file === 1 && at < 0.5 ? at * 4000 : at * content.length) % content.length)
        if (what === 'cut') contents[file] = content.subarray(0, place)
        else content.set(what.subarray(0, content.length - place), place)
        if (contents[file]!.length === 0) contents[file] = Buffer.from([0])
      }
      for (const [i, { path }] of files.entries()) writeFileSync(path, contents[i]!)
      try {
        const model = openHuggingFace(folder)
        for (const values of valuesOf(model).values()) expect(values.length).toBeGreaterThan(0)
        model.close()
        opened++
      } catch (error) {
        expect(error instanceof ExchangeError || error instanceof CheckpointError, String(error)).toBe(true)
        refused++
      }
    }),
    { numRuns: 400 },
  )
  expect(opened).toBeGreaterThan(5)
  expect(refused).toBeGreaterThan(50)
})
