/**
 * Self-attention of a block: projections around `pass.attend`, which mixes the values of the positions that each may see.
 *
 * Letters in the shape comments: B sequences of T tokens, N = B·T rows, C = width, H heads of D over KV heads of keys.
 */
import { reshape, scope, slice, type Tensor } from '../engine/index.ts'
import type { QkNorm } from './declare.ts'
import { linear, rmsNormed } from './layers.ts'
import type { Pass } from './pass.ts'
import { rotate, type Rotation } from './rotary.ts'
import type { TracedParameters } from './traced.ts'

export interface PackedAttentionOptions {
  /** The block's number, from 0. */
  readonly layer: number
  /** B, the number of sequences in the N = B·T rows. */
  readonly batch: number
  /** H, which divides the width. */
  readonly heads: number
  /** How many positions each sees, itself included; undefined or 0 for all before it. */
  readonly window?: number | undefined
}

/**
 * GPT-2's: c_proj(softmax(q·kᵀ/√D)·v), with queries, keys and values of all heads side by side in one product,
 * `${name}.c_attn`. x [N, C] -> [N, C]
 */
export function packedSelfAttention(
  parameters: TracedParameters,
  name: string,
  x: Tensor,
  pass: Pass,
  { layer, batch, heads, window }: PackedAttentionOptions,
): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const headDim = width / heads // D
  const packed = linear(parameters, `${name}.c_attn`, x) // [N, 3C]
  const mixed = scope(name, () => {
    const qkv = reshape(packed, [batch, rows / batch, 3 * heads, headDim]) // [B, T, 3H, D]
    const [q, k, v] = [0, 1, 2].map((part) => slice(qkv, 2, part * heads, (part + 1) * heads)) // [B, T, H, D]
    return reshape(pass.attend(layer, q!, k!, v!, { window: window || undefined }), [rows, width]) // [N, C]
  })
  return linear(parameters, `${name}.c_proj`, mixed)
}

export interface GroupedAttentionOptions extends PackedAttentionOptions {
  /** KV, which divides H. */
  readonly kvHeads: number
  readonly headDim: number
  /** Turns queries and keys by their positions. */
  readonly rotation: Rotation
  /** Norms of queries and keys before they turn, `${name}.q_norm` and `${name}.k_norm`; none unless told. */
  readonly qkNorm?: { readonly over: QkNorm; readonly epsilon: number } | undefined
  /** Scores are capped to ±softCap by softCap · tanh(score / softCap); 0 or undefined for no cap. */
  readonly softCap?: number | undefined
  /** Factor of the scores; 1/√D unless told. */
  readonly scale?: number
}

/**
 * LLaMA's: q_proj, k_proj, v_proj apart, rotary positions, H/KV query heads sharing a head of keys and values, o_proj.
 * x [N, C] -> [N, C]
 */
export function groupedSelfAttention(
  parameters: TracedParameters,
  name: string,
  x: Tensor,
  pass: Pass,
  options: GroupedAttentionOptions,
): Tensor {
  const { layer, batch, heads, kvHeads, headDim, rotation, qkNorm, window, softCap, scale } = options
  const rows = x.shape[0]!
  const split = (y: Tensor, count: number): Tensor => reshape(y, [batch, rows / batch, count, headDim])
  const turned = (part: 'q' | 'k', count: number): Tensor => {
    const y = linear(parameters, `${name}.${part}_proj`, x)
    const normed = (z: Tensor): Tensor => rmsNormed(parameters, `${name}.${part}_norm`, z, qkNorm!.epsilon)
    const whole = split(qkNorm?.over === 'row' ? normed(y) : y, count)
    const heads = qkNorm?.over === 'head' ? normed(whole) : whole
    return scope(name, () => rotate(heads, rotation))
  }
  const [q, k] = [turned('q', heads), turned('k', kvHeads)]
  const v = split(linear(parameters, `${name}.v_proj`, x), kvHeads)
  const mixed = scope(name, () => {
    const attended = pass.attend(layer, q, k, v, {
      window: window || undefined,
      softCap: softCap || undefined,
      ...(scale === undefined ? {} : { scale }),
    })
    return reshape(attended, [rows, heads * headDim])
  })
  return linear(parameters, `${name}.o_proj`, mixed)
}
