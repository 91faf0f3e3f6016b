/** The folder of a run: checkpoints that are always whole, its records, and its metrics. */
export {
  expectTensors,
  keepLastAsBest,
  loadCheckpoint,
  readCheckpointMetadata,
  saveCheckpoint,
  type CheckpointContents,
  type LoadedCheckpoint,
} from './checkpoint.ts'
export { CheckpointError } from './checkpointError.ts'
export { openMetrics, readMetrics, type MetricsFile, type MetricsOptions } from './metrics.ts'
export {
  CHECKPOINT_FILES,
  checkpointFolder,
  findCheckpoint,
  prepareRunFolder,
  readLedger,
  readRunConfig,
  RUN_FILES,
  writeLedger,
  writeRunConfig,
  type CheckpointSlot,
} from './runFolder.ts'
export {
  openSafetensors,
  readSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type Tensor,
  type TensorToWrite,
} from './safetensors.ts'
