/** What a training run says as it goes, what it needs to start, and what it leaves: the whole face of the trainer. */
import type { BackendName, ExecutableReport } from '../engine/index.ts'
import type { Role } from '../nn/parameter.ts'
import type { Ledger } from '../optim/index.ts'
import type { LookLine } from '../records/index.ts'

/** A setting that differs between the checkpoint and the run that resumes from it; the new value is used. */
export interface ResumeChange {
  /** Path in the recipe, such as `optimizer.weightDecay`. */
  readonly path: string
  readonly from: unknown
  readonly to: unknown
}

export interface BackendNote {
  readonly name: BackendName
  /** For people: such as `native x86-64 AVX-512, 2 threads`. */
  readonly description: string
  readonly threads: number
}

/** First of all events: everything that is known before the first step. */
export interface StartEvent {
  readonly kind: 'start'
  /** Folder of the run; the recipe's name where nothing is written. */
  readonly run: string
  readonly recipe: string
  readonly seed: number
  readonly backend: BackendNote
  readonly ledger: Ledger
  readonly parameters: DecayCount
  readonly tensors: Omit<DecayCount, 'total'>
  readonly corpus: { readonly name: string; readonly trainTokens: number; readonly validationTokens: number }
  /** Tokens that one optimizer step reads: batch size · accumulation · context. */
  readonly tokensPerStep: number
  /** Steps already done, 0 unless resumed. */
  readonly startStep: number
  /** Length of the run. */
  readonly steps: number
  /** Checkpoint folder that the run continues from. */
  readonly resumedFrom: string | null
  /** Settings given anew on resume. */
  readonly changes: readonly ResumeChange[]
  /** Things that someone should know, in whole sentences. */
  readonly notices: readonly string[]
}

export interface DecayCount {
  readonly total: number
  readonly decayed: number
  readonly undecayed: number
}

/** The programs are compiled. */
export interface CompiledEvent {
  readonly kind: 'compiled'
  /** By program name: `train` or `accumulate` and `apply`, `evaluate`, `norms`. */
  readonly reports: Readonly<Record<string, ExecutableReport>>
  /** Time to trace and compile them all. */
  readonly milliseconds: number
  /** Floating-point operations of one optimizer step. */
  readonly flopsPerStep: number
}

/** One optimizer step is done. */
export interface StepEvent {
  readonly kind: 'step'
  /** Steps done, this one included: the first is 1. */
  readonly step: number
  readonly steps: number
  /** Mean cross-entropy of the step's batch before its update, in nats per token. */
  readonly loss: number
  /** What else the objective has, by name and without its weight; empty where it has nothing. */
  readonly auxiliaryLosses: Readonly<Record<string, number>>
  /** What the decay adds to the loss, apart from it; null unless it acts there (form loss-l2). */
  readonly penalty: number | null
  readonly learningRate: number
  /** λ of each role that decays, in this step; the strongest where a role has several. */
  readonly weightDecay: Partial<Record<Role, number>>
  /** Global gradient norm before clipping. */
  readonly gradientNorm: number
  /** Euclidean norm of all weights of a role, after the step; null where the step is not logged. */
  readonly weightNorms: Partial<Record<Role, number>> | null
  /** Of this step alone. */
  readonly stepMs: number
  /** Smoothed over the last steps. */
  readonly tokensPerSecond: number
  /** Estimate, without evaluations. */
  readonly secondsLeft: number
}

/** The forces of the step just done, as its line in metrics.jsonl has them. */
export type LookEvent = LookLine

/** The whole validation split was evaluated. */
export interface EvaluationEvent {
  readonly kind: 'evaluation'
  /** Steps done; 0 is the untrained model. */
  readonly step: number
  /** Mean over every validation target, in nats per token. */
  readonly valLoss: number
  readonly tokens: number
  readonly milliseconds: number
  /** Whether it is the lowest so far. */
  readonly best: boolean
}

export interface CheckpointEvent {
  readonly kind: 'checkpoint'
  readonly which: 'last' | 'best'
  readonly step: number
  readonly path: string
}

/** The run is over: complete, or interrupted by its signal with a checkpoint to go on from. */
export interface EndEvent {
  readonly kind: 'end'
  readonly reason: 'complete' | 'interrupted'
  readonly summary: TrainSummary
  /** How to go on, as a command; null where nothing was written or nothing remains to be done. */
  readonly resumeCommand: string | null
}

export type TrainEvent =
  | StartEvent
  | CompiledEvent
  | StepEvent
  | LookEvent
  | EvaluationEvent
  | CheckpointEvent
  | EndEvent

/** The document that `train --json` prints. */
export interface TrainSummary {
  readonly run: string
  readonly recipe: string
  readonly backend: BackendName
  readonly threads: number
  readonly seed: number
  readonly parameters: DecayCount
  readonly tensors: Omit<DecayCount, 'total'>
  /** Steps done in all, those before a resume included. */
  readonly steps: number
  /** Tokens read in all. */
  readonly tokens: number
  /** Wall time of this session, evaluations and checkpoints included. */
  readonly seconds: number
  /** Of this session's steps; null where it made none. So are the next two. */
  readonly medianStepMs: number | null
  readonly tokensPerSecond: number | null
  readonly flopsPerSecond: number | null
  /** Loss of the last step; null where the session made none. */
  readonly trainLoss: number | null
  /** What the decay added to it; null unless it acts on the loss (form loss-l2). */
  readonly penalty: number | null
  /** Of the last evaluation; null where there was none. */
  readonly valLoss: number | null
  /** Folder of the last checkpoint; null where nothing is written. */
  readonly checkpoint: string | null
}

/** Training cannot go on; `hint` says what to try. Checkpoints on disk are untouched. */
export class TrainingError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.name = 'TrainingError'
    this.hint = hint
  }
}
