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
  const weights = new Float64Array(vocab)
  for (let id = 0; id < vocab; id++) weights[id] = Math.exp((scores[id]! - top) / temperature)
  const kept = keptIds(weights, choice)
  let total = 0
  for (let k = 0; k < kept.length; k++) total += weights[kept[k]!]!
  let left = random.uniform() * total
  for (let k = 0; k < kept.length; k++) {
    left -= weights[kept[k]!]!
    if (left < 0) return kept[k]!
  }
  return likeliest // rounding may leave a last crumb
}

function penalised(
  logits: ArrayLike<number>,
  vocab: number,
  { repetitionPenalty = 1, seen = [] }: Choice,
): Float64Array {
  const scores = new Float64Array(vocab)
  for (let id = 0; id < vocab; id++) scores[id] = logits[id]!
  if (repetitionPenalty === 1) return scores
  for (const id of new Set(seen)) {
    if (id >= vocab) continue
    scores[id] = scores[id]! > 0 ? scores[id]! / repetitionPenalty : scores[id]! * repetitionPenalty
  }
  return scores
}

/** The ids to draw from: all in their order, or the likeliest first. Plain loops, since it runs over 50,000 for each token. */
function keptIds(weights: Float64Array, { topK = Infinity, topP = 1, minP = 0 }: Choice): ArrayLike<number> {
  const size = weights.length
  const ids: number[] = []
  if (topK >= size && topP >= 1 && minP <= 0) {
    for (let id = 0; id < size; id++) ids.push(id)
    return ids
  }
  const sorted = topK <= FEW ? largest(weights, topK) : weights.toSorted() // ascending
  const ranked = (rank: number): number => sorted[sorted.length - 1 - rank]!
  const count = Math.min(topK, size)
  let total = 0
  for (let rank = 0; rank < count; rank++) total += ranked(rank)
  let kept = 0
  let sum = 0
  while (kept < count && (kept === 0 || sum < topP * total) && ranked(kept) >= minP * ranked(0)) sum += ranked(kept++)
  const least = ranked(kept - 1)
  for (let id = 0; id < size; id++) if (weights[id]! >= least) ids.push(id)
  return ids.toSorted((a, b) => weights[b]! - weights[a]! || a - b).slice(0, kept)
}

/** Up to this many are found without sorting all. */
const FEW = 256

/** The `count` largest, ascending; all where there are fewer. */
function largest(weights: Float64Array, count: number): number[] {
  const found: number[] = []
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!
    if (found.length === count) {
      if (weight <= found[0]!) continue
      found.shift()
    }
    let at = found.length
    while (at > 0 && found[at - 1]! > weight) at -= 1
    found.splice(at, 0, weight)
  }
  return found
}
