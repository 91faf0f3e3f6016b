/** Bytes that training holds, by what for; an estimate for one device that holds everything. */
import { parameterCount, totalParameters } from '../nn/parameter.ts'
import type { StepSetup } from '../train/index.ts'
import { isMultiplied } from './flops.ts'

/** `bf16`: weights are copied to bf16 for the products and activations kept in it; the rest stays fp32. */
export type Precision = 'fp32' | 'bf16'
export const precisions: readonly Precision[] = ['fp32', 'bf16']

export interface MemoryPlan {
  readonly precision: Precision
  /** All in bytes. fp32 weights, and under bf16 their copies. */
  readonly weights: number
  /** One fp32 number for each trained weight. */
  readonly gradients: number
  /** The optimizer's state, fp32. */
  readonly optimizer: number
  /** What the forward pass leaves for the backward pass of one batch, nothing recomputed. */
  readonly activations: number
  readonly total: number
}

const BYTES: Readonly<Record<Precision, number>> = { fp32: 4, bf16: 2 }
const SINGLE = 4

/** Of a step on one batch; batches of an accumulated step follow one another and need no more. */
export function memoryOf(step: StepSetup, precision: Precision): MemoryPlan {
  const { parameters, optimizer, batchSize, sequenceLength } = step
  const trained = parameters.filter(({ frozen }) => frozen !== true)
  const copies = precision === 'fp32' ? 0 : BYTES[precision] * totalParameters(parameters.filter(isMultiplied))
  const states = optimizer.init(parameters).reduce((sum, { shape }) => sum + parameterCount(shape), 0)
  const weights = SINGLE * totalParameters(parameters) + copies
  const gradients = SINGLE * totalParameters(trained)
  const activations = batchSize * sequenceLength * activationBytesPerToken(step, precision)
  const memory = { weights, gradients, optimizer: SINGLE * states, activations }
  return { precision, ...memory, total: Object.values(memory).reduce((sum, part) => sum + part, 0) }
}

/**
 * Every product's result and, where it is not the residual stream, its other factor; each norm's result; the residual
 * stream twice a block; all in the operands' precision. The logits and their gradient are fp32. Attention keeps no
 * scores: they are computed again.
 */
function activationBytesPerToken({ parameters, config }: StepSetup, precision: Precision): number {
  let kept = 2 * config.layers * config.width
  let logits = 0
  for (const spec of parameters) {
    const { role, shape, activeShare = 1 } = spec
    if (role === 'gain') kept += config.width
    if (!isMultiplied(spec)) continue
    const [from, to] = shape.slice(-2) as [number, number]
    if (role === 'embedding' || role === 'head') {
      logits += 2 * Math.max(from, to)
      continue
    }
    const stacked = shape.slice(0, -2).reduce((product, size) => product * size, 1) * activeShare
    kept += stacked * (to + (from === config.width ? 0 : from))
  }
  return kept * BYTES[precision] + logits * SINGLE
}
