/** Data that cannot be used: the message says what is wrong and where, `hint` what to do about it. */
export class DataError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.name = 'DataError'
    this.hint = hint
  }
}

/** The code of a file system error ("ENOENT", "EACCES"), or undefined when it is none. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
