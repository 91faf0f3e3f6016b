/** Cross-entropy over token rows, with targets that do not count. */
import { IGNORED_TARGET } from '../data/batches.ts'
import {
  crossEntropy,
  div,
  logSumExp,
  mul,
  notEqual,
  reshape,
  square,
  sum,
  toFloat,
  type Tensor,
} from '../engine/index.ts'

/**
 * Σ −ln softmax(logits)[target] over the targets that count, and how many they are; both []. In nats.
 * logits [N, V], targets i32 of any shape with N elements
 */
export function lossSum(logits: Tensor, targets: Tensor): { sum: Tensor; count: Tensor } {
  const flat = reshape(targets, [-1]) // [N]
  const losses = crossEntropy(logits, flat, { ignoreIndex: IGNORED_TARGET }) // [N]
  return { sum: sum(losses), count: sum(counted(flat)) }
}

/** 1 where a target counts, else 0. */
function counted(targets: Tensor): Tensor {
  return notEqual(toFloat(targets), IGNORED_TARGET)
}

/** The mean of the same; not a number where no target counts. */
export function meanLoss(logits: Tensor, targets: Tensor): Tensor {
  const total = lossSum(logits, targets)
  return div(total.sum, total.count)
}

/**
 * The z-loss, the mean of (ln Σ e^logit)² over the targets that count; its gradient keeps softmax's normaliser near 1.
 * PaLM adds 1e-4 of it (arXiv:2204.02311, §5), OLMo-2 1e-5. logits [N, V], targets i32 with N elements -> []
 */
export function meanZLoss(logits: Tensor, targets: Tensor): Tensor {
  const counts = counted(reshape(targets, [-1, 1])) // [N, 1], as the logarithms, so that one pass does all
  return div(sum(mul(square(logSumExp(logits)), counts)), sum(counted(reshape(targets, [-1]))))
}
