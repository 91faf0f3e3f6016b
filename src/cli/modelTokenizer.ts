/** The tokenizer of weights that are there already: their own, whatever has become of the file that it was read from. */
import { isTokenizerPath, openTokenizerFile, tokenizerFromDescription, type Tokenizer } from '../data/index.ts'
import type { Pretrained } from '../exchange/index.ts'
import type { RecipeConfig } from '../recipes/index.ts'
import { tokenizerNameOf } from './pretrainedRecipe.ts'
import type { SavedRun } from './savedRun.ts'

export interface KnownTokenizer {
  readonly tokenizer: Tokenizer
  /** What has become of its file, in a whole sentence; null where there is nothing to say. */
  readonly notice: string | null
}

/**
 * The tokenizer of a run that goes on, or of the weights that a run begins with; undefined where nobody knows it, and
 * where `asked`, the recipe as the flags have changed it, names another one.
 */
export async function knownTokenizer(
  from: SavedRun | Pretrained,
  asked: RecipeConfig,
): Promise<KnownTokenizer | undefined> {
  const isRun = 'recipe' in from
  const name = isRun ? from.config.data.tokenizer : tokenizerNameOf(from)
  if (name !== undefined && name !== asked.data.tokenizer) return undefined
  if (isRun) return { tokenizer: from.tokenizer, notice: fileNotice(from.tokenizer, asked.data.tokenizer, from.folder) }
  if (from.tokenizer === null || from.tokenizer.name === 'ids') return undefined
  const tokenizer = await tokenizerFromDescription(from.tokenizer)
  return { tokenizer, notice: fileNotice(tokenizer, asked.data.tokenizer, from.path) }
}

/** Says where the file of the recipe is gone or has another tokenizer now. */
function fileNotice(tokenizer: Tokenizer, name: string, owner: string): string | null {
  if (!isTokenizerPath(name)) return null
  const state = fileState(tokenizer, name)
  return state === null ? null : `${name} ${state}; the tokenizer is the one saved in ${owner}.`
}

function fileState(tokenizer: Tokenizer, path: string): string | null {
  try {
    const now = openTokenizerFile(path).describe()
    return JSON.stringify(now) === JSON.stringify(tokenizer.describe()) ? null : 'has another tokenizer now'
  } catch {
    return 'cannot be read any more'
  }
}
