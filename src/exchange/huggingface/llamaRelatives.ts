/** Classes whose blocks are LLaMA's with a change: MistralForCausalLM, Qwen3ForCausalLM, Olmo2ForCausalLM. */
import { z } from 'zod'
import { mistral, olmo2, qwen3 } from '../../models/index.ts'
import { wholeNumber } from './configReader.ts'
import { DECODER_FILES, expectPlainHeads, readDecoder, readHeadDim, writeDecoder } from './llama.ts'
import type { ModelClass } from './modelClass.ts'
import { readRopeTheta } from './rope.ts'

export const mistralClass: ModelClass = {
  name: 'MistralForCausalLM',
  modelType: 'mistral',
  architecture: mistral.name,
  readConfig(config) {
    const window = config.read('sliding_window', wholeNumber.nullable(), 4096)
    return {
      architecture: mistral.name,
      ...readDecoder(config, { eps: 1e-6, kvHeads: 8 }),
      ...readHeadDim(config),
      window: window ?? 0,
    }
  },
  writeConfig: (model) => ({
    ...writeDecoder(model),
    head_dim: model.headDim ?? model.width / model.heads,
    sliding_window: (model.window ?? 0) === 0 ? null : model.window,
  }),
  ...DECODER_FILES,
}

const layerTypes = z.array(z.string())

export const qwen3Class: ModelClass = {
  name: 'Qwen3ForCausalLM',
  modelType: 'qwen3',
  architecture: qwen3.name,
  readConfig(config) {
    config.expect('use_sliding_window', false, false)
    for (const type of new Set(config.read('layer_types', layerTypes, []))) {
      if (type !== 'full_attention') config.expect('layer_types', type, ['full_attention'])
    }
    const headDim = config.read('head_dim', wholeNumber, 128)
    return { architecture: qwen3.name, ...readDecoder(config, { eps: 1e-6, kvHeads: 32 }), headDim }
  },
  writeConfig: (model) => ({
    ...writeDecoder(model),
    head_dim: model.headDim,
    layer_types: Array.from({ length: model.layers }, () => 'full_attention'),
    sliding_window: null,
    use_sliding_window: false,
  }),
  ...DECODER_FILES,
}

export const olmo2Class: ModelClass = {
  name: 'Olmo2ForCausalLM',
  modelType: 'olmo2',
  architecture: olmo2.name,
  readConfig(config) {
    expectPlainHeads(config)
    readRopeTheta(config) // never stretched
    return { architecture: olmo2.name, ...readDecoder(config, { eps: 1e-5 }), zLoss: 0 }
  },
  writeConfig: writeDecoder,
  ...DECODER_FILES,
}
