/**
 * Sparse mixtures of experts (Shazeer et al. 2017, arXiv:1701.06538): a router picks k of E gated MLPs for each token, and
 * only they compute it. The rows of each expert are brought together and multiplied with its matrices, so the work is that
 * of k experts per token, whatever the routing; nothing is dropped, and no expert has a capacity.
 *
 * Letters in the shape comments: N rows (tokens), C = width, F = hidden width of an expert.
 */
import {
  add,
  div,
  groupBy,
  groupedMatmul,
  groupRows,
  matmul,
  mean,
  mul,
  reshape,
  scope,
  slice,
  softmax,
  sub,
  sum,
  toFloat,
  topK,
  ungroupRows,
  type Grouping,
  type Tensor,
} from '../engine/index.ts'
import type { Init, ParameterList } from './parameter.ts'
import type { TracedParameters } from './traced.ts'

/** Which experts each token goes to, and how much each counts. */
export interface Routing {
  /** Softmax over all experts, [N, E]. */
  readonly probabilities: Tensor
  /** Factor of each chosen expert's output, the largest first, [N, k]. */
  readonly gates: Tensor
  /** The N·k pairs of token and expert, sorted by expert. */
  readonly grouping: Grouping
}

export interface RouterOptions {
  /** k: how many experts compute each token. */
  readonly expertsPerToken: number
  /** Whether the k gates of a token are divided by their sum. */
  readonly renormalized: boolean
}

/**
 * softmax(x·W) over the experts, W being `${name}.weight` [C, E], and the k largest of each row; in fp32 whatever the
 * precision of other products, since a small error can choose another expert. x [N, C]
 */
export function route(
  parameters: TracedParameters,
  name: string,
  x: Tensor,
  { expertsPerToken, renormalized }: RouterOptions,
): Routing {
  return scope(name, () => {
    const logits = matmul(x, parameters.get(`${name}.weight`), { precision: 'fp32' }) // [N, E]
    const probabilities = softmax(logits)
    const { indices, values } = topK(probabilities, expertsPerToken)
    const gates = renormalized ? div(values, sum(values, -1, { keepDims: true })) : values
    return { probabilities, gates, grouping: groupBy(indices, logits.shape[1]!) }
  })
}

/** The module names of an expert's three matrices, and what follows its gate. */
export interface ExpertParts {
  readonly gate: string
  readonly up: string
  readonly down: string
  readonly activation: (x: Tensor) => Tensor
}

/**
 * Σ over the chosen experts of gate · down(activation(gate_e(x)) · up(x)). Each of `parts` names one tensor with the
 * matrices of all experts: `${name}.${gate}.weight` and up's are [E, C, F], down's is [E, F, C]. x [N, C] -> [N, C]
 */
export function experts(
  parameters: TracedParameters,
  name: string,
  x: Tensor,
  { gates, grouping }: Routing,
  { gate, up, down, activation }: ExpertParts,
): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const perToken = gates.shape[1]!
  const product = (part: string, by: Tensor): Tensor =>
    scope(`${name}.${part}`, () => groupedMatmul(by, parameters.get(`${name}.${part}.weight`), grouping.offsets))
  const sorted = scope(name, () => groupRows(x, grouping)) // [N·k, C]
  const [gated, linearly] = [product(gate, sorted), product(up, sorted)] // [N·k, F]
  const active = scope(name, () => mul(activation(gated), linearly))
  const computed = product(down, active) // [N·k, C]
  return scope(name, () => {
    const perExpert = reshape(ungroupRows(computed, grouping), [rows, perToken, width])
    return sum(mul(perExpert, reshape(gates, [rows, perToken, 1])), 1)
  })
}

export interface ExpertSizes {
  readonly experts: number
  readonly expertsPerToken: number
  readonly width: number
  readonly feedForward: number
}

/** Declares the three tensors that `experts` reads. */
export function declareExperts(
  list: ParameterList,
  name: string,
  { gate, up, down }: Omit<ExpertParts, 'activation'>,
  { experts: count, expertsPerToken, width, feedForward }: ExpertSizes,
  init: Init,
): void {
  const activeShare = expertsPerToken / count
  const declare = (part: string, from: number, to: number): void => {
    list.declare(`${name}.${part}.weight`, [count, from, to], 'matrix', init, { activeShare })
  }
  declare(gate, width, feedForward)
  declare(up, width, feedForward)
  declare(down, feedForward, width)
}

/**
 * E · Σ_e f_e P_e, f_e being the assignments to expert e per token and P_e its mean probability, both over the tokens of
 * all routers; k where all experts are used alike, more where some are preferred (Fedus et al. 2021, arXiv:2101.03961,
 * equations 4 to 6, for any k and over all layers at once, as `load_balancing_loss_func` of transformers). Only the
 * probabilities have a gradient. Result [].
 */
export function loadBalancing(routings: readonly Routing[]): Tensor {
  return scope('loadBalancing', () => {
    const [rows, count] = routings[0]!.probabilities.shape as readonly [number, number]
    const assigned = average(routings.map(({ grouping: { offsets } }) => countsOf(offsets))) // [E]
    const probable = average(routings.map(({ probabilities }) => mean(probabilities, 0))) // [E]
    return mul(sum(mul(assigned, probable)), count / rows)
  })
}

function average(values: readonly Tensor[]): Tensor {
  return mul(
    values.reduce((total, value) => add(total, value)),
    1 / values.length,
  )
}

/** How many rows each group has, f32 [E]. */
function countsOf(offsets: Tensor): Tensor {
  const places = toFloat(offsets) // [E + 1]
  const count = offsets.shape[0]! - 1
  return sub(slice(places, 0, 1, count + 1), slice(places, 0, 0, count))
}
