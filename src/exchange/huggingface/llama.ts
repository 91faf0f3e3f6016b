/** LlamaForCausalLM and its relatives that share the names of its modules. */
import { llama } from '../../models/index.ts'
import type { ModelSettings } from '../pretrained.ts'
import { flag, positive, wholeNumber, type ConfigReader } from './configReader.ts'
import type { ModelClass } from './modelClass.ts'
import { readRope, writeRope } from './rope.ts'

/** What a class takes for keys that a configuration lacks. */
export interface DecoderDefaults {
  readonly eps: number
  readonly theta?: number
  /** As many as heads unless told. */
  readonly kvHeads?: number
}

/** The values that all decoders of this family have under the same keys. */
export function readDecoder(config: ConfigReader, { eps, theta, kvHeads }: DecoderDefaults) {
  const heads = config.read('num_attention_heads', wholeNumber)
  config.expect('hidden_act', 'silu', 'silu')
  config.expect('attention_bias', false, false)
  config.expect('attention_dropout', 0, 0)
  return {
    layers: config.read('num_hidden_layers', wholeNumber),
    heads,
    width: config.read('hidden_size', wholeNumber),
    context: config.read('max_position_embeddings', wholeNumber),
    vocab: config.read('vocab_size', wholeNumber),
    dropout: 0,
    stochasticDepth: 0,
    kvHeads: config.read('num_key_value_heads', wholeNumber, kvHeads ?? heads),
    feedForward: config.read('intermediate_size', wholeNumber),
    normEps: config.read('rms_norm_eps', positive, eps),
    ...readRope(config, theta),
    tied: config.read('tie_word_embeddings', flag, false),
  }
}

/** The same, back. Dropout is a matter of training, and these classes have none but in attention. */
export function writeDecoder(model: ModelSettings): Readonly<Record<string, unknown>> {
  return {
    attention_bias: false,
    attention_dropout: 0,
    hidden_act: 'silu',
    hidden_size: model.width,
    intermediate_size: model.feedForward,
    max_position_embeddings: model.context,
    num_attention_heads: model.heads,
    num_hidden_layers: model.layers,
    num_key_value_heads: model.kvHeads,
    rms_norm_eps: model.normEps,
    ...writeRope({
      ropeTheta: model.ropeTheta ?? 10_000,
      ...(model.ropeScaling ? { ropeScaling: model.ropeScaling } : {}),
    }),
    tie_word_embeddings: model.tied,
    vocab_size: model.vocab,
  }
}

/** Tables of angles that older versions saved. */
const SAVED_ANGLES = /^(model\.)?layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/

/** How the files of this family are laid out. */
export const DECODER_FILES = {
  prefix: 'model.',
  head: 'lm_head.weight',
  transposed: true,
  ignored: SAVED_ANGLES,
} as const

function plainHeadDim(config: ConfigReader): number {
  return config.read('hidden_size', wholeNumber) / config.read('num_attention_heads', wholeNumber)
}

/** Throws ExchangeError unless heads are as wide as the width leaves them. */
export function expectPlainHeads(config: ConfigReader): void {
  config.expect('head_dim', plainHeadDim(config), plainHeadDim(config))
}

/** The width of heads where it is another than the width leaves them. */
export function readHeadDim(config: ConfigReader): { readonly headDim?: number } {
  const plain = plainHeadDim(config)
  const headDim = config.has('head_dim') ? config.read('head_dim', wholeNumber) : plain
  return headDim === plain ? {} : { headDim }
}

export const llamaClass: ModelClass = {
  name: 'LlamaForCausalLM',
  modelType: 'llama',
  architecture: llama.name,
  readConfig(config) {
    config.expect('mlp_bias', false, false)
    return { architecture: llama.name, ...readDecoder(config, { eps: 1e-6 }), ...readHeadDim(config) }
  },
  writeConfig: (model) => ({
    ...writeDecoder(model),
    head_dim: model.headDim ?? model.width / model.heads,
    mlp_bias: false,
    pretraining_tp: 1,
  }),
  ...DECODER_FILES,
}
