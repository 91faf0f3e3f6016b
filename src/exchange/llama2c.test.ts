/** Files of llama2.c, written here as its export.py writes them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { GOLDEN_FOLDER } from '../../test/golden/parity.ts'
import { CheckpointError } from '../checkpoint/index.ts'
import { parameterCount } from '../nn/parameter.ts'
import { ExchangeError } from './exchangeError.ts'
import { openHuggingFace } from './huggingface/open.ts'
import { openShards } from './huggingface/shards.ts'
import { openLlama2c } from './llama2c.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-llama2c-'))
afterAll(() => rmSync(root, { recursive: true }))
const path = join(root, 'model.bin')

const shards = openShards(join(GOLDEN_FOLDER, 'llama'))
const tensor = (name: string): number[] => {
  return [...shards.read(name, new Float32Array(parameterCount(shards.tensors.get(name)!.shape)))]
}
const layers = (name: string): number[] => [0, 1].flatMap((i) => tensor(`model.layers.${i}.${name}.weight`))
/** Meta's rows of a head of four: 0 and 2 turn together there as 0 and 1. */
const turned = (name: string): number[] => {
  const values = layers(name)
  return Array.from({ length: values.length / 16 }, (_, row) => {
    const from = 4 * Math.floor(row / 4) + [0, 2, 1, 3][row % 4]!
    return values.slice(16 * from, 16 * from + 16)
  }).flat()
}

function numbers(version: 0 | 1): number[] {
  const attention = [...turned('self_attn.q_proj'), ...turned('self_attn.k_proj')]
  const rest = [...layers('self_attn.v_proj'), ...layers('self_attn.o_proj')]
  const mlp = ['mlp.gate_proj', 'mlp.down_proj', 'mlp.up_proj'].flatMap(layers)
  const [inner, outer] = [layers('input_layernorm'), layers('post_attention_layernorm')]
  const [embedding, norm, head] = ['model.embed_tokens.weight', 'model.norm.weight', 'lm_head.weight'].map(tensor)
  return version === 1
    ? [...inner, ...outer, ...norm!, ...embedding!, ...attention, ...rest, ...mlp, ...head!]
    : [
        ...embedding!,
        ...inner,
        ...attention,
        ...rest,
        ...outer,
        ...mlp,
        ...norm!,
        ...Array<number>(16 * 4).fill(9),
        ...head!,
      ]
}

function fileOf(version: 0 | 1): Buffer {
  const sizes = [16, 24, 2, 4, 2, version === 0 ? -40 : 40, 16] // a negative vocabulary: the output layer is its own
  const body = Buffer.from(Float32Array.from(numbers(version)).buffer)
  if (version === 0) return Buffer.concat([Buffer.from(Int32Array.from(sizes).buffer), body])
  const header = Buffer.alloc(256)
  Buffer.from(Int32Array.from([0x616b3432, 1, ...sizes]).buffer).copy(header)
  return Buffer.concat([header, body])
}

describe.each([0, 1] as const)('version %j', (version) => {
  test('is the model of transformers that it came from', () => {
    writeFileSync(path, fileOf(version))
    const theirs = openHuggingFace(join(GOLDEN_FOLDER, 'llama'))
    const ours = openLlama2c(path)
    expect(ours.model).toEqual(theirs.model)
    for (const parameter of theirs.parameters) {
      const [expected, found] = [0, 1].map(() => new Float32Array(parameterCount(parameter.shape)))
      theirs.read(parameter, expected!)
      ours.read(parameter, found!)
      expect(found, parameter.name).toEqual(expected)
    }
    theirs.close()
    ours.close()
  })

  test('of another length than its header says is refused', () => {
    for (const change of [(file: Buffer) => file.subarray(0, -4), (file: Buffer) => Buffer.concat([file, file])]) {
      writeFileSync(path, change(fileOf(version)))
      expect(() => openLlama2c(path)).toThrow(/bytes; a model of llama2.c with its header has \d+/)
    }
  })
})

test('of version 2, which is quantized, is refused by its number', () => {
  const file = fileOf(1)
  file.writeInt32LE(2, 4)
  writeFileSync(path, file)
  expect(() => openLlama2c(path)).toThrow(/is of version 2 of llama2.c/)
})

test('any header is opened or refused, and nothing is made of what it claims', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      writeFileSync(path, bytes)
      try {
        openLlama2c(path).close()
      } catch (error) {
        expect(error instanceof ExchangeError || error instanceof CheckpointError, String(error)).toBe(true)
      }
    }),
    { numRuns: 300 },
  )
})
