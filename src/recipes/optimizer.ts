/** The optimizer that a configuration describes: its options, checked, and the schedules of its λ. */
import { optimizers, type OptimizerEntry, type OptimizerName } from '../optim/optimizers.ts'
import { readOptions, type DecayOptions } from '../optim/optionRules.ts'
import type { Schedule } from '../optim/schedule.ts'
import { decayScheduleName, decayScheduleOf } from './decaySchedules.ts'
import { recipeSchedule } from './learningRate.ts'
import { RecipeError } from './recipeError.ts'
import type { RecipeConfig } from './schema.ts'

export interface RecipeOptimizer {
  readonly name: OptimizerName
  /** As the optimizer takes them. */
  readonly options: DecayOptions
  /** The same with every default filled in. */
  readonly settled: Required<DecayOptions>
  readonly entry: OptimizerEntry<DecayOptions>
}

/** Paths of their own; `optimizer.options` holds the rest. */
const OWN_PATHS = ['learningRate', 'weightDecay', 'form', 'betas', 'eps', 'decaySchedule'] as const

/** Throws RecipeError for an option that the optimizer does not have, and for a value that it does not take. */
export function recipeOptimizer(config: RecipeConfig): RecipeOptimizer {
  const { name, learningRate, weightDecay, form, betas, eps, options } = config.optimizer
  const misplaced = OWN_PATHS.find((path) => path in options)
  if (misplaced !== undefined) {
    throw new RecipeError(`optimizer.options holds ${misplaced}.`, `It has a path of its own: optimizer.${misplaced}.`)
  }
  const given = {
    learningRate,
    weightDecay,
    form,
    ...(betas === null ? {} : { betas }),
    ...(eps === null ? {} : { eps }),
    ...options,
  }
  // Which options an optimizer has is known to its rules alone, so the types cannot follow the name here.
  const entry = optimizers[name] as unknown as OptimizerEntry<DecayOptions>
  try {
    return { name, options: given, settled: readOptions(name, given, entry.rules), entry }
  } catch (error) {
    throw new RecipeError(
      error instanceof Error ? error.message : String(error),
      'optimizer.betas and optimizer.eps are null where an optimizer has none; its other options are in ' +
        'optimizer.options, as in  --set optimizer.options={momentum: 0.9}',
    )
  }
}

/** Paths that mean something else, or nothing, under another optimizer, with its own defaults for them. */
export function optimizerDefaults(name: OptimizerName): Readonly<Record<string, unknown>> {
  const rules: Readonly<Record<string, { readonly default: unknown }>> = optimizers[name].rules
  return {
    'optimizer.betas': rules['betas']?.default ?? null,
    'optimizer.eps': rules['eps']?.default ?? null,
    'optimizer.form': rules['form']?.default,
    'optimizer.options': {},
  }
}

export interface RecipeDecaySchedules {
  /** By name. */
  readonly schedules: ReadonlyMap<string, Schedule>
  /** Of all parameters that no pattern names; null where λ stays the same. */
  readonly all: string | null
  /** Names by pattern. */
  readonly byPattern: Readonly<Record<string, string>>
}

/** A λ that stays the same, where a pattern says so against the run's schedule. */
const CONSTANT = 'constant'

/** Throws RecipeError where a schedule's values do not fit the run. */
export function recipeDecaySchedules({ optimizer, schedule }: RecipeConfig): RecipeDecaySchedules {
  const { learningRate: peak, decaySchedule, decaySchedules } = optimizer
  const run = { learningRate: recipeSchedule({ optimizer, schedule }), peak, steps: schedule.steps }
  const schedules = new Map<string, Schedule>()
  const add = (path: string, spec: typeof decaySchedule): string | null => {
    const name = decayScheduleName(spec)
    try {
      schedules.set(name ?? CONSTANT, decayScheduleOf(spec, run))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new RecipeError(`${path}: ${reason}`, `The run has ${run.steps} steps and the peak learning rate ${peak}.`)
    }
    return name
  }
  const all = add('optimizer.decaySchedule', decaySchedule)
  const byPattern = Object.entries(decaySchedules).map(([pattern, spec]) => {
    return [pattern, add(`optimizer.decaySchedules of ${pattern}`, spec) ?? CONSTANT] as const
  })
  return { schedules, all, byPattern: Object.fromEntries(byPattern) }
}
