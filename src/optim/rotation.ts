/**
 * How far weights turn per step once noise and decay balance (Kosson, Messmer & Jaggi 2024, arXiv 2305.17212, table 1;
 * epfml/REQ rotational_wrapper.py): the size of an update at a right angle to the weights, over their size. In radians.
 * It holds for weights whose layer is normalised, on gradients that are mostly noise; others come near it.
 */

/**
 * Updates that average with weight β1, as Adam's: √(2s·(1 − β1)/(1 + β1)), with s the share that decay takes per step,
 * for AdamW lr·λ. Under SGD with momentum μ and decoupled decay it is the same with μ.
 */
export function adamRotation(shrink: number, beta1: number): number {
  return Math.sqrt((2 * shrink * (1 - beta1)) / (1 + beta1))
}

/** SGD with momentum μ and L2 in the gradient: √(2·lr·λ/(1 + μ)). The momentum carries λ·w too, which makes it stronger. */
export function sgdRotation(rate: number, momentum: number): number {
  return Math.sqrt((2 * rate) / (1 + momentum))
}

/** Lion: √(π/2)·√(2s)·√((1 − β1)² + β1²·(1 − β2)/(1 + β2)); simulations turn 3 % faster. */
export function lionRotation(shrink: number, beta1: number, beta2: number): number {
  const blend = (1 - beta1) ** 2 + (beta1 ** 2 * (1 - beta2)) / (1 + beta2)
  return Math.sqrt(Math.PI / 2) * Math.sqrt(2 * shrink * blend)
}
