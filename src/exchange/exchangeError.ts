/** A model of another program that cannot be taken over or given away: what is wrong in which file, and what to do. */
export class ExchangeError extends Error {
  /** The file or folder concerned. */
  readonly path: string
  readonly hint: string
  constructor(path: string, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ExchangeError'
    this.path = path
    this.hint = hint
  }
}
