/** What a recipe takes from weights that are there already. */
import { basename } from 'node:path'
import type { Pretrained } from '../exchange/index.ts'

/** The recipe for training on, unless another is named. */
export const FINE_TUNING = 'finetune'

/** The model of the weights, and the tokenizer of their ids, by its name or its file. */
export function settingsOf(source: Pretrained): Readonly<Record<string, unknown>> {
  const tokenizer = tokenizerNameOf(source)
  return { model: source.model, ...(tokenizer === undefined ? {} : { data: { tokenizer } }) }
}

/** What a recipe calls its tokenizer; undefined where nobody knows it. */
export function tokenizerNameOf({ tokenizer, carried, run }: Pretrained): string | undefined {
  switch (tokenizer?.name) {
    case 'char':
    case 'byte':
    case 'gpt2':
      return tokenizer.name
    case 'huggingface':
      return carried.find((path) => basename(path) === 'tokenizer.json') ?? run?.config.data.tokenizer
    case 'sentencepiece':
      return carried.find((path) => basename(path) === 'tokenizer.model') ?? run?.config.data.tokenizer
    default:
      return undefined
  }
}
