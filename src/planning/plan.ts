/**
 * A training run on paper, at any size: parameters, memory, work, time, and what decay leaves. Pure arithmetic over the
 * model's declarations; nothing of the model's size is allocated.
 */
import type { Role } from '../nn/parameter.ts'
import { activeParameters, parameterCount, totalParameters } from '../nn/parameter.ts'
import { explain, type Ledger } from '../optim/index.ts'
import { recipeDecayRun, type RecipeConfig } from '../recipes/index.ts'
import { stepSetup } from '../train/index.ts'
import { flopsPerToken } from './flops.ts'
import { memoryOf, type MemoryPlan, type Precision } from './memory.ts'

export interface PlanRequest {
  /** Default fp32. */
  readonly precision?: Precision
  /** Peak rate of one device, in floating-point operations per second. */
  readonly deviceFlops: number
  /** Default 1. */
  readonly devices?: number
  /** Share of the peak that training reaches, above 0 to 1; default 0.4. */
  readonly utilisation?: number
  /** Of the recipe, passed on to the plan; null unless told. */
  readonly remark?: string | null
}

export interface RoleCount {
  readonly tensors: number
  readonly parameters: number
  readonly decayed: number
}

/** Plain JSON: what `plan --json` prints. */
export interface RunPlan {
  readonly recipe: string
  /** Where the source miscounts or misprints this size; null elsewhere. */
  readonly remark: string | null
  readonly architecture: string
  readonly parameters: {
    readonly total: number
    /** Those that compute one token: all but experts that were not chosen. */
    readonly active: number
    readonly decayed: number
    readonly undecayed: number
    readonly byRole: Readonly<Partial<Record<Role, RoleCount>>>
  }
  readonly memory: MemoryPlan
  /** Forward and backward, by PaLM's convention: 6·N + 12·L·H·Q·T with N the parameters that multiply activations. */
  readonly flopsPerToken: number
  readonly steps: number
  readonly tokensPerStep: number
  readonly tokens: number
  readonly tokensPerParameter: number
  readonly time: {
    readonly seconds: number
    readonly devices: number
    readonly deviceFlops: number
    readonly utilisation: number
    /** Of the whole run. */
    readonly flops: number
  }
  /** Share of the initial weights that decay alone leaves; null where the form or optimizer does not tell. */
  readonly survival: number | null
  /** Σ lr_t·λ_t, in e-folds; null where the form or optimizer does not tell. */
  readonly sumLrDecay: number | null
  readonly timescaleSteps: number | null
  readonly optimizer: {
    readonly name: string
    readonly form: string
    readonly policy: string
    readonly weightDecay: number
  }
}

/**
 * Plans the run that a configuration describes; `vocab` is the tokenizer's where the configuration leaves it open.
 * Throws RangeError for a rate, number of devices or utilisation that makes no sense.
 */
export function planRun(name: string, config: RecipeConfig, vocab: number, request: PlanRequest): RunPlan {
  const { precision = 'fp32', deviceFlops, devices = 1, utilisation = 0.4, remark = null } = request
  check('The rate of a device', deviceFlops, deviceFlops > 0)
  check('The number of devices', devices, Number.isSafeInteger(devices) && devices >= 1)
  check('The utilisation', utilisation, utilisation > 0 && utilisation <= 1)
  const { step, ledger } = stepSetup(config, vocab)
  const { parameters } = step
  const total = totalParameters(parameters)
  const tokensPerStep = step.batchSize * step.accumulation * step.sequenceLength
  const tokens = tokensPerStep * config.schedule.steps
  const perToken = flopsPerToken(step)
  const { survival, sumLrDecay, timescaleSteps } = explain(parameters, config.optimizer.policy, recipeDecayRun(config))
  return {
    recipe: name,
    remark,
    architecture: config.model.architecture,
    parameters: {
      total,
      active: activeParameters(parameters),
      decayed: ledger.totals.decayed.parameters,
      undecayed: ledger.totals.undecayed.parameters,
      byRole: countRoles(ledger),
    },
    memory: memoryOf(step, precision),
    flopsPerToken: perToken,
    steps: config.schedule.steps,
    tokensPerStep,
    tokens,
    tokensPerParameter: tokens / total,
    time: {
      seconds: (perToken * tokens) / (deviceFlops * devices * utilisation),
      devices,
      deviceFlops,
      utilisation,
      flops: perToken * tokens,
    },
    survival,
    sumLrDecay,
    timescaleSteps,
    optimizer: {
      name: config.optimizer.name,
      form: ledger.form,
      policy: ledger.policy,
      weightDecay: config.optimizer.weightDecay,
    },
  }
}

function countRoles({ entries }: Ledger): Partial<Record<Role, RoleCount>> {
  const counts: Partial<Record<Role, RoleCount>> = {}
  for (const { role, shape, weightDecay } of entries) {
    const before = counts[role] ?? { tensors: 0, parameters: 0, decayed: 0 }
    const own = parameterCount(shape)
    counts[role] = {
      tensors: before.tensors + 1,
      parameters: before.parameters + own,
      decayed: before.decayed + (weightDecay > 0 ? own : 0),
    }
  }
  return counts
}

function check(what: string, value: number, valid: boolean): void {
  if (valid && Number.isFinite(value)) return
  throw new RangeError(`${what} is ${value}; it must be a finite number above 0 (a utilisation at most 1).`)
}
