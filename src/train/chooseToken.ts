/** Drawing a token from a model's logits. */
import type { RandomSequence } from '../random/index.ts'

export interface Choice {
  /** Zero or more; 0 takes the likeliest. */
  readonly temperature: number
  /** From 1; Infinity, the default, for all. */
  readonly topK?: number
  /** Keeps the likeliest whose probabilities add up to at least this, above 0 to 1, the default, for all. */
  readonly topP?: number
  /** Keeps what is at least this many times as likely as the likeliest, 0, the default, for all, to 1. */
  readonly minP?: number
  /** Logits of the tokens in `seen` are divided by it where positive, else multiplied; 1, the default, for no change. */
  readonly repetitionPenalty?: number
  /** Ids that came before. */
  readonly seen?: Iterable<number>
  readonly random: Pick<RandomSequence, 'uniform'>
}

/**
 * A token drawn from softmax(logits / temperature) over those of the first `vocab` ids that the options keep; of equally
 * likely ones the lower id comes first. Rows of a padded table, at and after `vocab`, are never drawn.
 *
 * In this order, as Hugging Face's logits processors: the penalty on repetition (Keskar et al. 2019, arXiv:1909.05858,
 * §4.1), temperature, top-k, top-p over what that left (Holtzman et al. 2020, arXiv:1904.09751, §3.1), min-p (Nguyen et
 * al. 2024, arXiv:2407.01082, §3).
 */
export function chooseToken(logits: ArrayLike<number>, vocab: number, choice: Choice): number {
  const { temperature, random } = choice
  const scores = penalised(logits, vocab, choice)
  let likeliest = 0
  for (let id = 1; id < vocab; id++) if (scores[id]! > scores[likeliest]!) likeliest = id
  if (temperature === 0) return likeliest
  const top = scores[likeliest]!
  const weights = scores.map((score) => Math.exp((score - top) / temperature))
  const kept = keptIds(weights, choice)
  let total = 0
  for (const id of kept) total += weights[id]!
  let left = random.uniform() * total
  for (const id of kept) {
    left -= weights[id]!
    if (left < 0) return id
  }
  return likeliest // rounding may leave a last crumb
}

function penalised(
  logits: ArrayLike<number>,
  vocab: number,
  { repetitionPenalty = 1, seen = [] }: Choice,
): Float64Array {
  const scores = Float64Array.from({ length: vocab }, (_, id) => logits[id]!)
  if (repetitionPenalty === 1) return scores
  for (const id of new Set(seen)) {
    if (id >= vocab) continue
    scores[id] = scores[id]! > 0 ? scores[id]! / repetitionPenalty : scores[id]! * repetitionPenalty
  }
  return scores
}

/** The ids to draw from: all in their order, or the likeliest first. */
function keptIds(
  weights: Float64Array,
  { topK = Infinity, topP = 1, minP = 0 }: Choice,
): ArrayLike<number> & Iterable<number> {
  const every = topK >= weights.length && topP >= 1 && minP <= 0
  if (every) return Uint32Array.from(weights.keys())
  const sorted = weights.toSorted().toReversed()
  const count = Math.min(topK, sorted.length)
  let total = 0
  for (let rank = 0; rank < count; rank++) total += sorted[rank]!
  let kept = 0
  let sum = 0
  while (kept < count && (kept === 0 || sum < topP * total) && sorted[kept]! >= minP * sorted[0]!)
    sum += sorted[kept++]!
  const least = sorted[kept - 1]!
  const candidates = [...weights.keys()].filter((id) => weights[id]! >= least)
  return candidates.toSorted((a, b) => weights[b]! - weights[a]! || a - b).slice(0, kept)
}
