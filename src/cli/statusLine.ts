/** A line at the bottom of a terminal that is rewritten in place, under lines that stay. */
import type { Channel, Sink } from './terminal.ts'

export interface StatusLine {
  /** Replaces the status. */
  show(text: string): void
  /** Writes a line that stays, above the status. */
  line(text?: string): void
  /** Takes the status away; what was written stays. */
  clear(): void
}

const ERASE = '\r\u001B[2K'

/** On a stream that is no terminal, `show` and `clear` do nothing. */
export function statusLine(channel: Channel, sink: Sink): StatusLine {
  let shown = ''
  const erase = (): void => {
    if (shown !== '') sink.write(ERASE)
  }
  return {
    show(text) {
      if (!channel.interactive) return
      // A line as wide as the terminal would wrap, and could not be erased.
      const fitting = clip(text, channel.width() - 1)
      if (fitting === shown) return
      sink.write(`${shown === '' ? '' : ERASE}${fitting}`)
      shown = fitting
    },
    line(text = '') {
      erase()
      channel.line(text)
      if (shown !== '') sink.write(shown)
    },
    clear() {
      erase()
      shown = ''
    },
  }
}

const ESCAPE = '\u001B'
const CODE_OR_CHARACTER = new RegExp(String.raw`(${ESCAPE}\[\d+m)|[\s\S]`, 'gu')

/** The first `width` characters, not counting colour codes; whole codes stay. */
export function clip(text: string, width: number): string {
  let left = width
  return text.replaceAll(CODE_OR_CHARACTER, (match, code: string | undefined) => {
    return code !== undefined || left-- > 0 ? match : ''
  })
}
