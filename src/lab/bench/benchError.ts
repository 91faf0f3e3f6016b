/** The bench cannot be run as asked, or a contender failed. `hint` says what to do. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}
