/**
 * Decay only where a gradient arrived: the rows of a token table whose tokens were not in the batch are left alone,
 * instead of fading by exp(−Σ η·λ) while nothing holds against it. A row is the last axis; a vector's rows are its
 * elements. AllenAI's OLMo has it for single elements (`selective_updates`).
 */
import { abs, greater, maxOver, mul } from '../../engine/index.ts'
import type { DecayForm } from './form.ts'

/** `base` on the rows with any gradient that is not 0. Throws TypeError for a base that does not act on the weights. */
export function selective(base: DecayForm): DecayForm {
  const { pull } = base
  if (pull === undefined) {
    throw new TypeError(
      `Selective decay needs a form that acts on the weights, but ${base.name} acts on the ${base.actsOn}; use "decoupled".`,
    )
  }
  return {
    ...base,
    name: `selective ${base.name}`,
    equation: `${base.equation}, only in rows with a gradient`,
    source: `allenai/OLMo olmo/optim.py (selective_updates); ${base.source}`,
    pull: (point) => {
      const { rate, ...rest } = pull(point)
      const size = abs(point.gradient)
      const rows = size.shape.length < 2 ? size : maxOver(size, -1, { keepDims: true })
      return { ...rest, rate: mul(greater(rows, 0), rate) }
    },
    rate: () => null,
  }
}
