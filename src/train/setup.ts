/** From a recipe and a corpus to everything that a run is made of, before anything is compiled. */
import { checkCorpusFits, type Corpus } from '../data/index.ts'
import { findModel, type ModelConfig } from '../models/index.ts'
import { adamw, buildLedger, type Ledger, type ParameterGroup, type Schedule } from '../optim/index.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import { recipeDecayRun, RecipeError, recipeSchedule, type RecipeConfig } from '../recipes/index.ts'
import type { DecayCount } from './events.ts'
import type { ModelSetup, StepSetup } from './step.ts'

export interface RunSetup {
  readonly step: StepSetup
  readonly ledger: Ledger
  readonly schedule: Schedule
  readonly parameters: DecayCount
  readonly tensors: Omit<DecayCount, 'total'>
  readonly tokensPerStep: number
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
  const { learningRate, weightDecay, betas, eps } = config.optimizer
  const groups = ledgerGroups(ledger, model.parameters, learningRate)
  const { batchSize, accumulation, clip } = config.train
  const optimizer = adamw(groups, { learningRate, weightDecay, betas, eps })
  const sequenceLength = sequenceLengthOf(config)
  return { step: { ...model, optimizer, batchSize, sequenceLength, accumulation, clip }, ledger }
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
    parameters: {
      total: decayed.parameters + undecayed.parameters,
      decayed: decayed.parameters,
      undecayed: undecayed.parameters,
    },
    tensors: { decayed: decayed.tensors, undecayed: undecayed.tensors },
    tokensPerStep: step.batchSize * step.accumulation * step.sequenceLength,
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

/**
 * One group for each λ and learning-rate multiplier of the ledger, so that exactly what the ledger names decays, as
 * fast as it says. `learningRate` is the optimizer's, at the peak.
 */
export function ledgerGroups(
  ledger: Ledger,
  parameters: readonly ParameterSpec[],
  learningRate: number,
): ParameterGroup[] {
  const specs = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const groups = new Map<string, { params: ParameterSpec[]; weightDecay: number; learningRate: number }>()
  for (const { name, weightDecay, learningRateMultiplier } of ledger.entries) {
    const spec = specs.get(name)
    if (!spec) throw new Error(`The ledger names "${name}", which is no parameter of the model.`)
    const key = `${weightDecay} ${learningRateMultiplier}`
    const group = groups.get(key) ?? { params: [], weightDecay, learningRate: learningRate * learningRateMultiplier }
    group.params.push(spec)
    groups.set(key, group)
  }
  return [...groups.values()]
}
