/** The shape of all that is written to disk or printed as JSON: one file per record, each a schema and its type. */
export {
  benchRecord,
  benchResult,
  profileRow,
  stepProfileRecord,
  type BenchRecord,
  type BenchResult,
  type CeilingsRecord,
  type ProfileRecord,
  type StepProfileRecord,
} from './bench.ts'
export { CHECKPOINT_VERSION, checkpointRecord, type CheckpointRecord } from './checkpoint.ts'
export { corpusRecord, type CorpusRecord } from './corpus.ts'
export { ledgerRecord, type LedgerRecord } from './ledger.ts'
export {
  lookLine,
  OBSERVED_VERSION,
  observedRecord,
  type ForceRecord,
  type LookLine,
  type ObservedRecord,
} from './look.ts'
export {
  evaluationLine,
  metricsLine,
  stepLine,
  type EvaluationLine,
  type MetricsLine,
  type StepLine,
} from './metrics.ts'
export { explainMismatch } from './mismatch.ts'
export { recipeRecord, type RecipeRecord } from './recipe.ts'
export { RUN_CONFIG_VERSION, runConfigRecord, type PretrainedRecord, type RunConfigRecord } from './runConfig.ts'
export { summaryRecord, type SummaryRecord } from './summary.ts'
export { tokenizerRecord, type TokenizerRecord } from './tokenizer.ts'
