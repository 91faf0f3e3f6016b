/** Training: events, the loop, sampling. */
export {
  TrainingError,
  type BackendNote,
  type CheckpointEvent,
  type CompiledEvent,
  type DecayCount,
  type EndEvent,
  type EvaluationEvent,
  type LookEvent,
  type ResumeChange,
  type StartEvent,
  type StepEvent,
  type TrainEvent,
  type TrainSummary,
} from './events.ts'
export { train } from './trainer.ts'
export { compileStep, type CompiledStep, type CompileStepOptions, type StepMeasures } from './compileStep.ts'
export { initialiseParameters } from './initialise.ts'
export type { TrainOptions } from './options.ts'
export { chooseToken, type Choice } from './chooseToken.ts'
export {
  createSampler,
  openSampler,
  type Generation,
  type OpenedSampler,
  type Sampler,
  type SampleOptions,
  type StopReason,
} from './sample.ts'
export { inspectStep } from './inspection.ts'
export { modelSetup, recipeLedger, stepSetup } from './setup.ts'
export { STEP_PROGRAMS, type ModelSetup, type StepSetup } from './step.ts'
export { publishCheckpoint, publishedWeights } from './publish.ts'
