/** Puts the steps in an order in which they can run, as close to the order of the program as dependencies allow. */
import type { PlanGraph, PlanNode } from './node.ts'
import { basesOf, nodesOf, operandsOf, type Step } from './steps.ts'

export function schedule(graph: PlanGraph, steps: readonly Step[]): Step[] {
  const makers = new Map<PlanNode, Step[]>()
  for (const step of steps) {
    for (const node of nodesOf(step)) {
      const known = makers.get(node)
      if (known) known.push(step)
      else makers.set(node, [step])
    }
  }
  const waitsFor = new Map<Step, Set<Step>>()
  for (const step of steps) {
    const before = new Set(basesOf(step).flatMap((base) => makers.get(base) ?? []))
    // The background of a pad comes before what is copied onto it.
    if (step.kind === 'form') for (const other of makers.get(step.node)!) if (other.kind === 'zero') before.add(other)
    before.delete(step)
    waitsFor.set(step, before)
  }
  const places = new Map(steps.map((step) => [step, placeOf(step)]))
  const byPlace = (a: Step, b: Step): number => places.get(a)! - places.get(b)!
  const order: Step[] = []
  const done = new Set<Step>()
  const active = new Set<Step>()
  const visit = (step: Step): void => {
    if (done.has(step)) return
    if (active.has(step))
      throw new Error(`plan ${graph.name}: the step of ${nodesOf(step)[0]!.op.name} waits for itself`)
    active.add(step)
    const waited = [...waitsFor.get(step)!].filter((before) => !done.has(before))
    for (const before of waited.toSorted(byPlace)) visit(before)
    done.add(step)
    order.push(step)
  }
  for (const step of steps.toSorted(byPlace)) visit(step)
  return order
}

/**
 * A step's place in the program is that of its last node; but a sum over many rows comes as soon as it can, while what it
 * reads is in the cache, so that this need not be kept for it.
 */
function placeOf(step: Step): number {
  const sums = step.kind === 'column' || (step.kind === 'fused' && step.results.length === 0)
  if (sums) return Math.max(...operandsOf(step).map((node) => node.id)) + 0.5
  return Math.max(...(step.kind === 'fused' ? step.nodes : nodesOf(step)).map((node) => node.id))
}
