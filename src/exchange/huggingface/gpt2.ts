/** GPT2LMHeadModel. Its linear weights are Conv1D's, [in, out] as here. */
import { gpt2 } from '../../models/index.ts'
import type { ModelSettings } from '../pretrained.ts'
import { share, wholeNumber, type ConfigReader } from './configReader.ts'
import type { ModelClass } from './modelClass.ts'

const NORM_EPS = 1e-5

function readConfig(config: ConfigReader): ModelSettings {
  const width = config.read('n_embd', wholeNumber)
  config.expect('activation_function', 'gelu_new', 'gelu_new', 'gelu_pytorch_tanh')
  config.expect('n_inner', 4 * width, 4 * width)
  config.expect('scale_attn_weights', true, true)
  config.expect('scale_attn_by_inverse_layer_idx', false, false)
  config.expect('add_cross_attention', false, false)
  config.expect('tie_word_embeddings', true, true)
  config.expect('layer_norm_epsilon', NORM_EPS, NORM_EPS)
  return {
    architecture: gpt2.name,
    layers: config.read('n_layer', wholeNumber),
    heads: config.read('n_head', wholeNumber),
    width,
    context: config.read('n_positions', wholeNumber),
    vocab: config.read('vocab_size', wholeNumber),
    dropout: commonDropout(config),
    stochasticDepth: 0,
    bias: true,
  }
}

/** The rate of all three places, which are one here; 0.1 is transformers' default. */
function commonDropout(config: ConfigReader): number {
  const rate = config.read('resid_pdrop', share, 0.1)
  for (const key of ['embd_pdrop', 'attn_pdrop']) config.expect(key, 0.1, rate)
  return rate
}

export const gpt2Class: ModelClass = {
  name: 'GPT2LMHeadModel',
  modelType: 'gpt2',
  architecture: gpt2.name,
  readConfig,
  writeConfig: ({ layers, heads, width, context, dropout, vocab }) => ({
    activation_function: 'gelu_new',
    attn_pdrop: dropout,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    layer_norm_epsilon: NORM_EPS,
    n_layer: layers,
    n_head: heads,
    n_embd: width,
    n_inner: null,
    n_positions: context,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    tie_word_embeddings: true,
    vocab_size: vocab,
  }),
  prefix: 'transformer.',
  head: 'lm_head.weight',
  transposed: false,
  ignored: /^(transformer\.)?h\.\d+\.attn\.(masked_)?bias$/,
  completed: (model) => ({ ...model, bias: true }),
}
