/** Training: events, the loop, sampling. */
export {
  TrainingError,
  type BackendNote,
  type CheckpointEvent,
  type CompiledEvent,
  type DecayCount,
  type EndEvent,
  type EvaluationEvent,
  type ResumeChange,
  type StartEvent,
  type StepEvent,
  type TrainEvent,
  type TrainSummary,
} from './events.ts'
export type { TrainingData, TrainOptions } from './options.ts'
