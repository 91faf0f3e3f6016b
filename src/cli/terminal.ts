/** The two streams of a command: results go to stdout, everything else to stderr, coloured as far as each allows. */

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const
export type Style = keyof typeof STYLES

export interface Channel {
  /** Writes the text as it is. */
  write(text: string): void
  /** Writes the text and a line end. */
  line(text?: string): void
  /** The text in a style, or as it is where colours are off. */
  style(style: Style, text: string): string
  readonly color: boolean
  /** A person sees it as it is written. */
  readonly interactive: boolean
  /** In characters; 80 where nobody knows. */
  width(): number
}

export interface Terminal {
  readonly out: Channel
  readonly err: Channel
}

/** The part of a stream that a channel needs. */
export interface Sink {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** This process's streams. */
export function processTerminal(): Terminal {
  return { out: channel(process.stdout, process.env), err: channel(process.stderr, process.env) }
}

export function channel(sink: Sink, env: Environment): Channel {
  const color = wantsColor(sink.isTTY === true, env)
  return {
    write: (text) => void (text === '' ? undefined : sink.write(text)),
    line: (text = '') => void sink.write(`${text}\n`),
    style(style, text) {
      const [open, close] = STYLES[style]
      return color ? `\u001B[${open}m${text}\u001B[${close}m` : text
    },
    color,
    interactive: sink.isTTY === true && env['TERM'] !== 'dumb',
    width: () => sink.columns ?? 80,
  }
}

/** NO_COLOR (no-color.org) wins over FORCE_COLOR; without either, terminals have colours unless TERM is dumb. */
export function wantsColor(isTerminal: boolean, env: Environment): boolean {
  const isSet = (name: string): boolean => (env[name] ?? '') !== ''
  if (isSet('NO_COLOR')) return false
  if (isSet('FORCE_COLOR')) return env['FORCE_COLOR'] !== '0'
  return isTerminal && env['TERM'] !== 'dumb'
}
