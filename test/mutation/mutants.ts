/** All mutants: each is something that a trainer has shipped, or one slip away from it. */
import { FORM_MUTANTS, OPTIMIZER_MUTANTS } from './equationMutants.ts'
import type { Mutant } from './mutant.ts'
import { BACKEND_MUTANTS, DECISION_MUTANTS, RUN_MUTANTS } from './runMutants.ts'
import { STEP_MUTANTS } from './stepMutants.ts'

export const MUTANTS: readonly Mutant[] = [
  ...STEP_MUTANTS,
  ...FORM_MUTANTS,
  ...OPTIMIZER_MUTANTS,
  ...DECISION_MUTANTS,
  ...RUN_MUTANTS,
  ...BACKEND_MUTANTS,
]
