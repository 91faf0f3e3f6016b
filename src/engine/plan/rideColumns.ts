/**
 * Sums down the columns of a matrix (the gradients of biases and gains) join the pass over its rows that reads or makes the
 * same elements: each block of rows adds to sums of its own on the way, so that nothing is read a second time.
 */
import { sameShape, sizeOf, type Shape } from '../ir/node.ts'
import { resolve } from './layouts.ts'
import type { PlanNode } from './node.ts'
import { basesOf, nodesOf, operandsOf, type ColumnStep, type FusedStep, type Step } from './steps.ts'

/** Fewer rows are summed as fast by columns. */
const fewestRows = 64
/** So many elements are worth a pass over rows of their own, with a launch for what the blocks leave, if there is none to join. */
const worthAPass = 2 ** 18

/** Gives column steps to fused steps where they can, or makes fused steps of them. */
export function rideColumns(steps: readonly Step[], mostOperands: number): Step[] {
  const riding = new Riding(steps, mostOperands)
  for (const step of steps) if (step.kind === 'column' && canRide(step)) riding.place(step)
  return riding.steps()
}

/** A sum over all rows of a matrix. */
function canRide({ reduce }: ColumnStep): boolean {
  const { lowering } = reduce.op
  const { shape } = reduce.inputs[0]!
  return (
    lowering.kind === 'reduce' &&
    lowering.combine === 'add' &&
    shape.length === 2 &&
    shape[0]! >= fewestRows &&
    reduce.attributes['axis'] === 0
  )
}

class Riding {
  readonly #steps: Set<Step>
  readonly #mostOperands: number
  readonly #makers = new Map<PlanNode, Step[]>()
  /** Fused steps by their space. */
  readonly #hosts = new Map<string, Set<FusedStep>>()
  readonly #places = new Map<PlanNode, string>()
  /** Where the operands of a step are. */
  readonly #read = new Map<Step, ReadonlySet<string>>()

  constructor(steps: readonly Step[], mostOperands: number) {
    this.#steps = new Set(steps)
    this.#mostOperands = mostOperands
    for (const step of steps) this.#add(step)
  }

  steps(): Step[] {
    return [...this.#steps]
  }

  place(column: ColumnStep): void {
    const { shape } = column.reduce.inputs[0]!
    const host = [...this.#hostsOf(shape)].find((step) => this.#fits(step, column))
    if (host) this.#replace([host, column], join(host, column))
    else if (sizeOf(shape) >= worthAPass) {
      this.#replace([column], join({ kind: 'fused', space: shape, nodes: [], results: [], columns: [] }, column))
    }
  }

  #hostsOf(space: Shape): Set<FusedStep> {
    const key = space.join()
    const hosts = this.#hosts.get(key) ?? new Set()
    this.#hosts.set(key, hosts)
    return hosts
  }

  /** Whether a host of the sum's space reads or makes all the matrices that the sum needs, and neither waits for the other. */
  #fits(host: FusedStep, column: ColumnStep): boolean {
    const mine = this.#readBy(host)
    const isMine = (operand: PlanNode): boolean =>
      !sameShape(operand.shape, host.space) || mine.has(this.#placeOf(operand))
    // Most hosts fail here, before anything is joined.
    if (!operandsOf(column).every((operand) => host.nodes.includes(operand) || isMine(operand))) return false
    const joined = join(host, column)
    const operands = operandsOf(joined)
    if (operands.length > this.#mostOperands) return false
    return operands.every(isMine) && !this.#waits(joined, [host, column])
  }

  #readBy(step: Step): ReadonlySet<string> {
    const known = this.#read.get(step) ?? new Set(operandsOf(step).map((operand) => this.#placeOf(operand)))
    this.#read.set(step, known)
    return known
  }

  /** Equal for operands that are the same elements in the same layout. */
  #placeOf(operand: PlanNode): string {
    let place = this.#places.get(operand)
    if (place === undefined) {
      const { base, layout } = resolve(operand)
      place = `${base.id} ${layout.offset} ${layout.shape.join()} ${layout.strides.join()}`
      this.#places.set(operand, place)
    }
    return place
  }

  /** Whether what the joined step reads needs one of its parts, or lies in another layout in what they make. */
  #waits(joined: FusedStep, parts: readonly Step[]): boolean {
    const first = Math.min(...nodesOf(joined).map(({ id }) => id))
    const seen = new Set<Step>()
    const pending: Step[] = [joined]
    for (let step = pending.pop(); step; step = pending.pop()) {
      for (const base of basesOf(step)) {
        for (const maker of this.#makers.get(base) ?? []) {
          if (parts.includes(maker)) return true
          if (seen.has(maker)) continue
          seen.add(maker)
          // Steps that end before the joined one begins cannot need it.
          if (nodesOf(maker).some(({ id }) => id >= first)) pending.push(maker)
        }
      }
    }
    return false
  }

  #replace(old: readonly Step[], by: FusedStep): void {
    for (const step of old) {
      this.#steps.delete(step)
      if (step.kind === 'fused') this.#hostsOf(step.space).delete(step)
      for (const node of nodesOf(step)) {
        this.#makers.set(
          node,
          this.#makers.get(node)!.filter((maker) => maker !== step),
        )
      }
    }
    this.#steps.add(by)
    this.#add(by)
  }

  #add(step: Step): void {
    for (const node of nodesOf(step)) {
      const known = this.#makers.get(node)
      if (known) known.push(step)
      else this.#makers.set(node, [step])
    }
    if (step.kind === 'fused') this.#hostsOf(step.space).add(step)
  }
}

function join(host: FusedStep, { nodes, reduce }: ColumnStep): FusedStep {
  const all = [...new Set([...host.nodes, ...nodes])].toSorted((a, b) => a.id - b.id)
  return { ...host, nodes: all, columns: [...host.columns, reduce] }
}
