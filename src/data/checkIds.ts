import { DataError } from './dataError.ts'

/** Throws DataError at the first id that is not a whole number in [0, vocab). `what` begins the message. */
export function checkIds(ids: ArrayLike<number>, vocab: number, what: string): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    if (id >= 0 && id < vocab && Number.isInteger(id)) continue
    throw new DataError(
      `${what}: token id ${id} at position ${i} is outside the vocabulary of ${vocab} (0 to ${vocab - 1}).`,
      'Use the tokenizer that made these ids, or a model whose vocabulary holds them (model.vocab=auto takes the tokenizer’s).',
    )
  }
}
