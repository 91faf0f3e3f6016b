/** How many token ids a recipe's model needs, for commands that do not train. */
import { loadCorpus, openTokenizer } from '../data/index.ts'
import type { RecipeConfig } from '../recipes/index.ts'
import type { Channel } from './terminal.ts'

/** karpathy/nanoGPT data/shakespeare_char/readme.md: "vocab size: 65". */
const SHAKESPEARE_CHARACTERS = 65

/**
 * The vocabulary that the recipe states or that its tokenizer has. A character vocabulary is that of its text, which
 * is read for it; where no text is given, Shakespeare's 65 characters are taken and `err` says so. Throws DataError.
 */
export async function vocabularyOf({ model, data }: RecipeConfig, err: Channel): Promise<number> {
  if (model.vocab !== 'auto') return model.vocab
  if (data.tokenizer !== 'char') return (await openTokenizer(data.tokenizer, () => [])).vocab
  if (data.path !== null) return (await loadCorpus({ data: data.path, tokenizer: data.tokenizer })).tokenizer.vocab
  err.line(
    `${err.style('yellow', 'note:')} no text is given, so the vocabulary is taken to be Shakespeare's ` +
      `${SHAKESPEARE_CHARACTERS} characters; --data or --set model.vocab=… says otherwise.`,
  )
  return SHAKESPEARE_CHARACTERS
}
