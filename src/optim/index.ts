/** AdamW, decay policies, the ledger, schedules and parameter groups. */
export { adamw, momentNames, type AdamwOptions } from './adamw.ts'
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
export { diffLedgers, type LedgerChange, type LedgerDiff } from './ledgerDiff.ts'
export { renderLedger, type RenderOptions } from './ledgerTable.ts'
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
