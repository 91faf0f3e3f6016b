/** Text that appears token by token. */
import type { Tokenizer } from './tokenizer.ts'

export interface TextStream {
  /** The text that this token settles; empty while a character is incomplete. */
  push(id: number): string
  /** What is left, complete or not. */
  end(): string
  /** Whether a stop string was found; nothing follows then. */
  readonly stopped: boolean
}

/** The longest character of UTF-8, in bytes; after as many tokens an incomplete one will not become whole. */
const LONGEST_CHARACTER = 4
const INCOMPLETE = '\uFFFD'

export interface TextStreamOptions {
  /** Tokens that came before, whose text is not given again. */
  readonly before?: readonly number[]
  /** The text ends before the first of these, wherever they begin in a token; what may become one is held back. */
  readonly stop?: readonly string[]
}

/** Joins tokens to text; a character whose bytes are spread over tokens is held back until it is whole. */
export function textStream(
  tokenizer: Pick<Tokenizer, 'decode'>,
  { before = [], stop = [] }: TextStreamOptions = {},
): TextStream {
  // What joins two tokens (a space between numbers, say) shows only where both are decoded together.
  let context = before.slice(-LONGEST_CHARACTER)
  let held: number[] = []
  let waiting = ''
  let stopped = false
  const settle = (): string => {
    const text = tokenizer.decode([...context, ...held]).slice(tokenizer.decode(context).length)
    context = held
    held = []
    return text
  }
  const release = (text: string, last: boolean): string => {
    if (stopped) return ''
    waiting += text
    const found = stop.map((word) => waiting.indexOf(word)).filter((at) => at >= 0)
    stopped = found.length > 0
    const until = stopped ? Math.min(...found) : last ? waiting.length : waiting.length - heldBack(waiting, stop)
    const released = waiting.slice(0, until)
    waiting = waiting.slice(until)
    return released
  }
  return {
    push(id) {
      held.push(id)
      const incomplete = tokenizer.decode(held).endsWith(INCOMPLETE)
      return incomplete && held.length < LONGEST_CHARACTER ? '' : release(settle(), false)
    },
    end: () => release(held.length === 0 ? '' : settle(), true),
    get stopped() {
      return stopped
    },
  }
}

/** How much of a text's end may be the beginning of one of the words. */
function heldBack(text: string, words: readonly string[]): number {
  const lengths = words.map((word) => {
    let length = Math.min(word.length - 1, text.length)
    while (length > 0 && !text.endsWith(word.slice(0, length))) length -= 1
    return length
  })
  return Math.max(0, ...lengths)
}
