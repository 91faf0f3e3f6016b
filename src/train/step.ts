/**
 * The programs of a training run, each traced once:
 *
 *     train       one optimizer step from one batch: loss, gradients, clipping, AdamW
 *     accumulate  adds a batch's gradients, divided by how many batches there are, to `<parameter>.grad`
 *     apply       the rest of a step that accumulates: clipping and AdamW from those sums, which it clears
 *     evaluate    sum and count of a batch's losses
 *     norms       sums of squares of the weights by role
 *     sample      logits of one position of one sequence
 *
 * Parameters, moments and gradient sums are states under their own names, so all programs of a backend share them.
 */
import {
  add,
  clipByGlobalNorm,
  gradient,
  mul,
  square,
  sum,
  trace,
  zeros,
  type Graph,
  type Shape,
  type Tensor,
  type TraceContext,
} from '../engine/index.ts'
import type { Model, ModelConfig } from '../models/index.ts'
import { noDropout, traceDropout } from '../nn/dropout.ts'
import { lossSum, meanLoss } from '../nn/loss.ts'
import type { ParameterSpec, Role } from '../nn/parameter.ts'
import { traceParameters, type TracedParameters } from '../nn/traced.ts'
import type { Optimizer } from '../optim/index.ts'

export interface ModelSetup {
  readonly model: Model
  readonly config: ModelConfig
  /** The model's parameters, as it declares them. */
  readonly parameters: readonly ParameterSpec[]
}

export interface StepSetup extends ModelSetup {
  readonly optimizer: Optimizer
  /** B: sequences per batch. */
  readonly batchSize: number
  /** T: tokens per sequence, at most `config.context`. */
  readonly sequenceLength: number
  /** Batches per optimizer step. */
  readonly accumulation: number
  /** Largest global gradient norm; 0 never clips. */
  readonly clip: number
}

/** Names of the inputs that hold a batch; both i32 [B, T]. */
export const BATCH_INPUTS = { ids: 'ids', targets: 'targets' } as const

/** The input of `sample` that says which position's logits to give; i32 [1]. */
export const SAMPLE_POSITION = 'position'

/** The state that collects a parameter's gradient over a step's batches. */
export function gradientSumName(parameter: string): string {
  return `${parameter}.grad`
}

interface Batch {
  readonly ids: Tensor
  readonly targets: Tensor
}

function batchInputs(context: TraceContext, shape: Shape): Batch {
  return {
    ids: context.input(BATCH_INPUTS.ids, 'i32', shape),
    targets: context.input(BATCH_INPUTS.targets, 'i32', shape),
  }
}

function trainable({ parameters }: ModelSetup): readonly ParameterSpec[] {
  return parameters.filter(({ frozen }) => frozen !== true)
}

/** Mean loss of a batch with dropout, and dLoss/dParameter times `scale` for each trainable parameter, by name. */
function lossAndGradients(
  context: TraceContext,
  setup: StepSetup,
  traced: TracedParameters,
  scale: number,
): { loss: Tensor; gradients: ReadonlyMap<string, Tensor> } {
  const { model, config, batchSize, sequenceLength } = setup
  const { ids, targets } = batchInputs(context, [batchSize, sequenceLength])
  const dropout = traceDropout(context, config.dropout)
  const loss = meanLoss(model.logits(traced, config, ids, dropout), targets)
  const names = trainable(setup).map(({ name }) => name)
  const objective = scale === 1 ? loss : mul(loss, scale)
  const found = gradient(
    objective,
    names.map((name) => traced.get(name)),
  )
  return { loss, gradients: new Map(names.map((name, k) => [name, found[k]!])) }
}

/** Clipping and the optimizer: the global norm before clipping, and what replaces the states. */
function update(
  context: TraceContext,
  { optimizer, clip }: StepSetup,
  traced: TracedParameters,
  gradients: ReadonlyMap<string, Tensor>,
): { gradientNorm: Tensor; updates: Readonly<Record<string, Tensor>> } {
  const { norm, coefficient } = clipByGlobalNorm([...gradients.values()], clip)
  const entries = [...gradients].map(([name, found]) => {
    return [name, { parameter: traced.get(name), gradient: found }] as const
  })
  const updates = optimizer.update(context, new Map(entries), clip > 0 ? coefficient : undefined)
  return { gradientNorm: norm, updates }
}

/** Outputs loss [] and gradientNorm []; updates parameters and optimizer state. */
export function traceTrain(setup: StepSetup): Graph {
  return trace('train', (context) => {
    const traced = traceParameters(context, setup.parameters)
    const { loss, gradients } = lossAndGradients(context, setup, traced, 1)
    const { gradientNorm, updates } = update(context, setup, traced, gradients)
    return { outputs: { loss, gradientNorm }, updates }
  })
}

/** Outputs loss [], the mean of this batch alone; adds to the gradient sums. */
export function traceAccumulate(setup: StepSetup): Graph {
  return trace('accumulate', (context) => {
    const traced = traceParameters(context, setup.parameters)
    const { loss, gradients } = lossAndGradients(context, setup, traced, 1 / setup.accumulation)
    const sums = [...gradients].map(([name, found]) => {
      const state = gradientSumName(name)
      return [state, add(context.state(state, found.shape), found)] as const
    })
    return { outputs: { loss }, updates: Object.fromEntries(sums) }
  })
}

/** Outputs gradientNorm []; updates parameters and optimizer state, and clears the gradient sums. */
export function traceApply(setup: StepSetup): Graph {
  return trace('apply', (context) => {
    const traced = traceParameters(context, setup.parameters)
    const specs = trainable(setup)
    const sums = specs.map(({ name, shape }) => [name, context.state(gradientSumName(name), shape)] as const)
    const { gradientNorm, updates } = update(context, setup, traced, new Map(sums))
    const cleared = specs.map(({ name, shape }) => [gradientSumName(name), zeros(shape)] as const)
    return { outputs: { gradientNorm }, updates: { ...updates, ...Object.fromEntries(cleared) } }
  })
}

/** Outputs lossSum [] and count [] over the targets that count; nothing is dropped. */
export function traceEvaluate({ model, config, parameters, batchSize, sequenceLength }: StepSetup): Graph {
  return trace('evaluate', (context) => {
    const { ids, targets } = batchInputs(context, [batchSize, sequenceLength])
    const logits = model.logits(traceParameters(context, parameters), config, ids, noDropout)
    const total = lossSum(logits, targets)
    return { outputs: { lossSum: total.sum, count: total.count } }
  })
}

/** Outputs, for each role that the model has, Σ w² [] under the role's name. */
export function traceNorms({ parameters }: ModelSetup): Graph {
  return trace('norms', (context) => {
    const traced = traceParameters(context, parameters)
    const squares: Partial<Record<Role, Tensor>> = {}
    for (const { name, role } of parameters) {
      const own = sum(square(traced.get(name)))
      const others = squares[role]
      squares[role] = others ? add(others, own) : own
    }
    return { outputs: squares }
  })
}

/** Inputs ids i32 [1, T] and position i32 [1]; outputs logits [1, V] of that position. */
export function traceSample({ model, config, parameters }: ModelSetup): Graph {
  return trace('sample', (context) => {
    const ids = context.input(BATCH_INPUTS.ids, 'i32', [1, config.context])
    const position = context.input(SAMPLE_POSITION, 'i32', [1])
    return { outputs: { logits: model.logitsAt(traceParameters(context, parameters), config, ids, position) } }
  })
}
