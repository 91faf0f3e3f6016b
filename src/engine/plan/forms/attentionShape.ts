/** What a kernel of attention is built from, taken from its node. */
import type { Layout } from '../../ir/layout.ts'
import { isBf16 } from '../../ops/precision.ts'
import type { PlanNode } from '../node.ts'

export const floatBytes = 4

/** Strides in elements of [B, T, heads, D]; D is without gaps. */
export interface HeadStrides {
  readonly batch: number
  readonly time: number
  readonly head: number
}

export interface AttentionShape {
  readonly batch: number
  /** Queries; keys too, unless there are rows for more of them. */
  readonly time: number
  /** Rows of keys where earlier ones come before the queries'; how many is known when the kernel runs. Undefined for none. */
  readonly cached?: number
  readonly heads: number
  readonly keyHeads: number
  readonly headDim: number
  readonly scale: number
  /** A query sees at most this many keys, itself included; undefined for all before it. */
  readonly window?: number
  /** Scores s become softCap tanh(s / softCap); undefined for s itself. */
  readonly softCap?: number
  /** Share of the probabilities that is dropped; undefined for none. */
  readonly dropoutRate?: number
  /** Whether operands are rounded to bf16; undefined where they are not. */
  readonly precision?: 'bf16'
  readonly q: HeadStrides
  readonly k: HeadStrides
  readonly v: HeadStrides
  /** Of the gradient of the result; the same as the result's in the forward kernel. */
  readonly out: HeadStrides
}

interface AttentionAttributes {
  readonly scale: number
  readonly window?: number
  readonly softCap?: number
  readonly dropoutRate?: number
}

export function attentionShape(node: PlanNode, q: Layout, k: Layout, v: Layout, out: Layout): AttentionShape {
  const { scale, window, softCap, dropoutRate } = node.attributes as unknown as AttentionAttributes
  const [batch, time, heads, headDim] = q.shape as readonly [number, number, number, number]
  const length = k.shape[1]!
  return {
    batch,
    time,
    heads,
    keyHeads: k.shape[2]!,
    headDim,
    scale,
    ...(length === time ? {} : { cached: length }),
    ...(window !== undefined && window < length ? { window } : {}),
    ...(softCap === undefined ? {} : { softCap }),
    ...(dropoutRate === undefined ? {} : { dropoutRate }),
    ...(isBf16(node.attributes) ? { precision: 'bf16' } : {}),
    q: headStrides(q),
    k: headStrides(k),
    v: headStrides(v),
    out: headStrides(out),
  }
}

export function headStrides(layout: Layout): HeadStrides {
  const [batch, time, head] = layout.strides as readonly [number, number, number]
  return { batch, time, head }
}

/** Units enough for many threads. */
const enoughUnits = 16
/** With earlier keys there is more to pack than to multiply. */
const enoughCachedUnits = 4

/** How many query heads of one key head a unit takes: they share its packed keys, so as many as leave enough units. */
export function queryHeadsOfUnit({ batch, heads, keyHeads, cached }: AttentionShape): number {
  const enough = cached === undefined ? enoughUnits : enoughCachedUnits
  const group = heads / keyHeads
  for (let share = group; share > 1; share--) {
    if (group % share === 0 && (batch * heads) / share >= enough) return share
  }
  return 1
}
