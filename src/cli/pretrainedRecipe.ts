/** What a recipe takes from weights that are there already. */
import { basename } from 'node:path'
import type { Pretrained } from '../exchange/index.ts'

/** The recipe for training on, unless another is named. */
export const FINE_TUNING = 'finetune'

/** The model of the weights, and the tokenizer of their ids, by its name or its file. */
export function settingsOf(source: Pretrained): Readonly<Record<string, unknown>> {
  const tokenizer = tokenizerOf(source)
  return { model: source.model, ...(tokenizer === undefined ? {} : { data: { tokenizer } }) }
}

function tokenizerOf({ tokenizer, carried }: Pretrained): string | undefined {
  switch (tokenizer?.name) {
    case 'char':
    case 'byte':
    case 'gpt2':
      return tokenizer.name
    case 'huggingface':
      return carried.find((path) => basename(path) === 'tokenizer.json')
    case 'sentencepiece':
      return carried.find((path) => basename(path) === 'tokenizer.model')
    default:
      return undefined
  }
}
