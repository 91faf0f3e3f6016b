/** The plan's own op: a plain copy, made where a layout does not suit its reader. */
import type { OpRow, Tensor } from '../ops/row.ts'

export const copyRow: OpRow = {
  name: 'copy',
  infer: (inputs) => inputs[0]!,
  evaluate: ([input], _, output) => output.data.set(input!.data),
  lowering: { kind: 'elementwise', cost: 1, emit: (_, [x]) => x! },
  gradient: { none: 'made by the plan, after differentiation' },
  flops: () => 0,
  samples: [],
}

/** A copy of a tensor, without gaps, in storage of its own. */
export function elementwiseCopy(input: Tensor): Tensor {
  const { dtype, shape, scope } = input
  return { id: input.id, op: copyRow, inputs: [input], attributes: {}, dtype, shape, scope }
}
