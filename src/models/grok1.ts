/**
 * Grok-1 (xai-org/grok-1, model.py and run.py, 2024): RMSNorm before and after each branch, rotary grouped attention whose
 * scores are capped softly, experts with a gated GELU whose gates are not renormalized, a router in fp32 as all is here,
 * embeddings multiplied by √width, tied, logits divided by √3.
 *
 *     x = √width · embed_tokens[ids]
 *     for each block:  x = x + norm(attention(norm(x)));  x = x + norm(Σ_k gate_k · geglu_k(norm(x)))
 *     logits = norm(x) · embed_tokensᵀ / √3
 *
 * Its weights were released in JAX; names follow HPC-AI Tech's port to Hugging Face. How it was trained and initialised is
 * not published: the release fills its weights with constants and has no auxiliary loss.
 */
import { add, gelu, mul, reshape, scope, type Tensor } from '../engine/index.ts'
import { declareGroupedAttention, declareNorm } from '../nn/declare.ts'
import { declareExperts, experts, loadBalancing, route, type Routing } from '../nn/experts.ts'
import { embedding, rmsNormed } from '../nn/layers.ts'
import { normal, parameterList, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import { rotation } from '../nn/rotary.ts'
import { groupedSelfAttention } from '../nn/selfAttention.ts'
import type { TracedParameters } from '../nn/traced.ts'
import { DECODER_INIT } from './decoder.ts'
import { defineModel, type ConfigOf } from './model.ts'

const reads = [
  'kvHeads',
  'headDim',
  'feedForward',
  'experts',
  'expertsPerToken',
  'balanceLoss',
  'softCap',
  'normEps',
  'ropeTheta',
] as const
type Config = ConfigOf<(typeof reads)[number]>

/** gelu(x · linear) · (x · linear_v), then linear_1. */
const PARTS = { gate: 'linear', up: 'linear_v', down: 'linear_1', activation: gelu } as const

/** run.py: embedding_multiplier_scale 78.38367176906169 at a width of 6144. */
const embeddingScale = ({ width }: Config): number => Math.sqrt(width)
/** run.py: output_multiplier_scale. */
const OUTPUT_SCALE = 0.5773502691896257

/** The token table has rows of length 1, so that embeddings have elements of size 1. */
function declareParameters(config: Config): readonly ParameterSpec[] {
  const { layers, width, vocab, experts: count } = config
  const list = parameterList()
  list.declare('embed_tokens.weight', [vocab, width], 'embedding', normal(1 / embeddingScale(config)))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    declareNorm(list, `${name}.pre_attn_norm`, width)
    declareGroupedAttention(list, `${name}.attn`, config, DECODER_INIT)
    declareNorm(list, `${name}.post_attn_norm`, width)
    declareNorm(list, `${name}.pre_moe_norm`, width)
    list.declare(`${name}.moe_block.gate.weight`, [width, count], 'router', DECODER_INIT)
    declareExperts(list, `${name}.moe_block.experts`, PARTS, config, DECODER_INIT)
    declareNorm(list, `${name}.post_moe_norm`, width)
  }
  declareNorm(list, 'norm', width)
  list.tie('lm_head.weight', 'embed_tokens.weight')
  return list.list()
}

/** ids i32 [B, T] -> [N, C] */
function hidden(parameters: TracedParameters, config: Config, ids: Tensor, pass: Pass): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, kvHeads, headDim, width, expertsPerToken, balanceLoss, softCap, normEps, ropeTheta } = config
  const norm = (name: string, x: Tensor): Tensor => rmsNormed(parameters, name, x, normEps)
  const tokens = reshape(embedding(parameters, 'embed_tokens', ids), [batch * time, width])
  const attention = { batch, heads, kvHeads, headDim, softCap, rotation: rotation(pass, time, headDim, ropeTheta) }
  const routings: Routing[] = []
  let x = scope('embed', () => pass.embedded(mul(tokens, embeddingScale(config)))) // [N, C]
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`
    const before = norm(`${name}.pre_attn_norm`, x)
    const attended = groupedSelfAttention(parameters, `${name}.attn`, before, pass, { layer, ...attention })
    const calmed = norm(`${name}.post_attn_norm`, attended)
    x = scope(name, () => add(x, pass.branch(calmed, { layer, branch: 'attention', batch })))
    const between = norm(`${name}.pre_moe_norm`, x)
    const routing = route(parameters, `${name}.moe_block.gate`, between, { expertsPerToken, renormalized: false })
    routings.push(routing)
    const computed = experts(parameters, `${name}.moe_block.experts`, between, routing, PARTS)
    const thought = norm(`${name}.post_moe_norm`, computed)
    x = scope(name, () => add(x, pass.branch(thought, { layer, branch: 'mlp', batch })))
  }
  pass.addLoss('balance', loadBalancing(routings), balanceLoss)
  return norm('norm', x)
}

/** The architecture `grok-1`. */
export const grok1 = defineModel({
  name: 'grok-1',
  reads,
  declareParameters,
  hidden,
  outputLayer: (parameters) => ({ weight: parameters.get('lm_head.weight'), scale: OUTPUT_SCALE }),
})
