/** AdamW, decay policies, the ledger, schedules and parameter groups. */
export { adafactor, type AdafactorOptions } from './adafactor.ts'
export { adagrad, type AdagradOptions } from './adagrad.ts'
export { adam, type AdamOptions } from './adam.ts'
export {
  convertToAll,
  convertWeightDecay,
  decayConventionNames,
  decayConventions,
  type Conversion,
  type ConversionRequest,
  type DecayConventionName,
} from './convert.ts'
export { renderConversions, type NamedConversion, type RenderConversionsOptions } from './convertTable.ts'
export { adamw, momentNames, type AdamwOptions } from './adamw.ts'
export { amsgrad, type AmsgradOptions } from './amsgrad.ts'
export { gpt1Adam, type Gpt1AdamOptions } from './gpt1Adam.ts'
export {
  createExpectations,
  type Expectation,
  type ExpectationRun,
  type ExpectedStep,
  type Foretold,
  type StepExpectations,
} from './expectation.ts'
export { addSums, forceOf, penaltyOf, type DecaySums, type Force, type ForceSums, type PenaltyForce } from './force.ts'
export { lion, type LionOptions } from './lion.ts'
export { muon, orthogonalise, type MuonOptions } from './muon.ts'
export { rmsprop, type RmspropOptions } from './rmsprop.ts'
export { adamRotation, lionRotation, sgdRotation } from './rotation.ts'
export { scheduleFree, type ScheduleFreeOptions } from './scheduleFree.ts'
export { sgd, type SgdOptions } from './sgd.ts'
export {
  createOptimizer,
  findOptimizer,
  optimizerNames,
  optimizers,
  type OptimizerEntry,
  type OptimizerName,
  type OptimizerOptions,
} from './optimizers.ts'
export {
  createDecaySchedule,
  decayCosine,
  decayLinear,
  decayThreePhase,
  inverseToLearningRate,
  tiedToLearningRate,
  type DecayScheduleSpec,
  type ThreePhases,
} from './decaySchedule.ts'
export type { Optimizer, OptimizerState, ParameterUpdate, UpdateParts } from './optimizer.ts'
export {
  decayFormNames,
  decayForms,
  l2Penalty,
  resolveForm,
  type DecayForm,
  type DecayFormName,
  type DecayFormSpec,
  type DecayPoint,
  type DecayRates,
  type Pull,
} from './decayForms.ts'
export {
  decide,
  decideAll,
  findPolicy,
  policies,
  policyNames,
  PolicyError,
  type DecayAnswer,
  type DecayDecision,
  type Policy,
  type PolicyParameter,
} from './policy.ts'
export type { PolicyName } from './policyTable.ts'
export {
  buildLedger,
  survivalOf,
  type Ledger,
  type LedgerCount,
  type LedgerEntry,
  type LedgerRole,
  type LedgerRun,
} from './ledger.ts'
export {
  createForecaster,
  equilibriumRms,
  equilibriumRmsExact,
  weightDecayFor,
  type Forecast,
  type ForecastCase,
  type Forecaster,
  type ForecastRun,
} from './forecast.ts'
export { ledgerGroups, scheduleNamed } from './ledgerGroups.ts'
export { diffLedgers, type ComparableLedger, type LedgerChange, type LedgerDiff } from './ledgerDiff.ts'
export { renderLedgerDiff } from './ledgerDiffTable.ts'
export { renderLedger, type RenderOptions } from './ledgerTable.ts'
export { renderTensors } from './tensorTable.ts'
export { matchPatterns, readPatterns, type PatternSource, type PatternValue } from './patterns.ts'
export { settleDecay, type Overrides, type ParameterDecay } from './overrides.ts'
export { explain, type Explanation, type ExplainRun } from './explain.ts'
export { renderExplanation } from './explainText.ts'
export { powerLinesTimescale, suggestWeightDecay, type Suggestion, type SuggestionRun } from './suggest.ts'
export type { Strength } from './verdict.ts'
export {
  constant,
  createSchedule,
  inverseSquareRoot,
  valuesOver,
  warmupCosine,
  warmupLinear,
  warmupStableDecay,
  type Schedule,
  type ScheduleSpec,
} from './schedule.ts'
export {
  resolveGroups,
  type GroupDefaults,
  type GroupParameter,
  type GroupSetting,
  type ParameterGroup,
} from './groups.ts'
