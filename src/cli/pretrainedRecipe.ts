/** What a recipe takes from weights that are there already. */
import type { Pretrained } from '../exchange/index.ts'

/** The recipe for training on, unless another is named. */
export const FINE_TUNING = 'finetune'

/** The model of the weights, and the tokenizer of their ids where it goes by a name. */
export function settingsOf({ model, tokenizer }: Pretrained): Readonly<Record<string, unknown>> {
  const known =
    tokenizer !== null && (tokenizer.name === 'char' || tokenizer.name === 'byte' || tokenizer.name === 'gpt2')
  return { model, ...(known ? { data: { tokenizer: tokenizer.name } } : {}) }
}
