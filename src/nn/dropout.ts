/** Dropout at numbered sites: the mask is a function of (seed, step, site, position), so nothing needs to be saved. */
import { dropout, type Tensor, type TraceContext } from '../engine/index.ts'

/**
 * Drops elements of x. Each place in the model that drops passes a site number of its own, so that no two places use
 * the same mask.
 */
export type Dropout = (x: Tensor, site: number) => Tensor

/** For evaluation and sampling: x itself. */
export const noDropout: Dropout = (x) => x

/** i32 scalars that a program with dropout asks for; without dropout it has neither. */
export const DROPOUT_INPUTS = { seed: 'dropoutSeed', step: 'dropoutStep' } as const

/**
 * Dropout at `rate` with inverted scaling: x/(1 − rate) with probability 1 − rate, else 0. Rate 0 adds nothing to the
 * program, not even inputs.
 */
export function traceDropout(context: TraceContext, rate: number): Dropout {
  if (rate === 0) return noDropout
  const seed = context.input(DROPOUT_INPUTS.seed, 'i32', [])
  const step = context.input(DROPOUT_INPUTS.step, 'i32', [])
  return (x, site) => dropout(x, rate, seed, step, site)
}
