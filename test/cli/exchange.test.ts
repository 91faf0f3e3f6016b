/** A model of transformers taken over, trained on, and given back, by the commands. */
import { rmSync, writeFileSync } from 'node:fs'
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

/** A run of a second. */
const SMALL = ['model.layers=1', 'model.heads=1', 'model.width=8', 'model.context=8', 'train.batchSize=2']
const small = [...SMALL.flatMap((each) => ['--set', each]), '--sample', '0', '--threads', '1', '--look-every', '0']

test('characters of a model read a new text, and those that it lacks are named', async () => {
  writeFileSync(at('old.txt'), 'the whale, the sea\n'.repeat(20))
  writeFileSync(at('new.txt'), 'the sea the\n'.repeat(20))
  writeFileSync(at('other.txt'), 'Ahab!\n'.repeat(20))
  const first = await halflife(['train', '--data', at('old.txt'), '--steps', '1', ...small, '--out', at('old')])
  expect(first.code, first.stderr).toBe(0)
  const from = ['train', '--from', at('old'), '--steps', '1', '--sample', '0', '--threads', '1']
  const tuned = await halflife([...from, '--data', at('new.txt'), '--out', at('new')])
  expect(tuned.code, tuned.stderr).toBe(0)
  expect(tuned.stdout).toMatch(new RegExp(`train finetune --from ${at('old')} --set`))
  const resumed = await halflife(['train', '--resume', at('old'), '--data', at('new.txt'), '--steps', '2', ...small])
  expect(resumed.code, resumed.stderr).toBe(0)
  const refused = await halflife([...from, '--data', at('other.txt'), '--out', at('none')])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/has 3 characters .* lacks: "!" \(U\+0021\), "A" \(U\+0041\), "b" \(U\+0062\)\./)
})

/** A tokenizer.json of these ids. */
function tokenizerJson(vocab: Readonly<Record<string, number>>): string {
  return JSON.stringify({
    model: { type: 'BPE', vocab, merges: ['a b'], unk_token: 'a' },
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
  })
}

test('a run goes on with the tokenizer that it saved, and says what has become of its file', async () => {
  writeFileSync(at('abc.txt'), 'abacab'.repeat(40))
  writeFileSync(at('tokenizer.json'), tokenizerJson({ a: 0, b: 1, c: 2, ab: 3 }))
  const data = ['--data', at('abc.txt')]
  const run = ['--tokenizer', at('tokenizer.json'), '--steps', '1', '--out', at('abc')]
  const first = await halflife(['train', ...data, ...run, ...small])
  expect(first.code, first.stderr).toBe(0)
  writeFileSync(at('tokenizer.json'), tokenizerJson({ a: 0, c: 1, b: 2, ab: 3 }))
  const changed = await halflife(['train', '--resume', at('abc'), '--steps', '2', '--sample', '0', '--threads', '1'])
  expect(changed.code, changed.stderr).toBe(0)
  expect(changed.stderr).toMatch(/note: .*tokenizer\.json has another tokenizer now; the tokenizer is the one saved in/)
  expect(changed.stderr).not.toMatch(/hash of its tokens/)
  rmSync(at('tokenizer.json'))
  const gone = await halflife(['train', '--resume', at('abc'), '--steps', '3', '--sample', '0', '--threads', '1'])
  expect(gone.code, gone.stderr).toBe(0)
  expect(gone.stderr).toMatch(/note: .*tokenizer\.json cannot be read any more/)
})
