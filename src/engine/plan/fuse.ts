/** Groups nodes into steps: as much elementwise work and as many row reductions per pass over memory as the data allow. */
import { sameShape, type Shape } from '../ir/node.ts'
import { isGradientScope } from '../ir/scope.ts'
import { NodeTable, usersOf, type PlanGraph, type PlanNode } from './node.ts'
import { rideColumns } from './rideColumns.ts'
import type { ColumnStep, Step } from './steps.ts'

/** A kernel with more operands than this spends its time on addresses. */
const mostOperands = 28

interface Group {
  readonly space: Shape
  readonly nodes: readonly PlanNode[]
  /** What they read of other groups; constants lie in the kernel. */
  readonly operands: ReadonlySet<PlanNode>
}

/** The steps of a graph, in no particular order. Views, leaves and constants belong to none. */
export function fuse(graph: PlanGraph): Step[] {
  const columns = columnSteps(graph)
  const fusion = new Fusion(columns, graph)
  for (const node of graph.nodes) fusion.add(node)
  const results = resultTest(graph, fusion)
  const steps: Step[] = [...columns]
  for (const group of fusion.groups()) {
    const { space, nodes } = group
    steps.push({ kind: 'fused', space, nodes, results: nodes.filter((node) => results(node)), columns: [] })
  }
  for (const node of graph.nodes) if (node.op.lowering.kind === 'form') steps.push(...formSteps(node))
  return rideColumns(steps, mostOperands)
}

/** Whether a node is needed outside its group. */
function resultTest(graph: PlanGraph, fusion: Fusion): (node: PlanNode) => boolean {
  const users = usersOf(graph)
  const roots = new Set([...graph.outputs.values(), ...graph.updates.values()])
  return (node) => roots.has(node) || users.get(node)!.some((user) => fusion.unitOf(user) !== fusion.unitOf(node))
}

/** Pads and concatenations are copies into regions of their storage. */
function formSteps(node: PlanNode): Step[] {
  const { lowering } = node.op
  if (lowering.kind !== 'form' || (lowering.form !== 'pad' && lowering.form !== 'concat'))
    return [{ kind: 'form', node }]
  return lowering.form === 'pad'
    ? [
        { kind: 'zero', node },
        { kind: 'form', node },
      ]
    : [{ kind: 'form', node }]
}

function isLastAxisReduce(node: PlanNode): boolean {
  return node.op.lowering.kind === 'reduce' && node.attributes['axis'] === node.shape.length - 1
}

function columnSteps(graph: PlanGraph): ColumnStep[] {
  const users = usersOf(graph)
  const roots = new Set([...graph.outputs.values(), ...graph.updates.values()])
  return graph.nodes
    .filter((node) => node.op.lowering.kind === 'reduce' && !isLastAxisReduce(node))
    .map((reduce) => {
      const mine = new Set<PlanNode>([reduce])
      const space = reduce.inputs[0]!.shape
      // From the reduction backwards: what only it needs, element by element. A node's readers come after it.
      const pending = new Set(reduce.inputs)
      while (pending.size > 0) {
        const node = [...pending].reduce((last, other) => (other.id > last.id ? other : last))
        pending.delete(node)
        if (node.op.lowering.kind !== 'elementwise' || roots.has(node) || !sameShape(node.shape, space)) continue
        if (!users.get(node)!.every((user) => mine.has(user))) continue
        mine.add(node)
        for (const input of node.inputs) pending.add(input)
      }
      mine.delete(reduce)
      return { kind: 'column', reduce, nodes: [...mine].toSorted((a, b) => a.id - b.id) }
    })
}

class Fusion {
  readonly #unit = new NodeTable<ColumnStep | Group>()
  readonly #nodes: readonly PlanNode[]
  readonly #recomputed: ReadonlySet<PlanNode>
  readonly #delayed: ReadonlySet<PlanNode>

  constructor(columns: readonly ColumnStep[], { nodes, recomputed, delayed }: PlanGraph) {
    for (const step of columns) for (const node of [...step.nodes, step.reduce]) this.#unit.set(node, step)
    this.#nodes = nodes
    this.#recomputed = recomputed ?? new Set()
    this.#delayed = delayed ?? new Set()
  }

  /** The group, column step or node itself that computes a node. */
  unitOf(node: PlanNode): ColumnStep | Group | PlanNode {
    return this.#unit.get(node) ?? node
  }

  groups(): Set<Group> {
    const units = this.#nodes.map((node) => this.unitOf(node))
    return new Set(units.filter((unit): unit is Group => isGroup(unit)))
  }

  /** Gives a node a group: that of an input, or one of its own. What is computed again for a reader waits for it. */
  add(node: PlanNode): void {
    if (this.#unit.get(node)) this.#addRecomputed(node)
    else if (!this.#recomputed.has(node)) this.#add(node)
  }

  /** What is computed again for a node of a column step and is no part of that. */
  #addRecomputed(node: PlanNode): void {
    for (const input of node.inputs) if (this.#recomputed.has(input)) this.#add(input)
  }

  #add(node: PlanNode): void {
    if (this.#unit.get(node)) return
    const reduces = isLastAxisReduce(node)
    if (!reduces && node.op.lowering.kind !== 'elementwise') return
    const space = reduces ? node.inputs[0]!.shape : node.shape
    let home = this.#group(space, this.#withRecomputed(node, space))
    for (const input of home.nodes.flatMap((member) => member.inputs)) {
      const other = this.#unit.get(input)
      if (!other || !isGroup(other) || other === home || this.#areApart(home, other)) continue
      const merged = this.#mergedSpace(home, other)
      if (!merged || !this.#fitTogether(home, other) || this.#wouldCycle(home, other)) continue
      home = this.#merge(home, other, merged)
    }
  }

  /** Whether one group waits for the backward pass and the other does not. */
  #areApart(a: Group, b: Group): boolean {
    if (this.#delayed.size === 0) return false
    const waits = ({ nodes }: Group): boolean => nodes.some((node) => this.#delayed.has(node))
    const early = ({ nodes }: Group): boolean =>
      nodes.some((node) => !isGradientScope(node.scope) && !this.#delayed.has(node) && !this.#recomputed.has(node))
    return (waits(a) && early(b)) || (waits(b) && early(a))
  }

  /** A node behind those that are computed again for it, in order. One of another shape gets a group like any other. */
  #withRecomputed(node: PlanNode, space: Shape): PlanNode[] {
    const nodes = [node]
    for (const input of node.inputs) {
      if (!this.#recomputed.has(input) || this.#unit.get(input)) continue
      const fits = sameShape(input.shape, space) || isRowsOf(input.shape, space)
      if (fits && input.op.lowering.kind === 'elementwise') nodes.push(...this.#withRecomputed(input, space))
      else this.#add(input)
    }
    return nodes.length === 1 ? nodes : [...new Set(nodes)].toSorted((x, y) => x.id - y.id)
  }

  #group(space: Shape, nodes: readonly PlanNode[]): Group {
    const operands = new Set<PlanNode>()
    const group: Group = { space, nodes, operands }
    for (const node of nodes) this.#unit.set(node, group)
    for (const { inputs } of nodes) {
      for (const input of inputs) {
        if (this.#unit.get(input) !== group && !('value' in input.attributes)) operands.add(input)
      }
    }
    return group
  }

  #merge(a: Group, b: Group, space: Shape): Group {
    const nodes: PlanNode[] = []
    for (let i = 0, j = 0; i < a.nodes.length || j < b.nodes.length;) {
      const x = a.nodes[i]
      const y = b.nodes[j]
      if (y === undefined || (x !== undefined && x.id < y.id)) nodes.push(a.nodes[i++]!)
      else nodes.push(b.nodes[j++]!)
    }
    return this.#group(space, nodes)
  }

  /** The space two groups can share: equal spaces, or one group's nodes are per row of the other's. */
  #mergedSpace(a: Group, b: Group): Shape | undefined {
    if (sameShape(a.space, b.space)) return a.space
    if (isRowsOf(a.space, b.space)) return b.space
    if (isRowsOf(b.space, a.space)) return a.space
    return undefined
  }

  /** Whether two groups together read few enough operands. */
  #fitTogether(a: Group, b: Group): boolean {
    if (a.operands.size + b.operands.size <= mostOperands) return true
    const operands = new Set([...a.operands, ...b.operands])
    const isOutside = (node: PlanNode): boolean => this.#unit.get(node) !== a && this.#unit.get(node) !== b
    return [...operands].filter(isOutside).length <= mostOperands
  }

  /** Whether a value would leave the merged groups and come back: then neither could be computed first. */
  #wouldCycle(a: Group, b: Group): boolean {
    const earliest = Math.min(a.nodes[0]!.id, b.nodes[0]!.id)
    const seen = new Set<object>()
    const pending = [...a.operands, ...b.operands].filter((node) => this.unitOf(node) !== a && this.unitOf(node) !== b)
    for (let node = pending.pop(); node; node = pending.pop()) {
      const unit = this.unitOf(node)
      if (unit === a || unit === b) return true
      if (seen.has(unit)) continue
      seen.add(unit)
      const members = isGroup(unit) ? unit.nodes : isColumn(unit) ? [...unit.nodes, unit.reduce] : [node]
      // Units that end before the merged groups begin cannot depend on them.
      if (members.at(-1)!.id < earliest) continue
      for (const member of members) pending.push(...member.inputs)
    }
    return false
  }
}

function isGroup(unit: object): unit is Group {
  return 'space' in unit
}
function isColumn(unit: object): unit is ColumnStep {
  return 'reduce' in unit
}

/** Whether `rows` is `space` with a last axis of 1. */
function isRowsOf(rows: Shape, space: Shape): boolean {
  return (
    rows.length === space.length &&
    rows.at(-1) === 1 &&
    space.at(-1) !== 1 &&
    sameShape(rows.slice(0, -1), space.slice(0, -1))
  )
}
