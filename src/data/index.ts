/** Corpora, tokenizers and batches. Knows nothing of the engine. */
export {
  evaluationBatchCount,
  evaluationBatches,
  fillBatch,
  IGNORED_TARGET,
  type BatchPosition,
  type BatchShape,
  type EvaluationBatch,
} from './batches.ts'
export { BUILT_IN_NAMES } from './builtin.ts'
export { checkIds } from './checkIds.ts'
export { checkCorpusFits, corpusRecordOf, loadCorpus, type Corpus, type CorpusRequest } from './corpus.ts'
export { DataError } from './dataError.ts'
export { unigramEntropy } from './entropy.ts'
export { textStream, type TextStream, type TextStreamOptions } from './textStream.ts'
export type { EncodeOptions, Tokenizer, Tokens } from './tokenizer.ts'
export { BYTE_LETTERS, inByteLetters } from './byteLetters.ts'
export { PIECE, parseSentencePieceModel, type SentencePieceModel } from './sentencePieceModel.ts'
export { findTokenizerFile, openTokenizerFile } from './tokenizerFile.ts'
export { TOKENIZER_FILES, tokenizerFiles } from './tokenizerJson.ts'
export { isTokenizer, isTokenizerPath, TOKENIZER_NAMES, type TokenizerName } from './tokenizerNames.ts'
export { openTokenizer, tokenizerFromDescription } from './tokenizers.ts'
