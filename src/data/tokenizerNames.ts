/** Names that a recipe or `--tokenizer` can give; what looks like a path is a tokenizer's file or folder. */
export const TOKENIZER_NAMES = ['char', 'byte', 'gpt2'] as const
export type TokenizerName = (typeof TOKENIZER_NAMES)[number]

/** Whether it names a file or folder: it has a separator, or ends as tokenizer files do. */
export function isTokenizerPath(name: string): boolean {
  return /[/\\]|\.(json|model)$/.test(name)
}

/** Whether it is one of the names or looks like a path. */
export function isTokenizer(name: string): boolean {
  return isTokenizerPath(name) || TOKENIZER_NAMES.some((known) => known === name)
}
