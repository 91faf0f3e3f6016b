/**
 * GPT-2 (Radford et al., 2019): pre-LN transformer, learned positions, GELU, head tied to the token embedding.
 *
 *     x = wte[ids] + wpe[0..T]
 *     for each block:  x = x + attention(norm(x));  x = x + mlp(norm(x))
 *     logits = norm(x) · wteᵀ
 *
 * Letters in the shape comments: B sequences of T tokens, N = B·T rows, C = width, V = vocabulary.
 */
import { add, reshape, scope, type Tensor } from '../engine/index.ts'
import { declareLinear, declareNorm } from '../nn/declare.ts'
import { embedding, layerNormed, mlp } from '../nn/layers.ts'
import { packedSelfAttention } from '../nn/selfAttention.ts'
import { normal, parameterList, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import type { TracedParameters } from '../nn/traced.ts'
import { defineModel, type ConfigOf } from './model.ts'

/** Standard deviation of the initial weights (openai/gpt-2 src/model.py). */
const INITIAL_DEVIATION = 0.02

type Config = ConfigOf<'bias'>

/** The projections that add to the residual stream start smaller by 1/√(2·layers) (the paper's section 2.3). */
export function declareParameters(config: Config): readonly ParameterSpec[] {
  const { layers, width, context, vocab, bias } = config
  const list = parameterList()
  const init = normal(INITIAL_DEVIATION)
  const residual = normal(INITIAL_DEVIATION / Math.sqrt(2 * layers))
  list.declare('wte.weight', [vocab, width], 'embedding', init)
  list.declare('wpe.weight', [context, width], 'position', init)
  for (let i = 0; i < layers; i++) {
    declareNorm(list, `h.${i}.ln_1`, width, bias)
    declareLinear(list, `h.${i}.attn.c_attn`, [width, 3 * width], init, bias) // queries, keys, values side by side
    declareLinear(list, `h.${i}.attn.c_proj`, [width, width], residual, bias)
    declareNorm(list, `h.${i}.ln_2`, width, bias)
    declareLinear(list, `h.${i}.mlp.c_fc`, [width, 4 * width], init, bias)
    declareLinear(list, `h.${i}.mlp.c_proj`, [4 * width, width], residual, bias)
  }
  declareNorm(list, 'ln_f', width, bias)
  list.tie('lm_head.weight', 'wte.weight')
  return list.list()
}

/**
 * Dropout acts on the embeddings, the attention weights and both residual branches of each block, as in GPT-2. `windowOf`
 * says how many positions each sees in a block, its own included; 0 for all before it, as unless told.
 */
export function hidden(
  parameters: TracedParameters,
  config: ConfigOf<never>,
  ids: Tensor,
  pass: Pass,
  windowOf: (layer: number) => number = () => 0,
): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, width } = config
  const tokens = embedding(parameters, 'wte', ids) // [B, T, C]
  const positions = scope('wpe', () => pass.positionRows(parameters.get('wpe.weight'), time)) // [T, C]
  let x = scope('embed', () => pass.embedded(reshape(add(tokens, positions), [batch * time, width]))) // [N, C]
  for (let layer = 0; layer < layers; layer++) {
    const name = `h.${layer}`
    const attended = packedSelfAttention(parameters, `${name}.attn`, layerNormed(parameters, `${name}.ln_1`, x), pass, {
      layer,
      batch,
      heads,
      window: windowOf(layer),
    })
    x = scope(name, () => add(x, pass.branch(attended, { layer, branch: 'attention', batch })))
    const thought = mlp(parameters, `${name}.mlp`, layerNormed(parameters, `${name}.ln_2`, x))
    x = scope(name, () => add(x, pass.branch(thought, { layer, branch: 'mlp', batch })))
  }
  return layerNormed(parameters, 'ln_f', x)
}

/** The architecture `gpt2`. */
export const gpt2 = defineModel({
  name: 'gpt2',
  reads: ['bias'],
  declareParameters,
  hidden: (parameters, config, ids, pass) => hidden(parameters, config, ids, pass),
  outputLayer: (parameters) => ({ weight: parameters.get('lm_head.weight'), scale: 1 }),
})
