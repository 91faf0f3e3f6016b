/** Rows of heads asked for before they are needed: each lies on a few cache lines, a model's width from the next, so that nothing else fetches them. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { PrefetchPurpose, Value } from '../../kernel/kernel.ts'
import { floatBytes, type AttentionShape, type HeadStrides } from './attentionShape.ts'

/** What copies rows asks for them so many ahead. */
export const rowsAhead = 8
/** What a level-2 cache has room for beside the head at work. */
const mostLaterBytes = 2 ** 18
const lineBytes = 64

/** Asks the caches for one row of a head, or for what lies between two offsets within it. */
export function askForRow(
  b: KernelBuilder,
  row: Value,
  fromByte: number,
  toByte: number,
  purpose: PrefetchPurpose,
): void {
  for (let at = fromByte; at < toByte; at += lineBytes) b.prefetch(b.at(row, at), purpose)
}

/** A head that a later unit reads: its first element, and where its rows lie. */
export type LaterHead = readonly [Value, HeadStrides]

/** The heads that are worth asking for meanwhile: none where the cache would have to give up for them what is at work. */
export function laterHeads(shape: AttentionShape, heads: readonly LaterHead[]): readonly LaterHead[] {
  const { time, headDim, cached } = shape
  return cached !== undefined || heads.length * time * headDim * floatBytes > mostLaterBytes ? [] : heads
}
