/** How large the elements of a tensor are before training, as √mean(w²). */
import type { Init } from '../nn/parameter.ts'

/** The expected RMS of values drawn so. */
export function initialRms(init: Init): number {
  switch (init.kind) {
    case 'zeros':
      return 0
    case 'ones':
      return 1
    case 'constant':
      return Math.abs(init.value)
    case 'normal':
      return init.std
    case 'truncated-normal':
      return init.std * Math.sqrt(truncatedVariance(init.bound))
  }
}

/** Intervals of Simpson's rule; even. The error is below 1e-9 for bounds up to 10. */
const INTERVALS = 400
/** Beyond so many standard deviations the truncation removes less than f64 can tell. */
const FAR = 10

/** ∫x²φ / ∫φ over −bound…bound: the variance of a unit normal that is redrawn outside. */
function truncatedVariance(bound: number): number {
  if (bound >= FAR) return 1
  const width = bound / INTERVALS
  let mass = 0
  let square = 0
  for (let i = 0; i <= INTERVALS; i++) {
    const x = i * width
    const weight = (i === 0 || i === INTERVALS ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-0.5 * x * x)
    mass += weight
    square += weight * x * x
  }
  return square / mass
}
