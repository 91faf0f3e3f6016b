/**
 * PaLM (Chowdhery et al. 2022, arXiv:2204.02311, §2): attention and MLP side by side on one norm without a bias, SwiGLU,
 * all query heads on one head of keys and values, rotary positions, tied, logits divided by √width, z-loss.
 *
 *     x = embed_tokens[ids]
 *     for each block:  y = norm(x);  x = x + attention(y) + swiglu(y)
 *     logits = norm(x) · embed_tokensᵀ / √width
 *
 * Its weights were never published, so the names are ours, in the style of Hugging Face's LLaMA, and so are the pairs that
 * turn together (`rotate`): others are the same model with the columns of q_proj and k_proj in another order.
 */
import { add, reshape, scope, type Tensor } from '../engine/index.ts'
import { declareGatedMlp, declareGroupedAttention, declareNorm } from '../nn/declare.ts'
import { embedding, gatedMlp, layerNormed } from '../nn/layers.ts'
import { normal, parameterList, type Init, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import { rotation } from '../nn/rotary.ts'
import { groupedSelfAttention } from '../nn/selfAttention.ts'
import type { TracedParameters } from '../nn/traced.ts'
import { defineModel, type ConfigOf } from './model.ts'

type Config = ConfigOf<'kvHeads' | 'headDim' | 'feedForward' | 'normEps' | 'ropeTheta' | 'zLoss'>

/** N(0, 1/√n_in) */
function fanIn(from: number): Init {
  return normal(1 / Math.sqrt(from))
}

/** §5: matrices by their fan-in, embeddings N(0, 1). */
function declareParameters(config: Config): readonly ParameterSpec[] {
  const { layers, heads, kvHeads, headDim, width, vocab, feedForward } = config
  const sizes = { width, heads, kvHeads, headDim }
  const list = parameterList()
  list.declare('embed_tokens.weight', [vocab, width], 'embedding', normal(1))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    declareNorm(list, `${name}.norm`, width)
    declareGroupedAttention(list, `${name}.self_attn`, sizes, fanIn(width), fanIn(heads * headDim))
    declareGatedMlp(list, `${name}.mlp`, [width, feedForward], fanIn(width), fanIn(feedForward))
  }
  declareNorm(list, 'norm', width)
  list.tie('lm_head.weight', 'embed_tokens.weight')
  return list.list()
}

function hidden(parameters: TracedParameters, config: Config, ids: Tensor, pass: Pass): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, kvHeads, headDim, width, normEps, ropeTheta } = config
  const norm = (name: string, x: Tensor): Tensor => layerNormed(parameters, name, x, normEps)
  const tokens = reshape(embedding(parameters, 'embed_tokens', ids), [batch * time, width])
  const attention = { batch, heads, kvHeads, headDim, rotation: rotation(pass, time, headDim, ropeTheta) }
  let x = scope('embed', () => pass.embedded(tokens)) // [N, C]
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`
    const y = norm(`${name}.norm`, x)
    const attended = groupedSelfAttention(parameters, `${name}.self_attn`, y, pass, { layer, ...attention })
    const thought = gatedMlp(parameters, `${name}.mlp`, y)
    x = scope(name, () => {
      const kept = pass.branch(attended, { layer, branch: 'attention', batch })
      return add(add(x, kept), pass.branch(thought, { layer, branch: 'mlp', batch }))
    })
  }
  return norm('norm', x)
}

/** The architecture `palm`. */
export const palm = defineModel({
  name: 'palm',
  reads: ['kvHeads', 'headDim', 'feedForward', 'normEps', 'ropeTheta', 'zLoss'],
  declareParameters,
  hidden,
  outputLayer: (parameters, { width }) => ({ weight: parameters.get('lm_head.weight'), scale: 1 / Math.sqrt(width) }),
})
