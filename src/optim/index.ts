/** AdamW, decay policies, the ledger, schedules and parameter groups. */
export {
  adamw,
  momentNames,
  type AdamwOptions,
  type Optimizer,
  type OptimizerState,
  type ParameterUpdate,
} from './adamw.ts'
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
