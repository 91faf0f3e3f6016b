/**
 * The pre-norm decoder that LLaMA, Mistral, Mixtral and Qwen3 share: RMSNorm, rotary grouped attention, any MLP.
 *
 *     x = embed_tokens[ids]
 *     for each block:  x = x + attention(norm(x));  x = x + mlp(norm(x))
 *     hidden = norm(x)
 */
import { add, reshape, scope, type Tensor } from '../engine/index.ts'
import { declareGatedMlp, declareGroupedAttention, declareHead, declareNorm, type QkNorm } from '../nn/declare.ts'
import { embedding, gatedMlp, rmsNormed } from '../nn/layers.ts'
import { normal, parameterList, type ParameterList, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import { rotation, type RopeScaling } from '../nn/rotary.ts'
import { groupedSelfAttention } from '../nn/selfAttention.ts'
import type { TracedParameters } from '../nn/traced.ts'
import type { ConfigOf, OutputLayer } from './model.ts'

/** Initial weights: `initializer_range` of Hugging Face's configurations. */
export const DECODER_INIT = normal(0.02)

/** What all of these may be told besides, save Qwen3's width of heads, which it must. */
export const DECODER_OPTIONS = ['headDim', 'ropeScaling'] as const

export type DecoderConfig = ConfigOf<'kvHeads' | 'normEps' | 'ropeTheta' | 'tied'> & {
  /** width / heads unless told. */
  readonly headDim?: number
  /** None unless told. */
  readonly ropeScaling?: RopeScaling
}

/** What takes the place of a block's MLP, with its parameters under `name`. */
export interface MlpLayer<Config> {
  declare(list: ParameterList, name: string, config: Config): void
  /** x [N, C] -> [N, C] */
  apply(parameters: TracedParameters, name: string, x: Tensor, config: Config, pass: Pass): Tensor
}

/** SwiGLU. */
export const denseMlp: MlpLayer<ConfigOf<'feedForward'>> = {
  declare: (list, name, { width, feedForward }) => declareGatedMlp(list, name, [width, feedForward], DECODER_INIT),
  apply: (parameters, name, x) => gatedMlp(parameters, name, x),
}

export interface DecoderParts<Config> {
  readonly mlp: MlpLayer<Config>
  /** What the MLP's names begin with after `layers.${i}.`; `mlp` unless told. */
  readonly mlpName?: string
  /** Norms of queries and keys; none unless told. */
  readonly qkNorm?: QkNorm
  /** How many positions each sees, its own included; 0 for all before it, as unless told. */
  readonly window?: (config: Config) => number
}

/** The functions of an architecture made of these parts. */
export function decoder<Config extends DecoderConfig>({
  mlp,
  mlpName = 'mlp',
  qkNorm,
  window = () => 0,
}: DecoderParts<Config>) {
  const declareParameters = (config: Config): readonly ParameterSpec[] => {
    const { layers, heads, kvHeads, width, vocab, headDim = width / heads } = config
    const list = parameterList()
    list.declare('embed_tokens.weight', [vocab, width], 'embedding', DECODER_INIT)
    for (let i = 0; i < layers; i++) {
      const name = `layers.${i}`
      const sizes = { width, heads, kvHeads, headDim, qkNorm }
      declareNorm(list, `${name}.input_layernorm`, width)
      declareGroupedAttention(list, `${name}.self_attn`, sizes, DECODER_INIT)
      declareNorm(list, `${name}.post_attention_layernorm`, width)
      mlp.declare(list, `${name}.${mlpName}`, config)
    }
    declareNorm(list, 'norm', width)
    declareHead(list, 'lm_head.weight', config, 'embed_tokens.weight', DECODER_INIT)
    return list.list()
  }

  const hidden = (parameters: TracedParameters, config: Config, ids: Tensor, pass: Pass): Tensor => {
    const [batch, time] = ids.shape as readonly [number, number]
    const { layers, heads, kvHeads, width, normEps, ropeTheta, headDim = width / heads, ropeScaling } = config
    const norm = (name: string, x: Tensor): Tensor => rmsNormed(parameters, name, x, normEps)
    const tokens = reshape(embedding(parameters, 'embed_tokens', ids), [batch * time, width])
    const attention = {
      batch,
      heads,
      kvHeads,
      headDim,
      rotation: rotation(pass, time, headDim, ropeTheta, ropeScaling),
      qkNorm: qkNorm && { over: qkNorm, epsilon: normEps },
      window: window(config),
    }
    let x = scope('embed', () => pass.embedded(tokens)) // [N, C]
    for (let layer = 0; layer < layers; layer++) {
      const name = `layers.${layer}`
      const before = norm(`${name}.input_layernorm`, x)
      const attended = groupedSelfAttention(parameters, `${name}.self_attn`, before, pass, { layer, ...attention })
      x = scope(name, () => add(x, pass.branch(attended, { layer, branch: 'attention', batch })))
      const between = norm(`${name}.post_attention_layernorm`, x)
      const thought = mlp.apply(parameters, `${name}.${mlpName}`, between, config, pass)
      x = scope(name, () => add(x, pass.branch(thought, { layer, branch: 'mlp', batch })))
    }
    return norm('norm', x)
  }

  return { declareParameters, hidden, outputLayer: languageHead }
}

/** logits = x · lm_headᵀ, which is the token table where they are tied. */
export function languageHead(parameters: TracedParameters): OutputLayer {
  return { weight: parameters.get('lm_head.weight'), scale: 1 }
}
