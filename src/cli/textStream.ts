/** Text that appears token by token. */
import type { Tokenizer } from '../data/index.ts'

export interface TextStream {
  /** The text that this token settles; empty while a character is incomplete. */
  push(id: number): string
  /** What is left, complete or not. */
  end(): string
}

/** The longest character of UTF-8, in bytes; after as many tokens an incomplete one will not become whole. */
const LONGEST_CHARACTER = 4
const INCOMPLETE = '\uFFFD'

/** Joins tokens to text; a character whose bytes are spread over tokens is held back until it is whole. */
export function textStream(tokenizer: Pick<Tokenizer, 'decode'>): TextStream {
  // What joins two tokens (a space between numbers, say) shows only where both are decoded together.
  let before: readonly number[] = []
  let held: number[] = []
  const settle = (): string => {
    const text = tokenizer.decode([...before, ...held]).slice(tokenizer.decode(before).length)
    before = held
    held = []
    return text
  }
  return {
    push(id) {
      held.push(id)
      const incomplete = tokenizer.decode(held).endsWith(INCOMPLETE)
      return incomplete && held.length < LONGEST_CHARACTER ? '' : settle()
    },
    end: () => (held.length === 0 ? '' : settle()),
  }
}
