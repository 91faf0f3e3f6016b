/**
 * GPT-2 (Radford et al., 2019): pre-LN transformer, learned positions, GELU, head tied to the token embedding.
 *
 *     x = wte[ids] + wpe[0..T]
 *     for each block:  x = x + attention(norm(x));  x = x + mlp(norm(x))
 *     logits = norm(x) · wteᵀ
 *
 * Letters in the shape comments: B sequences of T tokens, N = B·T rows, C = width, V = vocabulary.
 */
import { add, gather, matmul, reshape, scope, slice, transpose, type Tensor } from '../engine/index.ts'
import { noDropout, type Dropout } from '../nn/dropout.ts'
import { causalSelfAttention, embedding, mlp, norm } from '../nn/layers.ts'
import { normal, ones, parameterList, zeros, type ParameterSpec } from '../nn/parameter.ts'
import type { TracedParameters } from '../nn/traced.ts'
import type { Model, ModelConfig } from './model.ts'

/** Standard deviation of the initial weights (openai/gpt-2 src/model.py). */
const INITIAL_DEVIATION = 0.02

/**
 * Every parameter with its role, under Hugging Face's names without their `transformer.` prefix. Linear weights are
 * [in, out]. The projections that add to the residual stream start smaller by 1/√(2·layers) (the paper's section 2.3).
 */
export function declareParameters(config: ModelConfig): readonly ParameterSpec[] {
  const { layers, width, context, vocab, bias } = config
  const list = parameterList()
  const declareNorm = (name: string): void => {
    list.declare(`${name}.weight`, [width], 'gain', ones)
    if (bias) list.declare(`${name}.bias`, [width], 'bias', zeros)
  }
  const declareLinear = (name: string, from: number, to: number, deviation = INITIAL_DEVIATION): void => {
    list.declare(`${name}.weight`, [from, to], 'matrix', normal(deviation))
    if (bias) list.declare(`${name}.bias`, [to], 'bias', zeros)
  }
  const residual = INITIAL_DEVIATION / Math.sqrt(2 * layers)
  list.declare('wte.weight', [vocab, width], 'embedding', normal(INITIAL_DEVIATION))
  list.declare('wpe.weight', [context, width], 'position', normal(INITIAL_DEVIATION))
  for (let i = 0; i < layers; i++) {
    declareNorm(`h.${i}.ln_1`)
    declareLinear(`h.${i}.attn.c_attn`, width, 3 * width) // queries, keys, values side by side
    declareLinear(`h.${i}.attn.c_proj`, width, width, residual)
    declareNorm(`h.${i}.ln_2`)
    declareLinear(`h.${i}.mlp.c_fc`, width, 4 * width)
    declareLinear(`h.${i}.mlp.c_proj`, 4 * width, width, residual)
  }
  declareNorm('ln_f')
  list.tie('lm_head.weight', 'wte.weight')
  return list.list()
}

/**
 * What the model knows of each token's surroundings, ready for the head: ids i32 [B, T] -> [N, C], T ≤ context.
 *
 * Dropout acts on the embeddings, the attention weights and both residual branches of each block, as in GPT-2.
 */
function hidden(parameters: TracedParameters, config: ModelConfig, ids: Tensor, dropout: Dropout): Tensor {
  const [batch, time] = ids.shape as readonly [number, number]
  const { layers, heads, width, context } = config
  if (time > context) throw new RangeError(`The model has ${context} positions, but sequences of ${time} were given.`)
  const tokens = embedding(parameters, 'wte', ids) // [B, T, C]
  const positions = scope('wpe', () => slice(parameters.get('wpe.weight'), 0, 0, time)) // [T, C]
  let x = scope('embed', () => dropout.drop(reshape(add(tokens, positions), [batch * time, width]), 0)) // [N, C]
  for (let i = 0; i < layers; i++) {
    const name = `h.${i}`
    const attended = causalSelfAttention(parameters, `${name}.attn`, norm(parameters, `${name}.ln_1`, x), {
      batch,
      heads,
      dropout: dropout.ofAttention(3 * i + 1),
    })
    x = addBranch(name, x, attended, dropout, 3 * i + 2)
    const thought = mlp(parameters, `${name}.mlp`, norm(parameters, `${name}.ln_2`, x))
    x = addBranch(name, x, thought, dropout, 3 * i + 3)
  }
  return norm(parameters, 'ln_f', x)
}

/** x + dropout(branch), both [N, C] */
function addBranch(name: string, x: Tensor, branch: Tensor, dropout: Dropout, site: number): Tensor {
  return scope(name, () => add(x, dropout.drop(branch, site)))
}

/** x·wteᵀ: x [N, C] -> [N, V] */
function head(parameters: TracedParameters, x: Tensor): Tensor {
  return scope('lm_head', () => matmul(x, transpose(parameters.get('lm_head.weight'))))
}

/** The architecture `gpt2`. */
export const gpt2: Model = {
  name: 'gpt2',
  declareParameters,
  logits: (parameters, config, ids, dropout = noDropout) => head(parameters, hidden(parameters, config, ids, dropout)),
  logitsAt: (parameters, config, ids, rows) => {
    const x = hidden(parameters, config, ids, noDropout) // [N, C]
    return head(
      parameters,
      scope('lm_head', () => gather(x, rows)),
    )
  },
}
