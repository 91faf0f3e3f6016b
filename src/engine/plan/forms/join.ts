/** Concatenations and pads: copies into regions of the result. */
import { contiguous } from '../../ir/layout.ts'
import type { Form } from '../launchSpec.ts'

export const concatForm: Form = {
  accepts: () => true,
  lower: (context) => {
    const { node, operands } = context
    const axis = node.attributes['axis'] as number
    const stride = contiguous(node.shape).strides[axis]!
    let start = 0
    for (const [k, operand] of operands.entries()) {
      context.copy(k, start * stride)
      start += operand.layout.shape[axis]!
    }
  },
}

/** The zeros are a step of their own, before this one. */
export const padForm: Form = {
  accepts: () => true,
  lower: (context) => {
    const { axis, before } = context.node.attributes as { axis: number; before: number }
    context.copy(0, before * contiguous(context.node.shape).strides[axis]!)
  },
}
