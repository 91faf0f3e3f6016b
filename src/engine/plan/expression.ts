/**
 * A fused expression, free of tensors and storage: a list of loads, and of nodes over loads and earlier nodes. Two steps
 * with equal expressions share one kernel.
 */
import { attributesKey, type Attributes, type DType, type Shape } from '../ir/node.ts'
import type { OpRow } from '../ops/row.ts'

export interface Load {
  readonly dtype: DType
  /** Elements to the next place along each axis of the space; 0 where broadcast. */
  readonly strides: readonly number[]
}

/** An operand is a load (index below loads.length), or node number `index - loads.length`. */
export type OperandIndex = number

export interface ExpressionNode {
  readonly op: OpRow
  readonly attributes: Attributes
  readonly inputs: readonly OperandIndex[]
  readonly dtype: DType
  /** One value per row instead of one per element. */
  readonly perRow: boolean
}

export interface Store {
  /** Node number (not operand index). */
  readonly node: number
  readonly strides: readonly number[]
}

export interface Expression {
  readonly space: Shape
  readonly loads: readonly Load[]
  readonly nodes: readonly ExpressionNode[]
  readonly stores: readonly Store[]
}

/** Equal for expressions that compile to the same kernel. */
export function expressionKey(expression: Expression): string {
  const { space, loads, nodes, stores } = expression
  let key = space.join()
  for (const { dtype, strides } of loads) key += ` ${dtype} ${strides.join()}`
  for (const { op, attributes, inputs, perRow } of nodes) {
    key += ` | ${op.name} ${attributesKey(attributes)} ${inputs.join()} ${perRow}`
  }
  for (const { node, strides } of stores) key += ` > ${node} ${strides.join()}`
  return key
}

export function isReduction(node: ExpressionNode): boolean {
  return node.op.lowering.kind === 'reduce'
}

export interface CollapsedExpression extends Expression {
  /** For each axis of the new space, the old axes that it stands for. */
  readonly groups: readonly (readonly number[])[]
}

/**
 * Merges neighbouring axes that every load and store walks as one, so that the loops are as few and as long as can be.
 * The axes in `apart` are left alone (they are reduced, or their index matters). Other axes of size 1 vanish.
 */
export function collapse(expression: Expression, apart: readonly number[]): CollapsedExpression {
  const strided = [...expression.loads, ...expression.stores]
  const groups: number[][] = []
  for (const [axis, size] of expression.space.entries()) {
    if (size === 1 && !apart.includes(axis)) continue
    const previous = groups.at(-1)?.at(-1)
    const mergeable =
      previous !== undefined &&
      !apart.includes(axis) &&
      !apart.includes(previous) &&
      strided.every(({ strides }) => strides[previous] === strides[axis]! * size)
    if (mergeable) groups.at(-1)!.push(axis)
    else groups.push([axis])
  }
  if (groups.length === 0) groups.push([])
  const space = groups.map((group) => group.reduce((product, axis) => product * expression.space[axis]!, 1))
  const merge = <T extends { readonly strides: readonly number[] }>(item: T): T => ({
    ...item,
    strides: groups.map((group) => (group.length === 0 ? 0 : item.strides[group.at(-1)!]!)),
  })
  return { ...expression, space, loads: expression.loads.map(merge), stores: expression.stores.map(merge), groups }
}
