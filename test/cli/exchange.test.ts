/** A model of transformers taken over, trained on, and given back, by the commands. */
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openShards } from '../../src/exchange/huggingface/shards.ts'
import { halflife, temporaryFolder } from './halflife.ts'

const folder = temporaryFolder()
const at = (name: string): string => join(folder, name)
const llama = resolve('test/golden/huggingface/llama')

beforeAll(() => {
  const ids = Uint16Array.from({ length: 400 }, (_, i) => (7 * i + ((i * i) % 3)) % 40)
  for (const name of ['train.bin', 'val.bin']) writeFileSync(at(name), ids)
})

test('import, export and back; a resume says what is missing; train --from begins with the weights', async () => {
  const imported = await halflife(['import', llama, '--out', at('run'), '--json'])
  expect(imported.code, imported.stderr).toBe(0)
  expect(JSON.parse(imported.stdout)).toMatchObject({ format: 'LlamaForCausalLM', parameters: 5200, dtypes: 'BF16' })
  expect((await halflife(['import', llama, '--out', at('run')])).stderr).toMatch(/exists already/)

  const exported = await halflife(['export', at('run'), '--to', at('model'), '--dtype', 'bf16'])
  expect(exported.code, exported.stderr).toBe(0)
  const [ours, theirs] = [openShards(at('model')), openShards(llama)]
  expect([...ours.tensors.keys()].toSorted()).toEqual([...theirs.tensors.keys()].toSorted())
  const name = 'model.layers.1.self_attn.k_proj.weight'
  expect(ours.read(name, new Float32Array(128))).toEqual(theirs.read(name, new Float32Array(128)))
  for (const shards of [ours, theirs]) shards.close()

  const data = ['--data', folder, '--tokenizer', 'char', '--steps', '1', '--sample', '0', '--threads', '1']
  const resumed = await halflife(['train', '--resume', at('run'), ...data])
  expect(resumed.code).toBe(1)
  expect(resumed.stderr).toMatch(/missing: embed_tokens.weight.exp_avg .*--fresh-optimizer/s)
  const trained = await halflife(['train', '--from', llama, ...data, '--out', at('tuned')])
  expect(trained.code, trained.stderr).toBe(0)
  expect(trained.stderr).toMatch(/The weights are those of .*llama \(LlamaForCausalLM, BF16\)/)
  const gguf = await halflife(['export', at('tuned'), '--to', at('tuned.gguf'), '--dtype', 'f16'])
  expect(gguf.stdout).toMatch(/Wrote GGUF \(llama\)/)
})
