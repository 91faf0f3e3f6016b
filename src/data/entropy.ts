import { checkIds } from './checkIds.ts'
import type { Tokens } from './tokenizer.ts'

/**
 * H = -Σ p ln p over the frequencies of single tokens, in nats per token: the loss of the best guess that looks at no
 * context. A model that learns anything comes below it. 0 for no tokens; DataError for an id outside [0, vocab).
 */
export function unigramEntropy(tokens: Tokens, vocab: number): number {
  checkIds(tokens, vocab, 'Entropy')
  const counts = new Float64Array(vocab)
  for (const id of tokens) counts[id]! += 1
  let entropy = 0
  for (const count of counts) {
    if (count > 0) entropy -= (count / tokens.length) * Math.log(count / tokens.length)
  }
  return entropy
}
