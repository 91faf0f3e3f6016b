/** Dropout at numbered sites: the mask is a function of (seed, step, site, position), so nothing needs to be saved. */
import { dropout, type AttentionOptions, type Tensor, type TraceContext } from '../engine/index.ts'

/**
 * Dropout in a model: each place that drops passes a site number of its own, so that no two places use the same mask.
 */
export interface Dropout {
  /** Elements of x become 0, or are divided by 1 − rate. */
  drop(x: Tensor, site: number): Tensor
  /** The same for the weights of an attention, as its option; undefined where nothing is dropped. */
  ofAttention(site: number): AttentionOptions['dropout']
}

/** For evaluation and sampling: nothing is dropped. */
export const noDropout: Dropout = { drop: (x) => x, ofAttention: () => undefined }

/** i32 scalars that a program with dropout asks for; without dropout it has neither. */
export const DROPOUT_INPUTS = { seed: 'dropoutSeed', step: 'dropoutStep' } as const

/**
 * Dropout at `rate` with inverted scaling: x/(1 − rate) with probability 1 − rate, else 0. Rate 0 adds nothing to the
 * program, not even inputs.
 */
export function traceDropout(context: TraceContext, rate: number): Dropout {
  if (rate === 0) return noDropout
  const key0 = context.input(DROPOUT_INPUTS.seed, 'i32', [])
  const key1 = context.input(DROPOUT_INPUTS.step, 'i32', [])
  return {
    drop: (x, stream) => dropout(x, rate, key0, key1, stream),
    ofAttention: (stream) => ({ rate, key0, key1, stream }),
  }
}
