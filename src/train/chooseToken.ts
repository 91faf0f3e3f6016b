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
  const weights = scores
  const buckets = new Uint8Array(vocab)
  for (let id = 0; id < vocab; id++) {
    const distance = (top - scores[id]!) / temperature
    weights[id] = Math.exp(-distance)
    buckets[id] = Math.min(LAST, Math.floor(distance * PER_UNIT))
  }
  const kept = keptIds({ weights, buckets }, choice)
  let total = 0
  for (let k = 0; k < kept.length; k++) total += weights[kept[k]!]!
  let left = random.uniform() * total
  for (let k = 0; k < kept.length; k++) {
    left -= weights[kept[k]!]!
    if (left < 0) return kept[k]!
  }
  return likeliest // rounding may leave a last crumb
}

/** Bucket b holds what is e^(b/8) to e^((b+1)/8) times less likely than the likeliest; the last one all beyond. */
const PER_UNIT = 8
const LAST = 255

interface Likelihoods {
  /** How many times as likely as the likeliest. */
  readonly weights: Float64Array
  readonly buckets: Uint8Array
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
function keptIds(likelihoods: Likelihoods, { topK = Infinity, topP = 1, minP = 0 }: Choice): ArrayLike<number> {
  const { weights } = likelihoods
  const size = weights.length
  if (topK >= size && topP >= 1 && minP <= 0) {
    const all = new Uint32Array(size)
    for (let id = 0; id < size; id++) all[id] = id
    return all
  }
  const sums = bucketSums(likelihoods)
  let total = 0
  for (const weight of sums.weights) total += weight
  // Of a limited number of ids top-p takes its share of what they have, so none of them may be missing from that sum.
  const isLimited = topK < size
  const wanted = isLimited
    ? { weight: Infinity, least: 0 }
    : { weight: topP < 1 ? topP * total : Infinity, least: minP }
  const ranked = likeliestIds(likelihoods, sums, { count: topK, ...wanted })
  const count = Math.min(topK, ranked.length)
  if (isLimited) {
    total = 0
    for (let rank = 0; rank < count; rank++) total += weights[ranked[rank]!]!
  }
  let kept = 0
  let sum = 0
  while (kept < count && (kept === 0 || sum < topP * total) && weights[ranked[kept]!]! >= minP) {
    sum += weights[ranked[kept++]!]!
  }
  return ranked.slice(0, kept)
}

interface BucketSums {
  /** Ids in each bucket. */
  readonly counts: Uint32Array
  /** Their weights together. */
  readonly weights: Float64Array
}

function bucketSums({ weights, buckets }: Likelihoods): BucketSums {
  const sums = { counts: new Uint32Array(LAST + 1), weights: new Float64Array(LAST + 1) }
  for (let id = 0; id < weights.length; id++) {
    sums.counts[buckets[id]!]! += 1
    sums.weights[buckets[id]!]! += weights[id]!
  }
  return sums
}

interface Wanted {
  readonly count: number
  /** Together. */
  readonly weight: number
  /** Of each. */
  readonly least: number
}

/**
 * The likeliest ids, likeliest first and of equals the lower, at least until there are `count` of them or they reach
 * `weight`, and none below `least`. Only whole buckets are taken and sorted, one more than needed: sums in two orders may
 * differ in their last bits, and so may the distances of equal weights.
 */
function likeliestIds({ weights, buckets }: Likelihoods, sums: BucketSums, { count, weight, least }: Wanted): number[] {
  let bucket = 0
  let found = 0
  let reached = 0
  while (bucket < LAST && found + sums.counts[bucket]! < count && reached + sums.weights[bucket]! < weight) {
    found += sums.counts[bucket]!
    reached += sums.weights[bucket]!
    bucket += 1
  }
  const ids: number[] = []
  for (let id = 0; id < weights.length; id++) if (buckets[id]! <= bucket + 1 && weights[id]! >= least) ids.push(id)
  return ids.toSorted((a, b) => weights[b]! - weights[a]! || a - b)
}
