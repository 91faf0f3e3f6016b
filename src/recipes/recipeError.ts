/** A recipe, key, value or configuration file that is wrong; `hint` says what to do about it. */
export class RecipeError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.name = 'RecipeError'
    this.hint = hint
  }
}
