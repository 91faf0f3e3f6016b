/** Cross-entropy over token rows, with targets that do not count. */
import { IGNORED_TARGET } from '../data/batches.ts'
import { crossEntropy, div, notEqual, reshape, sum, toFloat, type Tensor } from '../engine/index.ts'

/**
 * Σ −ln softmax(logits)[target] over the targets that count, and how many they are; both []. In nats.
 * logits [N, V], targets i32 of any shape with N elements
 */
export function lossSum(logits: Tensor, targets: Tensor): { sum: Tensor; count: Tensor } {
  const flat = reshape(targets, [-1]) // [N]
  const losses = crossEntropy(logits, flat, { ignoreIndex: IGNORED_TARGET }) // [N]
  return { sum: sum(losses), count: sum(notEqual(toFloat(flat), IGNORED_TARGET)) }
}

/** The mean of the same; not a number where no target counts. */
export function meanLoss(logits: Tensor, targets: Tensor): Tensor {
  const total = lossSum(logits, targets)
  return div(total.sum, total.count)
}
