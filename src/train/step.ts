/**
 * The programs of a training run, each traced once:
 *
 *     train       one optimizer step from one batch: loss, gradients, clipping, optimizer
 *     accumulate  adds a batch's gradients, divided by how many batches there are, to `<parameter>.grad`
 *     apply       the rest of a step that accumulates: clipping and optimizer from those sums, which it clears
 *     train-look  train, with the step's forces as further outputs (forces.ts); apply-look likewise
 *     evaluate    sum and count of a batch's losses, by the weights that the optimizer would publish
 *     publish     replaces the weights by those, where they are not the ones being trained (Schedule-Free)
 *     norms       sums of squares of the weights by role
 *     prefill     a stretch of a prompt, and the logits of its last token (decoder.ts)
 *     decode      the same of one token
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
  type Precision,
  type Shape,
  type Tensor,
  type TraceContext,
} from '../engine/index.ts'
import { logitsOf, type Model, type ModelConfig } from '../models/index.ts'
import { lossSum, meanLoss, meanZLoss } from '../nn/loss.ts'
import type { ParameterSpec, Role } from '../nn/parameter.ts'
import { evaluationPass, trainingPass, type Pass } from '../nn/pass.ts'
import { replaceParameters, traceParameters, type TracedParameters } from '../nn/traced.ts'
import type { Optimizer } from '../optim/index.ts'
import { traceForces } from './forces.ts'

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
  /** What the products of its programs multiply in; fp32 unless told. */
  readonly precision?: Precision
  /** Whether activations are computed again in the backward pass instead of kept; false unless told. */
  readonly recompute?: boolean
}

/** The programs that a training step runs. */
export const STEP_PROGRAMS = ['train', 'train-look', 'accumulate', 'apply', 'apply-look'] as const

/** Names of the inputs that hold a batch; both i32 [B, T]. */
export const BATCH_INPUTS = { ids: 'ids', targets: 'targets' } as const

/** The output that holds what the decay adds to the loss; [], absent unless it acts there. */
export const PENALTY_OUTPUT = 'penalty'

/** The output that holds an auxiliary loss of a batch, unweighted; [] */
export function auxiliaryOutput(name: string): string {
  return `${AUXILIARY}${name}`
}
const AUXILIARY = 'auxiliary.'

/** The auxiliary losses among a program's outputs, by name. */
export function auxiliaryNames({ outputs }: Graph): readonly string[] {
  return [...outputs.keys()].filter((name) => name.startsWith(AUXILIARY)).map((name) => name.slice(AUXILIARY.length))
}

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

/** ids i32 [B, T] -> [N, V] */
function logits({ model, config }: ModelSetup, traced: TracedParameters, ids: Tensor, pass: Pass): Tensor {
  return logitsOf(model.hidden(traced, config, ids, pass), model.outputLayer(traced, config))
}

/**
 * Of a batch in training: `losses`, outputs by name, of which `loss` is the mean cross-entropy, `penalty` what the decay
 * adds where it acts on the loss, and the others are auxiliary; and for each trainable parameter, by name, `scale` times the gradient of the objective, their weighted sum.
 */
function lossAndGradients(
  context: TraceContext,
  setup: StepSetup,
  traced: TracedParameters,
  scale: number,
): { losses: Readonly<Record<string, Tensor>>; gradients: ReadonlyMap<string, Tensor> } {
  const { config, batchSize, sequenceLength } = setup
  const { ids, targets } = batchInputs(context, [batchSize, sequenceLength])
  const pass = trainingPass(context, config)
  const scores = logits(setup, traced, ids, pass)
  const loss = meanLoss(scores, targets)
  if (config.zLoss) pass.addLoss('z', meanZLoss(scores, targets), config.zLoss)
  const auxiliary = [...pass.losses]
  const weighed = auxiliary.filter(([, { weight }]) => weight !== 0) // the others are told, not learnt
  const learnt = weighed.reduce((sum, [, { value, weight }]) => add(sum, mul(value, weight)), loss)
  const names = trainable(setup).map(({ name }) => name)
  const penalty = setup.optimizer.penalty(context, new Map(names.map((name) => [name, traced.get(name)])))
  const total = penalty === undefined ? learnt : add(learnt, penalty)
  const objective = scale === 1 ? total : mul(total, scale)
  const found = gradient(
    objective,
    names.map((name) => traced.get(name)),
  )
  const others = auxiliary.map(([name, { value }]) => [auxiliaryOutput(name), value] as const)
  return {
    losses: { loss, ...(penalty === undefined ? {} : { [PENALTY_OUTPUT]: penalty }), ...Object.fromEntries(others) },
    gradients: new Map(names.map((name, k) => [name, found[k]!])),
  }
}

/** Clipping and the optimizer: the global norm before clipping, what replaces the states, and the forces of the step. */
function update(
  context: TraceContext,
  setup: StepSetup,
  traced: TracedParameters,
  gradients: ReadonlyMap<string, Tensor>,
  look: boolean,
): { outputs: Readonly<Record<string, Tensor>>; updates: Readonly<Record<string, Tensor>> } {
  const { optimizer, clip } = setup
  const { norm, coefficient } = clipByGlobalNorm([...gradients.values()], clip)
  const entries = [...gradients].map(([name, found]) => {
    return [name, { parameter: traced.get(name), gradient: found }] as const
  })
  const [parameters, scale] = [new Map(entries), clip > 0 ? coefficient : undefined]
  const updates = optimizer.update(context, parameters, scale)
  const forces = look ? traceForces(context, setup, { parameters, scale, updates }) : {}
  return { outputs: { gradientNorm: norm, ...forces }, updates }
}

/** Outputs loss [], auxiliary losses [] and gradientNorm [], with `look` also the forces; updates parameters and optimizer state. */
export function traceTrain(setup: StepSetup, { look = false }: { readonly look?: boolean } = {}): Graph {
  return trace(look ? 'train-look' : 'train', (context) => {
    const traced = traceParameters(context, setup.parameters)
    const { losses, gradients } = lossAndGradients(context, setup, traced, 1)
    const { outputs, updates } = update(context, setup, traced, gradients, look)
    return { outputs: { ...losses, ...outputs }, updates }
  })
}

/** Outputs loss [] and auxiliary losses [], the means of this batch alone; adds to the gradient sums. */
export function traceAccumulate(setup: StepSetup): Graph {
  return trace('accumulate', (context) => {
    const traced = traceParameters(context, setup.parameters)
    const { losses, gradients } = lossAndGradients(context, setup, traced, 1 / setup.accumulation)
    const sums = [...gradients].map(([name, found]) => {
      const state = gradientSumName(name)
      return [state, add(context.state(state, found.shape), found)] as const
    })
    return { outputs: losses, updates: Object.fromEntries(sums) }
  })
}

/** Outputs gradientNorm [], with `look` also the forces; updates parameters and state, and clears the gradient sums. */
export function traceApply(setup: StepSetup, { look = false }: { readonly look?: boolean } = {}): Graph {
  return trace(look ? 'apply-look' : 'apply', (context) => {
    const traced = traceParameters(context, setup.parameters)
    const specs = trainable(setup)
    const sums = specs.map(({ name, shape }) => [name, context.state(gradientSumName(name), shape)] as const)
    const { outputs, updates } = update(context, setup, traced, new Map(sums), look)
    const cleared = specs.map(({ name, shape }) => [gradientSumName(name), zeros(shape)] as const)
    return { outputs, updates: { ...updates, ...Object.fromEntries(cleared) } }
  })
}

/** Outputs lossSum [] and count [] over the targets that count; nothing is dropped. */
export function traceEvaluate(setup: StepSetup): Graph {
  return trace('evaluate', (context) => {
    const { ids, targets } = batchInputs(context, [setup.batchSize, setup.sequenceLength])
    const total = lossSum(logits(setup, publishedParameters(context, setup), ids, evaluationPass()), targets)
    return { outputs: { lossSum: total.sum, count: total.count } }
  })
}

/** The weights to evaluate by: those being trained, unless the optimizer has others. */
function publishedParameters(context: TraceContext, setup: StepSetup): TracedParameters {
  const { optimizer, parameters } = setup
  const traced = traceParameters(context, parameters)
  if (!optimizer.evaluationWeights) return traced
  const trained = trainable(setup).map(({ name }) => [name, traced.get(name)] as const)
  return replaceParameters(parameters, traced, optimizer.evaluationWeights(context, new Map(trained)))
}

/** Updates the parameters to what the optimizer would publish; null where those are the trained ones. */
export function tracePublish(setup: StepSetup): Graph | null {
  if (!setup.optimizer.evaluationWeights) return null
  return trace('publish', (context) => {
    const published = publishedParameters(context, setup)
    const updates = trainable(setup).map(({ name }) => [name, published.get(name)] as const)
    return { updates: Object.fromEntries(updates) }
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
