/**
 * A fault to put into the code, to see that a test fails. The text to replace must stand in its file exactly once; when
 * the code moves on, `npm run mutate` and a test say so.
 */

export interface Edit {
  /** From the root of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  /** What goes wrong, in a few words. */
  readonly name: string
  readonly edits: readonly Edit[]
  /** Test files of which one must fail. */
  readonly tests: readonly string[]
  /** Among the few that every run of the test suite tries. */
  readonly inSuite?: true
}

/** One replacement in one file. */
export const edit = (file: string, find: string, replace: string): readonly Edit[] => [{ file, find, replace }]
