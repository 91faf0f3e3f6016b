/**
 * OLMo-2 (OLMo team 2025, arXiv:2501.00656, §3.2): RMSNorm on what each branch gives instead of on what it takes, RMSNorm
 * of the queries and keys over all heads at once, SwiGLU, rotary positions, z-loss.
 *
 *     x = embed_tokens[ids]
 *     for each block:  x = x + norm(attention(x));  x = x + norm(swiglu(x))
 *     logits = norm(x) · lm_headᵀ
 */
import { add, reshape, scope, type Tensor } from '../engine/index.ts'
import { declareGatedMlp, declareGroupedAttention, declareHead, declareNorm } from '../nn/declare.ts'
import { embedding, gatedMlp, rmsNormed } from '../nn/layers.ts'
import { parameterList, truncatedNormal, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import { rotation } from '../nn/rotary.ts'
import { groupedSelfAttention } from '../nn/selfAttention.ts'
import type { TracedParameters } from '../nn/traced.ts'
import { languageHead } from './decoder.ts'
import { defineModel, type ConfigOf } from './model.ts'

/** allenai/OLMo configs/official-1124/*.yaml: init_fn normal, init_std 0.02, init_cutoff_factor 3. */
const INIT = truncatedNormal(0.02, 3)

type Config = ConfigOf<'kvHeads' | 'feedForward' | 'normEps' | 'ropeTheta' | 'tied' | 'zLoss'>

function declareParameters(config: Config): readonly ParameterSpec[] {
  const { layers, heads, kvHeads, width, vocab, feedForward } = config
  const sizes = { width, heads, kvHeads, headDim: width / heads, qkNorm: 'row' as const }
  const list = parameterList()
  list.declare('embed_tokens.weight', [vocab, width], 'embedding', INIT)
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    declareGroupedAttention(list, `${name}.self_attn`, sizes, INIT)
    declareNorm(list, `${name}.post_attention_layernorm`, width)
    declareGatedMlp(list, `${name}.mlp`, [width, feedForward], INIT)
    declareNorm(list, `${name}.post_feedforward_layernorm`, width)
  }
  declareNorm(list, 'norm', width)
  declareHead(list, 'lm_head.weight', config, 'embed_tokens.weight', INIT)
  return list.list()
}

function hidden(parameters: TracedParameters, config: Config, ids: Tensor, pass: Pass): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, kvHeads, width, normEps, ropeTheta } = config
  const headDim = width / heads
  const norm = (name: string, x: Tensor): Tensor => rmsNormed(parameters, name, x, normEps)
  const tokens = reshape(embedding(parameters, 'embed_tokens', ids), [batch * time, width])
  const attention = {
    batch,
    heads,
    kvHeads,
    headDim,
    rotation: rotation(pass, time, headDim, ropeTheta),
    qkNorm: { over: 'row', epsilon: normEps },
  } as const
  let x = scope('embed', () => pass.embedded(tokens)) // [N, C]
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`
    const attended = groupedSelfAttention(parameters, `${name}.self_attn`, x, pass, { layer, ...attention })
    const calmed = norm(`${name}.post_attention_layernorm`, attended)
    x = scope(name, () => add(x, pass.branch(calmed, { layer, branch: 'attention', batch })))
    const thought = norm(`${name}.post_feedforward_layernorm`, gatedMlp(parameters, `${name}.mlp`, x))
    x = scope(name, () => add(x, pass.branch(thought, { layer, branch: 'mlp', batch })))
  }
  return norm('norm', x)
}

/** The architecture `olmo2`, under Olmo2ForCausalLM's names. */
export const olmo2 = defineModel({
  name: 'olmo2',
  reads: ['kvHeads', 'feedForward', 'normEps', 'ropeTheta', 'tied', 'zLoss'],
  declareParameters,
  hidden,
  outputLayer: languageHead,
})
