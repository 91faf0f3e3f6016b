/** The folder of a run: checkpoints that are always whole, its records, and its metrics. */
export {
  expectTensors,
  keepLastAsBest,
  loadCheckpoint,
  openCheckpoint,
  readCheckpointMetadata,
  saveCheckpoint,
  type CheckpointContents,
  type LoadedCheckpoint,
  type OpenedCheckpoint,
} from './checkpoint.ts'
export { CheckpointError, reading, writing } from './checkpointError.ts'
export { openMetrics, readMetrics, type MetricsFile, type MetricsOptions } from './metrics.ts'
export {
  CHECKPOINT_FILES,
  checkpointFolder,
  findCheckpoint,
  prepareRunFolder,
  readLedger,
  readRunConfig,
  RUN_FILES,
  runFolderOf,
  writeLedger,
  writeRunConfig,
  type CheckpointSlot,
} from './runFolder.ts'
export { DTYPE_BYTES, FLOAT_DTYPES, isFloatDtype, narrowTo, type FloatDtype } from './dtype.ts'
export { nodeDisk, type Disk } from './disk.ts'
export { replaceSlot } from './slot.ts'
export { writeJson, writeText, writeWholeFile } from './wholeFile.ts'
export {
  openSafetensors,
  readSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type Tensor,
  type TensorToMake,
  type TensorToWrite,
} from './safetensors.ts'
