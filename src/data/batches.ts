/** What a step trains on and what an evaluation covers, as pure functions of the tokens and a few numbers. */
import { keyFor, philox4x32Into, uniformInt } from '../random/index.ts'
import { DataError } from './dataError.ts'
import type { Tokens } from './tokenizer.ts'

/** Target of positions that do not count in the loss. */
export const IGNORED_TARGET = -1

export interface BatchShape {
  /** Windows per batch, B. */
  readonly batchSize: number
  /** Tokens per window, T. */
  readonly context: number
}

export interface BatchPosition extends BatchShape {
  /** 32 bits. */
  readonly seed: number
  /** Optimizer step. */
  readonly step: number
  /** Which of the step's accumulated batches. */
  readonly microStep: number
}

/**
 * Fills one training batch: B windows of T tokens at uniformly random starts in [0, length - T), with replacement, as
 * nanoGPT's get_batch. The starts depend on (seed, step, microStep) alone: row b takes words 2 (b mod 2) and the next of
 * the Philox block (step, microStep, ⌊b / 2⌋, 0). Targets are the tokens one place later.
 *
 * @param ids [B, T] token ids
 * @param targets [B, T]
 * Throws DataError when there are fewer than T + 1 tokens, RangeError when an array has another size than B · T.
 */
export function fillBatch(tokens: Tokens, position: BatchPosition, ids: Int32Array, targets: Int32Array): void {
  const { batchSize, context, seed, step, microStep } = position
  checkSizes(position, ids, targets)
  checkLength(tokens, context, 'The training text')
  const [key0, key1] = keyFor(seed, 'batches')
  const words = new Uint32Array(4)
  for (let row = 0; row < batchSize; row++) {
    const word = 2 * (row % 2)
    if (word === 0) philox4x32Into(words, 0, step, microStep, row / 2, 0, key0, key1)
    const start = uniformInt(words[word]!, words[word + 1]!, tokens.length - context)
    ids.set(tokens.subarray(start, start + context), row * context)
    targets.set(tokens.subarray(start + 1, start + 1 + context), row * context)
  }
}

export interface EvaluationBatch {
  /** [B, T]; the same array each time, overwritten by the next batch. Rows past the end hold 0. */
  readonly ids: Int32Array
  /** [B, T]; the same array each time. IGNORED_TARGET past the end. */
  readonly targets: Int32Array
  /** Targets that count: the weight of this batch's mean loss. */
  readonly count: number
}

/**
 * Covers a whole split: consecutive windows of T tokens that do not overlap, so that every token but the first is a
 * target exactly once. The last window and the last batch are padded with targets that do not count.
 * Throws DataError when there is no target at all (fewer than two tokens).
 */
export function* evaluationBatches(tokens: Tokens, { batchSize, context }: BatchShape): Generator<EvaluationBatch> {
  const ids = new Int32Array(batchSize * context)
  const targets = new Int32Array(batchSize * context)
  checkSizes({ batchSize, context }, ids, targets)
  checkLength(tokens, 1, 'The validation text')
  const last = tokens.length - 1 // the last token is a target only
  for (let start = 0; start < last; start += ids.length) {
    // Windows that follow each other without a gap are one run of tokens in row-major order.
    const count = Math.min(ids.length, last - start)
    ids.set(tokens.subarray(start, start + count))
    targets.set(tokens.subarray(start + 1, start + 1 + count))
    ids.fill(0, count)
    targets.fill(IGNORED_TARGET, count)
    yield { ids, targets, count }
  }
}

/** How many batches `evaluationBatches` gives. */
export function evaluationBatchCount(tokens: Tokens, { batchSize, context }: BatchShape): number {
  return Math.ceil(Math.max(0, tokens.length - 1) / (batchSize * context))
}

function checkSizes({ batchSize, context }: BatchShape, ids: Int32Array, targets: Int32Array): void {
  for (const [name, size] of Object.entries({ batchSize, context })) {
    if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`${name} is ${size}; it must be 1 or more.`)
  }
  const size = batchSize * context
  if (ids.length !== size || targets.length !== size) {
    throw new RangeError(
      `A batch of ${batchSize} windows of ${context} tokens needs arrays of ${size}; ids has ${ids.length}, targets ${targets.length}.`,
    )
  }
}

/** Throws DataError unless a window of `context` tokens and its targets fit in. `what` begins the message. */
export function checkLength(tokens: Tokens, context: number, what: string): void {
  if (tokens.length > context) return
  throw new DataError(
    `${what} has ${tokens.length} tokens; a window of ${context} and its targets need at least ${context + 1}.`,
    'Give more text, or a smaller model.context.',
  )
}
