/** The tokenizers by name. */
import type { TokenizerRecord } from '../records/index.ts'
import { byteTokenizer } from './byteTokenizer.ts'
import { charTokenizer } from './charTokenizer.ts'
import { DataError } from './dataError.ts'
import { gpt2Tokenizer } from './gpt2Tokenizer.ts'
import { idsTokenizer } from './idsTokenizer.ts'
import type { Tokenizer } from './tokenizer.ts'

/** Names that a recipe or `--tokenizer` can give. */
export const TOKENIZER_NAMES = ['char', 'byte', 'gpt2'] as const
export type TokenizerName = (typeof TOKENIZER_NAMES)[number]

/** The name, checked; throws DataError with the known names. */
export function tokenizerName(name: string): TokenizerName {
  const known = TOKENIZER_NAMES.find((candidate) => candidate === name)
  if (known !== undefined) return known
  throw new DataError(`Unknown tokenizer "${name}".`, `The tokenizers are: ${TOKENIZER_NAMES.join(', ')}.`)
}

/** Builds the tokenizer that `describe` described. GPT-2's tables are loaded here, once, when they are first needed. */
export async function tokenizerFromDescription(description: TokenizerRecord): Promise<Tokenizer> {
  switch (description.name) {
    case 'char':
      return charTokenizer(description.characters)
    case 'byte':
      return byteTokenizer
    case 'gpt2':
      return gpt2Tokenizer()
    case 'ids':
      return idsTokenizer(description.vocab)
  }
}
