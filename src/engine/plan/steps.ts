/** What a step of the plan is, between the graph and its kernels. */
import type { Shape } from '../ir/node.ts'
import { resolve } from './layouts.ts'
import type { PlanNode } from './node.ts'

/**
 * Elementwise ops and reductions over the last axis, computed together row by row. `space` is the shape they share; a
 * node is either full (the space) or per row (the space with a last axis of 1).
 */
export interface FusedStep {
  readonly kind: 'fused'
  readonly space: Shape
  readonly nodes: readonly PlanNode[]
  /** Those of `nodes` that others need. */
  readonly results: readonly PlanNode[]
  /** Sums of full nodes or operands over all rows, of a space [rows, columns]; not among `nodes`. */
  readonly columns: readonly PlanNode[]
}

/** A reduction over an axis that is not the last, with the elementwise ops that only it needs. */
export interface ColumnStep {
  readonly kind: 'column'
  readonly reduce: PlanNode
  /** In order, the reduction's input last; empty if that is in memory already. */
  readonly nodes: readonly PlanNode[]
}

/** A hand-scheduled form. */
export interface FormStep {
  readonly kind: 'form'
  readonly node: PlanNode
}

/** Fills a node's whole storage with zeros: the background of a pad. */
export interface ZeroStep {
  readonly kind: 'zero'
  readonly node: PlanNode
}

export type Step = FusedStep | ColumnStep | FormStep | ZeroStep

/** The nodes whose values a step brings into memory. */
export function resultsOf(step: Step): readonly PlanNode[] {
  if (step.kind === 'fused') return [...step.results, ...step.columns]
  if (step.kind === 'column') return [step.reduce]
  return [step.node]
}

/** The nodes that a step computes. */
export function nodesOf(step: Step): readonly PlanNode[] {
  if (step.kind === 'fused') return [...step.nodes, ...step.columns]
  if (step.kind === 'column') return [...step.nodes, step.reduce]
  return [step.node]
}

/** The nodes of other steps (views and leaves among them) that a step reads. */
export function operandsOf(step: Step): readonly PlanNode[] {
  return readsOf(step).operands
}

/** Those whose storage it reads: its operands, with what views look at in place of the views. */
export function basesOf(step: Step): readonly PlanNode[] {
  return readsOf(step).bases
}

interface Reads {
  readonly operands: readonly PlanNode[]
  readonly bases: readonly PlanNode[]
}

/** Every stage asks for them, and a step never changes. */
const known = new WeakMap<Step, Reads>()

function readsOf(step: Step): Reads {
  let reads = known.get(step)
  if (!reads) {
    const operands = step.kind === 'zero' ? [] : inputsFromOutside(nodesOf(step))
    reads = { operands, bases: [...new Set(operands.map((operand) => resolve(operand).base))] }
    known.set(step, reads)
  }
  return reads
}

function inputsFromOutside(nodes: readonly PlanNode[]): readonly PlanNode[] {
  const inside = new Set(nodes)
  const inputs = new Set<PlanNode>()
  for (const node of nodes) for (const input of node.inputs) if (!inside.has(input)) inputs.add(input)
  return [...inputs]
}
