/**
 * The pass of generation: keys and values of earlier positions are kept in states, so that each token is computed once.
 *
 * A program runs P tokens of one sequence at positions that the caller names at run time; it adds their keys and values
 * to the caches, whose rows must be zero until then, and every token sees the cached keys up to its own. Tokens that only
 * fill up a program's P rows are marked: they add nothing to the caches.
 */
import {
  cachedAttention,
  gather,
  mul,
  reshape,
  scatterAdd,
  slice,
  toFloat,
  type Tensor,
  type TraceContext,
} from '../engine/index.ts'
import { attendOptions, evaluationPass, type Pass } from './pass.ts'

/** Inputs of a program with this pass: positions i32 [P], and f32 [P], 1 for tokens and 0 for what fills up. */
export const DECODING_INPUTS = { positions: 'positions', counts: 'counts' } as const

/** Name of the state with a layer's keys or values, f32 [rows, KV · D]. */
export function cacheName(layer: number, part: 'keys' | 'values'): string {
  return `cache.${layer}.${part}`
}

export interface DecodingPass extends Pass {
  /** What replaces the caches, by state: updates of the program. */
  readonly caches: ReadonlyMap<string, Tensor>
}

/** For P tokens of one sequence (B = 1) at successive positions, over caches of `rows` rows, the last P of them included. */
export function decodingPass(context: TraceContext, tokens: number, cacheRows: number): DecodingPass {
  const ids = context.input(DECODING_INPUTS.positions, 'i32', [tokens])
  const counts = context.input(DECODING_INPUTS.counts, 'f32', [tokens])
  const positions = toFloat(ids)
  const start = slice(ids, 0, 0, 1)
  const caches = new Map<string, Tensor>()
  /** x [1, P, KV, D] -> all rows, [1, S, KV, D] */
  const remember = (name: string, x: Tensor): Tensor => {
    const [, time, heads, width] = x.shape as readonly [number, number, number, number]
    const rows = mul(reshape(x, [time, heads * width]), reshape(counts, [time, 1]))
    const cache = scatterAdd(context.state(name, [cacheRows, heads * width]), ids, rows)
    caches.set(name, cache)
    return reshape(cache, [1, cacheRows, heads, width])
  }
  return {
    ...evaluationPass(),
    positions: () => positions,
    positionRows: (table) => gather(table, ids),
    attend(layer, q, k, v, options) {
      const keys = remember(cacheName(layer, 'keys'), k)
      const values = remember(cacheName(layer, 'values'), v)
      return cachedAttention(q, keys, values, start, attendOptions(q, options))
    },
    caches,
  }
}
