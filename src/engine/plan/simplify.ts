/** Rewrites on the graph before fusion: compositions are expanded, repetition removed, detours through views cut short. */
import { attributesKey, sameShape } from '../ir/node.ts'
import type { Tensor } from '../ops/row.ts'
import { addRow } from '../ops/elementwise.ts'
import { concat, padRow } from '../ops/join.ts'
import { matmulRow } from '../ops/matmul.ts'
import { broadcastToRow, reshape, transpose, transposeRow } from '../ops/movement.ts'
import { broadcastShapes } from '../ops/shape.ts'
import { createTensor } from '../ops/create.ts'
import { rewrite, usersOf, type PlanGraph, type PlanNode } from './node.ts'

/** Replaces composed ops by simpler ones, and those they are made of, until none is left. */
export function expandCompositions(graph: PlanGraph): PlanGraph {
  return rewrite(graph, (node, inputs) => (isComposed(node) ? expand(node, inputs, node.scope) : undefined), isComposed)
}

function isComposed({ op }: Tensor): boolean {
  return op.lowering.kind === 'compose'
}

/** What a composed op stands for, in one scope. */
function expand({ op: { lowering }, attributes }: Tensor, inputs: readonly Tensor[], scope: string): Tensor {
  if (lowering.kind !== 'compose') throw new Error('plan: only composed ops are expanded')
  const known = new Map<Tensor, Tensor>(inputs.map((input) => [input, input]))
  const visit = (tensor: Tensor): Tensor => {
    const done = known.get(tensor)
    if (done) return done
    const own = tensor.inputs.map(visit)
    const made = isComposed(tensor) ? expand(tensor, own, scope) : { ...tensor, scope, inputs: own }
    known.set(tensor, made)
    return made
  }
  return visit(lowering.compose(inputs, attributes))
}

/** One node for equal ops on equal inputs. */
export function shareCommon(graph: PlanGraph): PlanGraph {
  const known = new Map<string, PlanNode>()
  return rewrite(graph, (node, inputs) => {
    let key = `${node.op.name} ${node.shape.join()} ${attributesKey(node.attributes)}`
    for (const input of inputs) key += ` ${input.id}`
    const twin = known.get(key)
    if (!twin) known.set(key, node)
    return twin
  })
}

function axisOf(node: PlanNode): number {
  return node.attributes['axis'] as number
}

/** Whether a reduction is over one element, or only axes of one element follow its own. */
function reducesNearlyNothing(node: PlanNode): boolean {
  if (node.op.lowering.kind !== 'reduce') return false
  const { shape } = node.inputs[0]!
  const axis = axisOf(node)
  return shape[axis] === 1 || (axis < shape.length - 1 && shape.slice(axis + 1).every((size) => size === 1))
}

/** A reduction whose later axes are all of size 1 is one over the last axis; one over a single element is none. */
export function reduceLast(graph: PlanGraph): PlanGraph {
  return rewrite(
    graph,
    (node, inputs) => {
      if (!reducesNearlyNothing(node)) return undefined
      const { shape } = inputs[0]!
      const axis = axisOf(node)
      if (shape[axis] === 1) return inputs[0]
      const flat = reshape(inputs[0]!, shape.slice(0, axis + 1))
      return reshape(createTensor(node.op, [flat], { ...node.attributes, axis }), node.shape)
    },
    reducesNearlyNothing,
  )
}

/** Elementwise ops broadcast by themselves: a broadcast before one is skipped where its shape comes out the same. */
export function skipBroadcasts(graph: PlanGraph): PlanGraph {
  return rewrite(
    graph,
    (node, inputs) => {
      if (node.op.lowering.kind !== 'elementwise' || !inputs.some(isBroadcast)) return undefined
      let current = inputs.slice()
      for (const [k, input] of inputs.entries()) {
        if (!isBroadcast(input)) continue
        const candidate = current.with(k, input.inputs[0]!)
        const shape = broadcastShapes(
          node.op.name,
          candidate.map((x) => x.shape),
        )
        if (sameShape(shape, node.shape)) current = candidate
      }
      return current.every((input, k) => input === inputs[k]) ? undefined : { ...node, inputs: current }
    },
    isBroadcast,
  )
}

function isBroadcast(node: PlanNode): boolean {
  return node.op === broadcastToRow
}

/** A sum of pads that together cover an axis is a concatenation: the gradient of cutting a tensor in pieces. */
export function padsToConcat(graph: PlanGraph): PlanGraph {
  const users = usersOf(graph)
  return rewrite(
    graph,
    (node, inputs) => {
      if (!isAdd(node) || users.get(node)!.some(isAdd)) return undefined
      const pieces = padsUnder(inputs)
      if (!pieces || pieces.length < 2) return undefined
      const axis = pieces[0]!.attributes['axis'] as number
      const ordered = pieces.toSorted((a, b) => before(a) - before(b))
      let at = 0
      for (const piece of ordered) {
        if (piece.attributes['axis'] !== axis || before(piece) !== at) return undefined
        at += piece.inputs[0]!.shape[axis]!
      }
      if (at !== node.shape[axis]) return undefined
      return concat(
        ordered.map((piece) => piece.inputs[0]!),
        axis,
      )
    },
    (node) => node.op === padRow,
  )
}

const isAdd = (node: Tensor): boolean => node.op === addRow
const before = (pad: Tensor): number => pad.attributes['before'] as number

/** The pads that a tree of additions sums, or undefined where it sums anything else. */
function padsUnder(tensors: readonly Tensor[]): Tensor[] | undefined {
  const pads: Tensor[] = []
  for (const tensor of tensors) {
    if (tensor.op === padRow) pads.push(tensor)
    else if (tensor.op === addRow) {
      const inner = padsUnder(tensor.inputs)
      if (!inner) return undefined
      pads.push(...inner)
    } else return undefined
  }
  return pads
}

/** (A B)ᵀ = Bᵀ Aᵀ: the product is written transposed instead of being transposed afterwards. */
export function transposeProducts(graph: PlanGraph): PlanGraph {
  const users = usersOf(graph)
  return rewrite(
    graph,
    (node, inputs) => {
      const [product] = inputs
      if (node.op !== transposeRow || product?.op !== matmulRow) return undefined
      if (users.get(node.inputs[0]!)!.length > 1) return undefined
      const permutation = node.attributes['permutation'] as readonly number[]
      const rank = permutation.length
      const swapsLast = permutation.every(
        (axis, k) => axis === (k < rank - 2 ? k : k === rank - 2 ? rank - 1 : rank - 2),
      )
      if (!swapsLast) return undefined
      const [a, b] = product.inputs
      return createTensor(matmulRow, [transpose(b!), transpose(a!)], product.attributes)
    },
    (node) => node.op === transposeRow,
  )
}
