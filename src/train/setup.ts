/** From a recipe and a corpus to everything that a run is made of, before anything is compiled. */
import { checkCorpusFits, type Corpus } from '../data/index.ts'
import { findModel, type ModelConfig } from '../models/index.ts'
import { buildLedger, ledgerGroups, scheduleNamed, type Foretold, type Ledger, type Schedule } from '../optim/index.ts'
import type { ParameterSpec, Role } from '../nn/parameter.ts'
import {
  recipeDecayRun,
  recipeDecaySchedules,
  RecipeError,
  recipeForetold,
  recipeOptimizer,
  recipeSchedule,
  type RecipeConfig,
} from '../recipes/index.ts'
import type { DecayCount } from './events.ts'
import type { ModelSetup, StepSetup } from './step.ts'

export interface RunSetup {
  readonly step: StepSetup
  readonly ledger: Ledger
  readonly schedule: Schedule
  /** λ of each role that decays, in a step counted from 0; the strongest where a role has several. */
  readonly weightDecayAt: (step: number) => Partial<Record<Role, number>>
  readonly parameters: DecayCount
  readonly tensors: Omit<DecayCount, 'total'>
  readonly tokensPerStep: number
  /** What is known of the optimizer beyond the form of its decay. */
  readonly foretold: Foretold
}

/** The recipe's model with its vocabulary settled; `vocab` is the tokenizer's. */
export function modelSetup(config: RecipeConfig, vocab: number): ModelSetup {
  const { architecture, ...values } = config.model
  const model = findModel(architecture)
  const modelConfig: ModelConfig = { ...values, vocab: values.vocab === 'auto' ? vocab : values.vocab }
  return { model, config: modelConfig, parameters: model.declareParameters(modelConfig) }
}

/** The decay of every parameter over the whole run. */
export function recipeLedger(config: RecipeConfig, parameters: readonly ParameterSpec[]): Ledger {
  return buildLedger(parameters, config.optimizer.policy, recipeDecayRun(config))
}

/** What a training step is made of, and the ledger that its groups follow. */
export function stepSetup(config: RecipeConfig, vocab: number): { readonly step: StepSetup; readonly ledger: Ledger } {
  const model = modelSetup(config, vocab)
  const ledger = recipeLedger(config, model.parameters)
  const { schedules } = recipeDecaySchedules(config)
  const groups = ledgerGroups(ledger, model.parameters, schedules)
  const { batchSize, accumulation, clip, precision, recompute } = config.train
  const { entry, options } = recipeOptimizer(config)
  const optimizer = entry.create(groups, options)
  const sequenceLength = sequenceLengthOf(config)
  const step = { ...model, optimizer, batchSize, sequenceLength, accumulation, clip, precision, recompute }
  return { step, ledger }
}

/** Throws DataError where the corpus does not fit the model. */
export function runSetup(config: RecipeConfig, corpus: Corpus): RunSetup {
  const { step, ledger } = stepSetup(config, corpus.tokenizer.vocab)
  checkCorpusFits(corpus, { ...step.config, context: step.sequenceLength })
  const { decayed, undecayed } = ledger.totals
  return {
    step,
    ledger,
    schedule: recipeSchedule(config),
    weightDecayAt: weightDecayOver(ledger, recipeDecaySchedules(config).schedules),
    parameters: {
      total: decayed.parameters + undecayed.parameters,
      decayed: decayed.parameters,
      undecayed: undecayed.parameters,
    },
    tensors: { decayed: decayed.tensors, undecayed: undecayed.tensors },
    tokensPerStep: step.batchSize * step.accumulation * step.sequenceLength,
    foretold: recipeForetold(config),
  }
}

/** Tokens per training sequence. Throws RecipeError where it is more than the model has positions. */
export function sequenceLengthOf({ train, model }: RecipeConfig): number {
  const { sequenceLength } = train
  if (sequenceLength === null || sequenceLength <= model.context) return sequenceLength ?? model.context
  throw new RecipeError(
    `train.sequenceLength is ${sequenceLength}, but the model has ${model.context} positions (model.context).`,
    'Give at most model.context, or raise that.',
  )
}

function weightDecayOver(ledger: Ledger, schedules: ReadonlyMap<string, Schedule>): RunSetup['weightDecayAt'] {
  const decaying = ledger.roles
    .filter(({ weightDecay }) => weightDecay > 0)
    .map(({ role, weightDecay, decaySchedule }) => {
      const factor = decaySchedule === null ? () => 1 : scheduleNamed(decaySchedule, schedules)
      return { role, at: (step: number) => weightDecay * factor(step) }
    })
  return (step) => {
    const found: Partial<Record<Role, number>> = {}
    for (const { role, at } of decaying) found[role] = Math.max(found[role] ?? 0, at(step))
    return found
  }
}
