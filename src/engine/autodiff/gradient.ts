/** Reverse-mode differentiation: a walk over the rows' gradient rules, and the sums that join their results. */
import { atScope, GRADIENT_SCOPE } from '../ir/scope.ts'
import { sameShape, type Shape } from '../ir/node.ts'
import { add } from '../ops/elementwise.ts'
import { concat } from '../ops/join.ts'
import { constant } from '../ops/leaf.ts'
import { reshape, zeros } from '../ops/movement.ts'
import { sum } from '../ops/reduce.ts'
import type { PartialGradient, Tensor } from '../ops/row.ts'
import { describeTensor, describeType } from '../ir/describe.ts'
import { ancestors } from '../ir/order.ts'

type Contribution = Tensor | PartialGradient
type Region = Extract<PartialGradient, { kind: 'region' }>

/**
 * dLoss/dTensor for each of `wrt`, which may be leaves or intermediate tensors. `loss` is an f32 scalar, shape [].
 *
 * Gradient nodes are traced in the scope `gradient.<scope of the forward node>`. Throws where the loss is not a scalar,
 * an op on the way has no gradient, or the loss does not depend on one of `wrt`.
 */
export function gradient(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.dtype !== 'f32' || loss.shape.length !== 0) {
    throw new Error(`gradient: the loss is ${describeType(loss)}; it must be f32[]: take its sum or mean`)
  }
  const path = nodesBetween(loss, wrt)
  const contributions = new Map<Tensor, Contribution[]>([[loss, [atScope(GRADIENT_SCOPE, () => constant(1))]]])
  const gradients = new Map<Tensor, Tensor>()
  for (const node of [...path].toReversed()) {
    const parts = contributions.get(node)
    if (!parts) continue
    atScope(node.scope === '' ? GRADIENT_SCOPE : `${GRADIENT_SCOPE}.${node.scope}`, () => {
      const total = join(node, parts)
      gradients.set(node, total)
      propagate(node, total, path, contributions)
    })
  }
  return wrt.map((tensor) => {
    const found = gradients.get(tensor)
    if (found) return found
    throw new Error(`gradient: the loss does not depend differentiably on ${describeTensor(tensor)}`)
  })
}

/**
 * The nodes, in creation order, that depend on one of `wrt` and that the loss depends on. What is computed from integers
 * does not: a choice or a count is constant almost everywhere, whatever it was made from.
 */
function nodesBetween(loss: Tensor, wrt: readonly Tensor[]): Set<Tensor> {
  const dependent = new Set<Tensor>()
  for (const tensor of ancestors([loss])) {
    const isMade = tensor.dtype === 'f32' && tensor.inputs.some((input) => dependent.has(input))
    if (isMade || wrt.includes(tensor)) dependent.add(tensor)
  }
  return dependent
}

function propagate(
  node: Tensor,
  total: Tensor,
  path: ReadonlySet<Tensor>,
  contributions: Map<Tensor, Contribution[]>,
): void {
  if (!node.inputs.some((input) => path.has(input))) return
  const rule = node.op.gradient
  if (typeof rule !== 'function') {
    throw new Error(`gradient: the loss depends on ${describeTensor(node)}, which has no gradient: ${rule.none}`)
  }
  const results = rule({ inputs: node.inputs, output: node, gradient: total, attributes: node.attributes })
  node.inputs.forEach((input, k) => {
    const result = results[k]
    if (!result || !path.has(input)) return
    const known = contributions.get(input)
    if (known) known.push(result)
    else contributions.set(input, [result])
  })
}

/** Adds up the gradients that reached a node from its users: whole ones, then regions, then accumulations. */
function join(node: Tensor, parts: readonly Contribution[]): Tensor {
  const whole: Tensor[] = []
  const regions: Region[] = []
  const accumulations: Extract<PartialGradient, { kind: 'accumulate' }>[] = []
  for (const part of parts) {
    if (!('kind' in part)) whole.push(sumToShape(part, node.shape))
    else if (part.kind === 'region') regions.push(part)
    else accumulations.push(part)
  }
  whole.push(...joinRegions(regions, node.shape))
  const [first, ...rest] = whole
  const sumOfWhole = first ? rest.reduce((total, part) => add(total, part), first) : zeros(node.shape)
  return accumulations.reduce((total, part) => part.onto(total), sumOfWhole)
}

/** Sums a gradient over the axes along which its input was broadcast. */
function sumToShape(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) return gradient
  const missing = gradient.shape.length - shape.length
  const axes = gradient.shape.flatMap((size, axis) => (size !== (shape[axis - missing] ?? 1) ? [axis] : []))
  return reshape(axes.length === 0 ? gradient : sum(gradient, axes, { keepDims: true }), shape)
}

/** Lays regions that do not overlap side by side along their axis, with zeros in the gaps: one tensor per such row. */
function joinRegions(regions: readonly Region[], shape: Shape): Tensor[] {
  const rows: Region[][] = []
  for (const region of regions.toSorted((a, b) => a.axis - b.axis || a.start - b.start)) {
    const row = rows.find((placed) => placed[0]!.axis === region.axis && endOf(placed.at(-1)!) <= region.start)
    if (row) row.push(region)
    else rows.push([region])
  }
  return rows.map((row) => {
    const { axis } = row[0]!
    const tiles: Tensor[] = []
    let at = 0
    for (const region of row) {
      if (region.start > at) tiles.push(zeros(shape.with(axis, region.start - at)))
      tiles.push(region.value)
      at = endOf(region)
    }
    if (at < shape[axis]!) tiles.push(zeros(shape.with(axis, shape[axis]! - at)))
    return concat(tiles, axis)
  })
}

function endOf(region: Region): number {
  return region.start + region.value.shape[region.axis]!
}
