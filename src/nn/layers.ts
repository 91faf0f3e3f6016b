/**
 * Layers as plain functions of traced tensors; `name` is the module's, so its weights are `${name}.weight` and so on.
 *
 * Letters in the shape comments: B sequences of T tokens, N = B·T rows, C = width, H heads of D = C/H.
 * Activations stay [N, C] from the embedding to the head.
 */
import {
  attention,
  gather,
  gelu,
  layerNorm,
  matmul,
  reshape,
  scope,
  slice,
  add,
  type AttentionOptions,
  type Tensor,
} from '../engine/index.ts'
import type { TracedParameters } from './traced.ts'

/** y = x·W + b. x [N, in], W [in, out], b [out] where the model has one -> [N, out] */
export function linear(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  return scope(name, () => {
    const y = matmul(x, parameters.get(`${name}.weight`))
    const bias = parameters.find(`${name}.bias`)
    return bias ? add(y, bias) : y
  })
}

/** Rows of the table `${name}.weight` [V, C]; ids i32 [...] -> [..., C] */
export function embedding(parameters: TracedParameters, name: string, ids: Tensor): Tensor {
  return scope(name, () => gather(parameters.get(`${name}.weight`), ids))
}

/** (x − μ)/√(σ² + 1e-5) · gain + bias over the last axis, gain being `${name}.weight`. x [N, C] -> [N, C] */
export function norm(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  return scope(name, () => layerNorm(x, parameters.get(`${name}.weight`), parameters.find(`${name}.bias`)))
}

/** c_proj(gelu(c_fc(x))) with GELU's tanh form. x [N, C] -> [N, C] */
export function mlp(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  const hidden = linear(parameters, `${name}.c_fc`, x) // [N, 4C]
  const active = scope(name, () => gelu(hidden))
  return linear(parameters, `${name}.c_proj`, active)
}

export interface SelfAttentionOptions {
  /** B, the number of sequences in the N = B·T rows. */
  readonly batch: number
  /** H, which divides the width. */
  readonly heads: number
  /** What is dropped of the attention weights; nothing unless told. */
  readonly dropout?: AttentionOptions['dropout']
}

/**
 * Every position mixes those up to itself: c_proj(softmax(q·kᵀ/√D)·v), with queries, keys and values of all heads side
 * by side in one product, `${name}.c_attn`. x [N, C] -> [N, C]
 */
export function causalSelfAttention(
  parameters: TracedParameters,
  name: string,
  x: Tensor,
  { batch, heads, dropout }: SelfAttentionOptions,
): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const headWidth = width / heads // D
  const packed = linear(parameters, `${name}.c_attn`, x) // [N, 3C]
  const mixed = scope(name, () => {
    const qkv = reshape(packed, [batch, rows / batch, 3 * heads, headWidth]) // [B, T, 3H, D]
    const [q, k, v] = [0, 1, 2].map((part) => slice(qkv, 2, part * heads, (part + 1) * heads)) // [B, T, H, D]
    const y = attention(q!, k!, v!, { scale: 1 / Math.sqrt(headWidth), causal: true, dropout })
    return reshape(y, [rows, width]) // [N, C]
  })
  return linear(parameters, `${name}.c_proj`, mixed)
}
