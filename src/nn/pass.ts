/**
 * What varies between training, evaluation and decoding while the layers stay the same: how attention finds its keys,
 * which positions the tokens have, what is dropped at random, and where auxiliary losses go.
 *
 * Random masks are a function of (seed, step, site, position), so nothing of them needs to be saved.
 */
import {
  attention,
  dropout,
  greaterEqual,
  lastAxisIndex,
  mul,
  add,
  randomUniform,
  reshape,
  select,
  slice,
  toFloat,
  type Tensor,
  type TraceContext,
} from '../engine/index.ts'

export interface AttendOptions {
  /** Factor of the scores; 1/√D unless told. */
  readonly scale?: number
  /** A query sees the last `window` keys, its own included; all before it unless told. */
  readonly window?: number | undefined
  /** Scores become softCap · tanh(score / softCap); as they are unless told. */
  readonly softCap?: number | undefined
}

/** Which residual branch of a block; a block whose branches run side by side has both as well. */
export type Branch = 'attention' | 'mlp'

/** A term of the training objective besides cross-entropy. */
export interface AuxiliaryLoss {
  /** Unweighted, []. */
  readonly value: Tensor
  readonly weight: number
}

export interface Pass {
  /** Absolute positions of the T tokens of each sequence, f32 [T]. */
  positions(time: number): Tensor
  /** Those rows of a learned table [context, C]: [T, C]. Throws RangeError where sequences are longer than the table. */
  positionRows(table: Tensor, time: number): Tensor
  /** Dropout on the embedded tokens; x [N, C]. */
  embedded(x: Tensor): Tensor
  /**
   * softmax(scale · q kᵀ) v over the keys that each query may see, in layer `layer` from 0; q [B, T, H, D], k and v
   * [B, T, KV, D] of these T tokens -> [B, T, H, D]. Rotary embedding is applied before.
   */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, options?: AttendOptions): Tensor
  /** What a block's branch gives before it is added: dropout and stochastic depth; x [N, C] of `batch` sequences. */
  branch(x: Tensor, site: { readonly layer: number; readonly branch: Branch; readonly batch: number }): Tensor
  /**
   * Adds weight · value to the training objective; several under one name and weight are summed. With the weight 0 it is
   * a figure of the run's metrics alone.
   */
  addLoss(name: string, value: Tensor, weight: number): void
  /** What was added so far. */
  readonly losses: ReadonlyMap<string, AuxiliaryLoss>
}

/** i32 scalars that a program with random masks asks for; others have neither. */
export const RANDOM_INPUTS = { seed: 'dropoutSeed', step: 'dropoutStep' } as const

/** What training drops, as a model's configuration says it. */
export interface DropRates {
  readonly layers: number
  /** Share of activations, from 0 to less than 1. */
  readonly dropout: number
  /** Share of samples that skip a branch of the last block, from 0 to less than 1. */
  readonly stochasticDepth: number
}

/** Whether training with these rates needs `RANDOM_INPUTS`. */
export function drawsMasks({ dropout: rate, stochasticDepth }: DropRates): boolean {
  return rate > 0 || stochasticDepth > 0
}

/** The pass of evaluation: sequences from position 0, attention among their own tokens, nothing dropped. */
export function evaluationPass(): Pass {
  const losses = new Map<string, AuxiliaryLoss>()
  return {
    positions: (time) => toFloat(lastAxisIndex([time])),
    positionRows,
    embedded: (x) => x,
    attend: (_, q, k, v, options) => attention(q, k, v, { ...attendOptions(q, options), causal: true }),
    branch: (x) => x,
    addLoss(name, value, weight) {
      const earlier = losses.get(name)
      if (earlier !== undefined && earlier.weight !== weight) {
        throw new Error(`The loss "${name}" has the weights ${earlier.weight} and ${weight}; give each its own name.`)
      }
      losses.set(name, { value: earlier ? add(earlier.value, value) : value, weight })
    },
    losses,
  }
}

/**
 * The pass of training: evaluation's with inverted dropout, x/(1 − rate) with probability 1 − rate and else 0, on
 * embeddings, attention weights and branches, and with stochastic depth. Rates of 0 add nothing to the program.
 */
export function trainingPass(context: TraceContext, rates: DropRates): Pass {
  const plain = evaluationPass()
  if (!drawsMasks(rates)) return plain
  const key0 = context.input(RANDOM_INPUTS.seed, 'i32', [])
  const key1 = context.input(RANDOM_INPUTS.step, 'i32', [])
  const rate = rates.dropout
  const drop = (x: Tensor, stream: number): Tensor => dropout(x, rate, key0, key1, stream)
  return {
    ...plain,
    embedded: (x) => drop(x, STREAMS.embedding),
    attend: (layer, q, k, v, options) =>
      attention(q, k, v, {
        ...attendOptions(q, options),
        causal: true,
        dropout: { rate, key0, key1, stream: STREAMS.weights(layer) },
      }),
    branch(x, { layer, branch, batch }) {
      const skipped = skipRate(rates, layer)
      const kept = drop(x, STREAMS.dropout(layer, branch))
      if (skipped === 0) return kept
      const [rows, width] = kept.shape as readonly [number, number]
      const drawn = randomUniform(key0, key1, { shape: [batch, 1, 1], stream: STREAMS.depth(layer, branch) })
      const factor = select(greaterEqual(drawn, skipped), 1 / (1 - skipped), 0)
      return reshape(mul(reshape(kept, [batch, rows / batch, width]), factor), [rows, width])
    },
  }
}

/**
 * Share of samples that skip a branch of block `layer` (from 0) in training: it grows linearly with depth up to the last
 * block's (Huang et al. 2016, arXiv:1603.09382, §3, p_l = 1 − l/L (1 − p_L)). Kept branches are divided by the rest.
 */
export function skipRate({ stochasticDepth, layers }: DropRates, layer: number): number {
  return (stochasticDepth * (layer + 1)) / layers
}

/** The random stream of each place, no two alike. */
const STREAMS = {
  embedding: 0,
  weights: (layer: number) => 3 * layer + 1,
  dropout: (layer: number, branch: Branch) => 3 * layer + (branch === 'attention' ? 2 : 3),
  depth: (layer: number, branch: Branch) => -(2 * layer + (branch === 'attention' ? 1 : 2)),
} as const

/** The options with their defaults, for q [B, T, H, D]. */
export function attendOptions(q: Tensor, { scale, window, softCap }: AttendOptions = {}) {
  return {
    scale: scale ?? 1 / Math.sqrt(q.shape[3]!),
    ...(window === undefined ? {} : { window }),
    ...(softCap === undefined ? {} : { softCap }),
  }
}

function positionRows(table: Tensor, time: number): Tensor {
  const context = table.shape[0]!
  if (time <= context) return slice(table, 0, 0, time)
  throw new RangeError(`The model has ${context} positions, but sequences of ${time} were given.`)
}
