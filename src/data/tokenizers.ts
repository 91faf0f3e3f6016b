/** The tokenizers by name, and by file. */
import type { TokenizerRecord } from '../records/index.ts'
import { byteTokenizer } from './byteTokenizer.ts'
import { charactersOf, charTokenizer } from './charTokenizer.ts'
import { DataError } from './dataError.ts'
import { gpt2Tokenizer } from './gpt2Tokenizer.ts'
import { huggingfaceTokenizer } from './huggingfaceTokenizer.ts'
import { idsTokenizer } from './idsTokenizer.ts'
import { sentencePieceTokenizer } from './sentencePieceTokenizer.ts'
import { openTokenizerFile } from './tokenizerFile.ts'
import type { Tokenizer } from './tokenizer.ts'
import { isTokenizerPath, TOKENIZER_NAMES } from './tokenizerNames.ts'

/**
 * The tokenizer of that name or file. `char` has the characters of the texts, which are asked for by nothing else.
 * Throws DataError for an unknown name, with the known ones, and for a file that is missing or no tokenizer.
 */
export async function openTokenizer(name: string, texts: () => readonly string[]): Promise<Tokenizer> {
  if (isTokenizerPath(name)) return openTokenizerFile(name)
  const known = TOKENIZER_NAMES.find((candidate) => candidate === name)
  if (known === 'char') return charTokenizer(charactersOf(texts()))
  if (known !== undefined) return tokenizerFromDescription({ name: known })
  throw new DataError(
    `Unknown tokenizer "${name}".`,
    `The tokenizers are: ${TOKENIZER_NAMES.join(', ')}; or give a tokenizer.json, a SentencePiece .model, or its folder, as a path.`,
  )
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
    case 'huggingface':
      return huggingfaceTokenizer(description)
    case 'sentencepiece':
      return sentencePieceTokenizer(Buffer.from(description.model, 'base64'))
    case 'ids':
      return idsTokenizer(description.vocab)
  }
}
