/**
 * Products in bf16: what an op means whose attribute `precision` is 'bf16'. Its operands are rounded to bf16 numbers before
 * they are multiplied; sums are as precise as ever.
 */
import { roundToBf16 } from '../kernel/bf16.ts'
import type { Attributes } from '../ir/node.ts'
import type { NdArray } from './row.ts'

/** Of the operands of matrix products and attention. Everything else, sums included, is f32 in any case. */
export const precisions = ['fp32', 'bf16'] as const
export type Precision = (typeof precisions)[number]

export function isBf16(attributes: Attributes): boolean {
  return attributes['precision'] === 'bf16'
}

/** What happens to a number that the op computes and then multiplies. */
export function operandRounding(attributes: Attributes): (value: number) => number {
  return isBf16(attributes) ? roundToBf16 : (value) => value
}

/** The operands as the op multiplies them: rounded where it does. */
export function asOperand(operand: NdArray, attributes: Attributes): NdArray {
  if (!isBf16(attributes)) return operand
  return { shape: operand.shape, data: Float32Array.from(operand.data, roundToBf16) }
}
