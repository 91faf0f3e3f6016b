/** GPTNeoXForCausalLM, the class of Pythia. */
import { gptNeox } from '../../models/index.ts'
import type { ModelSettings } from '../pretrained.ts'
import { flag, positive, share, wholeNumber, type ConfigReader } from './configReader.ts'
import type { ModelClass } from './modelClass.ts'
import { readRopeTheta, writeRope } from './rope.ts'

function readConfig(config: ConfigReader): ModelSettings {
  const width = config.read('hidden_size', wholeNumber)
  config.expect('hidden_act', 'gelu', 'gelu')
  config.expect('intermediate_size', 24_576, 4 * width)
  config.expect('attention_bias', true, true)
  config.expect('use_parallel_residual', true, true)
  config.expect('attention_dropout', 0, 0)
  const rotary = config.section('rope_parameters')
  return {
    architecture: gptNeox.name,
    layers: config.read('num_hidden_layers', wholeNumber),
    heads: config.read('num_attention_heads', wholeNumber),
    width,
    context: config.read('max_position_embeddings', wholeNumber),
    vocab: config.read('vocab_size', wholeNumber),
    dropout: config.read('hidden_dropout', share, 0),
    stochasticDepth: 0,
    normEps: config.read('layer_norm_eps', positive, 1e-5),
    ropeTheta: readRopeTheta(config, config.read('rotary_emb_base', positive, 10_000)),
    rotaryShare: rotary.read('partial_rotary_factor', positive, config.read('rotary_pct', positive, 0.25)),
    tied: config.read('tie_word_embeddings', flag, false),
  }
}

export const gptNeoxClass: ModelClass = {
  name: 'GPTNeoXForCausalLM',
  modelType: 'gpt_neox',
  architecture: gptNeox.name,
  readConfig,
  writeConfig: ({ layers, heads, width, context, vocab, normEps, ropeTheta, rotaryShare, tied }) => ({
    attention_bias: true,
    attention_dropout: 0,
    hidden_act: 'gelu',
    hidden_dropout: 0,
    hidden_size: width,
    intermediate_size: 4 * width,
    layer_norm_eps: normEps,
    max_position_embeddings: context,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    ...writeRope({ ropeTheta: ropeTheta ?? 10_000 }, { partial_rotary_factor: rotaryShare }),
    rotary_emb_base: ropeTheta,
    rotary_pct: rotaryShare,
    tie_word_embeddings: tied,
    use_parallel_residual: true,
    vocab_size: vocab,
  }),
  prefix: 'gpt_neox.',
  head: 'embed_out.weight',
  transposed: true,
  ignored: /^(gpt_neox\.)?layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
}
