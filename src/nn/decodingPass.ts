/**
 * The pass of generation: keys and values of earlier positions are kept in states, so that each token is computed once.
 *
 * A program runs P tokens of one sequence at positions that the caller names at run time; it adds their keys and values
 * to the caches, whose rows must be zero until then, and every token sees the cached keys up to its own. Tokens that only
 * fill up a program's P rows are marked: they add nothing to the caches.
 */
import {
  gather,
  greater,
  lastAxisIndex,
  lessEqual,
  matmul,
  mul,
  reshape,
  scatterAdd,
  select,
  softmax,
  broadcastTo,
  tanh,
  toFloat,
  transpose,
  sub,
  sum,
  type Tensor,
  type TraceContext,
} from '../engine/index.ts'
import { evaluationPass, type AttendOptions, type Pass } from './pass.ts'

/** Inputs of a program with this pass: positions i32 [P], and f32 [P], 1 for tokens and 0 for what fills up. */
export const DECODING_INPUTS = { positions: 'positions', counts: 'counts' } as const

/** Name of the state with a layer's keys or values, f32 [S, KV · D]. */
export function cacheName(layer: number, part: 'keys' | 'values'): string {
  return `cache.${layer}.${part}`
}

/** Below every score, and far enough from the least number that sums with it are numbers. */
const UNSEEN = -1e30

export interface DecodingPass extends Pass {
  /** What replaces the caches, by state: updates of the program. */
  readonly caches: ReadonlyMap<string, Tensor>
}

/** For P tokens of one sequence (B = 1) whose positions are below `context`. */
export function decodingPass(context: TraceContext, tokens: number, contextLength: number): DecodingPass {
  const ids = context.input(DECODING_INPUTS.positions, 'i32', [tokens])
  const counts = context.input(DECODING_INPUTS.counts, 'f32', [tokens])
  const positions = toFloat(ids)
  const caches = new Map<string, Tensor>()
  /** x [1, P, KV, D] -> all rows, [S, KV, D] */
  const remember = (name: string, x: Tensor): Tensor => {
    const [, time, heads, width] = x.shape as readonly [number, number, number, number]
    const rows = mul(reshape(x, [time, heads * width]), reshape(counts, [time, 1]))
    const cache = scatterAdd(context.state(name, [contextLength, heads * width]), ids, rows)
    caches.set(name, cache)
    return reshape(cache, [contextLength, heads, width])
  }
  return {
    ...evaluationPass(),
    positions: () => positions,
    positionRows: (table) => gather(table, ids),
    attend(layer, q, k, v, options) {
      const keys = remember(cacheName(layer, 'keys'), k)
      const values = remember(cacheName(layer, 'values'), v)
      return attendCached(q, keys, values, positions, options)
    },
    caches,
  }
}

/** q [1, P, H, D] over keys and values [S, KV, D], each query at its position in f32 [P] -> [1, P, H, D] */
function attendCached(q: Tensor, keys: Tensor, values: Tensor, positions: Tensor, options: AttendOptions = {}): Tensor {
  const [, time, heads, width] = q.shape as readonly [number, number, number, number]
  const [length, groups] = keys.shape as readonly [number, number, number]
  const perGroup = heads / groups
  const { scale = 1 / Math.sqrt(width), window, softCap } = options
  const products = mul(scoreProducts(q, keys), scale) // [KV, P·G, S]
  const scores = softCap === undefined ? products : mul(tanh(mul(products, 1 / softCap)), softCap)
  const at = reshape(broadcastTo(reshape(positions, [time, 1]), [time, perGroup]), [1, time * perGroup, 1])
  const key = toFloat(lastAxisIndex([1, 1, length]))
  const reached = select(lessEqual(key, at), scores, UNSEEN)
  const seen = window === undefined ? reached : select(greater(key, sub(at, window)), reached, UNSEEN)
  const mixed = matmul(softmax(seen), transpose(values, [1, 0, 2])) // [KV, P·G, D]
  return reshape(transpose(reshape(mixed, [groups, time, perGroup, width]), [1, 0, 2, 3]), [1, time, heads, width])
}

/** q · k of every query and key, query heads of one key head together: [KV, P·G, S]. */
function scoreProducts(q: Tensor, keys: Tensor): Tensor {
  const [, time, heads, width] = q.shape as readonly [number, number, number, number]
  const [length, groups] = keys.shape as readonly [number, number, number]
  const perGroup = heads / groups
  if (time === 1) {
    // One query reads each key once: sums along the keys as they lie, where a product would turn all of them around first.
    const perKey = mul(reshape(keys, [length, groups, 1, width]), reshape(q, [1, groups, perGroup, width]))
    return transpose(sum(perKey, -1), [1, 2, 0])
  }
  const queries = transpose(reshape(q, [time, groups, perGroup, width]), [1, 0, 2, 3])
  return matmul(reshape(queries, [groups, time * perGroup, width]), transpose(keys, [1, 2, 0]))
}
