/**
 * GPT-NeoX, the architecture of Pythia (Black et al. 2022, arXiv:2204.06745; Biderman et al. 2023, arXiv:2304.01373):
 * attention and MLP side by side, each on a LayerNorm of its own, biases, exact GELU, the first part of each head rotated.
 *
 *     x = embed_in[ids]
 *     for each block:  x = x + attention(norm1(x)) + mlp(norm2(x))
 *     logits = norm(x) · embed_outᵀ
 */
import { add, geluExact, reshape, scope, slice, type Tensor } from '../engine/index.ts'
import { declareHead, declareLinear, declareNorm } from '../nn/declare.ts'
import { embedding, layerNormed, linear, mlp } from '../nn/layers.ts'
import { normal, parameterList, type ParameterSpec } from '../nn/parameter.ts'
import type { Pass } from '../nn/pass.ts'
import { rotate, rotation, type Rotation } from '../nn/rotary.ts'
import type { TracedParameters } from '../nn/traced.ts'
import { defineModel, type ConfigOf } from './model.ts'

type Config = ConfigOf<'normEps' | 'ropeTheta' | 'rotaryShare' | 'tied'>

const MLP = { first: 'dense_h_to_4h', second: 'dense_4h_to_h', activation: geluExact }

/**
 * EleutherAI/gpt-neox megatron/model/init_functions.py: `small_init`, √(2 / 5C), and `wang_init`, 2 / (layers · √C), for
 * what adds to the residual stream, as the Pythia configurations choose.
 */
function declareParameters(config: Config): readonly ParameterSpec[] {
  const { layers, width, vocab } = config
  const small = normal(Math.sqrt(2 / (5 * width)))
  const wang = normal(2 / (layers * Math.sqrt(width)))
  const list = parameterList()
  list.declare('embed_in.weight', [vocab, width], 'embedding', small)
  for (let i = 0; i < layers; i++) {
    const name = `layers.${i}`
    declareNorm(list, `${name}.input_layernorm`, width, true)
    declareNorm(list, `${name}.post_attention_layernorm`, width, true)
    declareLinear(list, `${name}.attention.query_key_value`, [width, 3 * width], small, true)
    declareLinear(list, `${name}.attention.dense`, [width, width], wang, true)
    declareLinear(list, `${name}.mlp.${MLP.first}`, [width, 4 * width], small, true)
    declareLinear(list, `${name}.mlp.${MLP.second}`, [4 * width, width], wang, true)
  }
  declareNorm(list, 'final_layer_norm', width, true)
  declareHead(list, 'embed_out.weight', config, 'embed_in.weight', small)
  return list.list()
}

/** Queries, keys and values of one head lie side by side, head after head. y [N, C] -> [N, C] */
function attention(
  parameters: TracedParameters,
  name: string,
  y: Tensor,
  pass: Pass,
  { layer, batch, heads, turns }: { layer: number; batch: number; heads: number; turns: Rotation },
): Tensor {
  const [rows, width] = y.shape as readonly [number, number]
  const headDim = width / heads // D
  const packed = linear(parameters, `${name}.query_key_value`, y)
  const mixed = scope(name, () => {
    const qkv = reshape(packed, [batch, rows / batch, heads, 3 * headDim])
    const [q, k, v] = [0, 1, 2].map((part) => slice(qkv, 3, part * headDim, (part + 1) * headDim)) // [B, T, H, D]
    return reshape(pass.attend(layer, rotate(q!, turns), rotate(k!, turns), v!), [rows, width])
  })
  return linear(parameters, `${name}.dense`, mixed)
}

function hidden(parameters: TracedParameters, config: Config, ids: Tensor, pass: Pass): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, width, normEps, ropeTheta, rotaryShare } = config
  const norm = (name: string, x: Tensor): Tensor => layerNormed(parameters, name, x, normEps)
  const turns = rotation(pass, time, Math.trunc((width / heads) * rotaryShare), ropeTheta)
  const tokens = reshape(embedding(parameters, 'embed_in', ids), [batch * time, width])
  let x = scope('embed', () => pass.embedded(tokens)) // [N, C]
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`
    const options = { layer, batch, heads, turns }
    const attended = attention(parameters, `${name}.attention`, norm(`${name}.input_layernorm`, x), pass, options)
    const thought = mlp(parameters, `${name}.mlp`, norm(`${name}.post_attention_layernorm`, x), MLP)
    x = scope(name, () => {
      const kept = pass.branch(attended, { layer, branch: 'attention', batch })
      return add(add(x, kept), pass.branch(thought, { layer, branch: 'mlp', batch }))
    })
  }
  return norm('final_layer_norm', x)
}

/** The architecture `gpt-neox`, under GPTNeoXForCausalLM's names. */
export const gptNeox = defineModel({
  name: 'gpt-neox',
  reads: ['normEps', 'ropeTheta', 'rotaryShare', 'tied'],
  declareParameters,
  hidden,
  outputLayer: (parameters) => ({ weight: parameters.get('embed_out.weight'), scale: 1 }),
})
