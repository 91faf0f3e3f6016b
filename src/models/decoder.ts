/**
 * The pre-norm decoder that LLaMA, Mistral, Mixtral and Qwen3 share: RMSNorm, rotary grouped attention, any MLP.
 *
 *     x = embed_tokens[ids]
 *     for each block:  x = x + attention(norm(x));  x = x + mlp(norm(x))
 *     hidden = norm(x)
 */
import { add, reshape, scope, type Tensor } from '../engine/index.ts'
import { embedding, rmsNormed } from '../nn/layers.ts'
import { normal, ones, parameterList, type ParameterList, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import { rotation } from '../nn/rotary.ts'
import { groupedSelfAttention } from '../nn/selfAttention.ts'
import type { TracedParameters } from '../nn/traced.ts'
import type { ConfigOf, OutputLayer } from './model.ts'

/** Standard deviation of the initial weights: `initializer_range` of Hugging Face's configurations. */
export const INITIAL_DEVIATION = 0.02

export type DecoderConfig = ConfigOf<'kvHeads' | 'normEps' | 'ropeTheta' | 'tied'> & {
  /** width / heads unless told. */
  readonly headDim?: number
}

/** Declares the parameters of a block's MLP, whose names begin with `name`. */
export type DeclareMlp<Config> = (list: ParameterList, name: string, config: Config) => void

/** x [N, C] -> [N, C] */
export type Mlp = (parameters: TracedParameters, name: string, x: Tensor, pass: Pass) => Tensor

/** All parameters, with those of each block's MLP under `layers.${i}.mlp`. */
export function declareDecoder<Config extends DecoderConfig>(
  config: Config,
  declareMlp: DeclareMlp<Config>,
): readonly ParameterSpec[] {
  const { layers, heads, kvHeads, width, vocab, tied } = config
  const { headDim = width / heads } = config
  const list = parameterList()
  list.declare('embed_tokens.weight', [vocab, width], 'embedding', normal(INITIAL_DEVIATION))
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    list.declare(`${name}.input_layernorm.weight`, [width], 'gain', ones)
    declareMatrix(list, `${name}.self_attn.q_proj`, width, heads * headDim)
    declareMatrix(list, `${name}.self_attn.k_proj`, width, kvHeads * headDim)
    declareMatrix(list, `${name}.self_attn.v_proj`, width, kvHeads * headDim)
    declareMatrix(list, `${name}.self_attn.o_proj`, heads * headDim, width)
    list.declare(`${name}.post_attention_layernorm.weight`, [width], 'gain', ones)
    declareMlp(list, `${name}.mlp`, config)
  }
  list.declare('norm.weight', [width], 'gain', ones)
  if (tied) list.tie('lm_head.weight', 'embed_tokens.weight')
  else list.declare('lm_head.weight', [vocab, width], 'head', normal(INITIAL_DEVIATION))
  return list.list()
}

export function declareMatrix(list: ParameterList, name: string, from: number, to: number): void {
  list.declare(`${name}.weight`, [from, to], 'matrix', normal(INITIAL_DEVIATION))
}

/** SwiGLU's three matrices. */
export function declareGatedMlp(list: ParameterList, name: string, config: ConfigOf<'feedForward'>): void {
  declareMatrix(list, `${name}.gate_proj`, config.width, config.feedForward)
  declareMatrix(list, `${name}.up_proj`, config.width, config.feedForward)
  declareMatrix(list, `${name}.down_proj`, config.feedForward, config.width)
}

export interface DecoderParts {
  readonly mlp: Mlp
  /** How many positions each sees, itself included; undefined or 0 for all before it. */
  readonly window?: number
}

/** ids i32 [B, T] -> [N, C] */
export function decoder(
  parameters: TracedParameters,
  config: DecoderConfig,
  ids: Tensor,
  pass: Pass,
  { mlp, window }: DecoderParts,
): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, kvHeads, width, normEps, ropeTheta } = config
  const { headDim = width / heads } = config
  const turns = rotation(pass, time, headDim, ropeTheta)
  const norm = (name: string, x: Tensor): Tensor => rmsNormed(parameters, name, x, normEps)
  const tokens = reshape(embedding(parameters, 'embed_tokens', ids), [batch * time, width])
  let x = scope('embed', () => pass.embedded(tokens)) // [N, C]
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`
    const attended = groupedSelfAttention(parameters, `${name}.self_attn`, norm(`${name}.input_layernorm`, x), pass, {
      layer,
      batch,
      heads,
      kvHeads,
      headDim,
      rotation: turns,
      window,
    })
    x = scope(name, () => add(x, pass.branch(attended, { layer, branch: 'attention', batch })))
    const thought = mlp(parameters, `${name}.mlp`, norm(`${name}.post_attention_layernorm`, x), pass)
    x = scope(name, () => add(x, pass.branch(thought, { layer, branch: 'mlp', batch })))
  }
  return norm('norm', x)
}

/** logits = x · lm_headᵀ, which is the token table where they are tied. */
export function tableOrHead(parameters: TracedParameters): OutputLayer {
  return { weight: parameters.get('lm_head.weight'), scale: 1 }
}
