/**
 * Cautious weight decay: only the elements that the step shrinks as well decay,
 *
 *     w ← w − rate·1[u·w ≥ 0]·w        with u as in w ← w − η·u
 *
 * (the signed change −η·u would invert the mask). Where u·w = 0, such as a row without gradient, `>=` decays and `>`
 * does not: the paper and modded-nanogpt's Muon have the first, modded-nanogpt's Adam the second. It goes on top of
 * any form that acts on the weights. Not the cautious optimizers of arXiv 2411.16085, which mask the update.
 */
import { greater, greaterEqual, mul } from '../../engine/index.ts'
import type { DecayForm } from './form.ts'

export type CautiousMask = '>=' | '>'

/** `base` on the elements where u·w ≥ 0, or > 0. Throws TypeError for a base that does not act on the weights. */
export function cautious(base: DecayForm, mask: CautiousMask): DecayForm {
  const { pull } = base
  if (pull === undefined) {
    throw new TypeError(
      `A cautious mask needs a form that acts on the weights, but ${base.name} acts on the ${base.actsOn}; use "decoupled".`,
    )
  }
  const compare = mask === '>=' ? greaterEqual : greater
  return {
    ...base,
    name: `cautious ${base.name}`,
    equation: `${base.equation}, only where u·w ${mask === '>=' ? '≥' : '>'} 0`,
    source: `Chen et al. 2026, arXiv 2510.12402; ${base.source}`,
    pull: (point) => {
      const { rate, ...rest } = pull(point)
      return { ...rest, rate: mul(compare(mul(point.direction, point.parameter), 0), rate) }
    },
    rate: () => null,
  }
}
