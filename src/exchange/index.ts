/** Models in the formats of other programs, in and out. */
export { ExchangeError } from './exchangeError.ts'
export { isHuggingFaceFolder, openHuggingFace } from './huggingface/open.ts'
export type { ModelSettings, Pretrained } from './pretrained.ts'
export { writeHuggingFace, type HuggingFaceOptions, type WrittenModel } from './huggingface/write.ts'
export { copySource, nameOf, writeImportedRun, type ImportOptions } from './importRun.ts'
export { openPretrained } from './open.ts'
export { writeGgufModel, type GgufOptions } from './gguf/write.ts'
export { tokenizerToWrite, type TokenizerToWrite } from './tokenizerToWrite.ts'
