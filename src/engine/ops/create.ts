/** Makes graph nodes: the one place where a traced tensor is born. */
import { currentScope } from '../ir/scope.ts'
import type { Attributes } from '../ir/node.ts'
import { ShapeError, type OpRow, type Tensor } from './row.ts'

let nextId = 0

/**
 * Applies an op's row to traced tensors. The type comes from the row's `infer`, whose `ShapeError` is extended by the
 * scope in which the op was written.
 */
export function createTensor(op: OpRow, inputs: readonly Tensor[], attributes: Attributes = {}): Tensor {
  const scope = currentScope()
  try {
    const { dtype, shape } = op.infer(inputs, attributes)
    return { id: nextId++, op, inputs, attributes, scope, dtype, shape }
  } catch (error) {
    if (error instanceof ShapeError && scope !== '') throw new ShapeError(`${error.message} (in scope ${scope})`)
    throw error
  }
}
