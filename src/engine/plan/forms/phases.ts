/**
 * Cuts a fused expression into passes over a row. A reduction needs the whole row before its value can be used, so what
 * depends on it waits for the next pass: layer norm takes three (mean, variance, result).
 */
import { isReduction, type Expression } from '../expression.ts'

export interface Phase {
  /** Reductions that this pass accumulates. */
  readonly reductions: readonly number[]
  /** Full nodes that this pass stores as results. */
  readonly stores: readonly number[]
  /** Full nodes that this pass keeps in scratch memory for a later one, being dear to compute again. */
  readonly keeps: readonly number[]
  /** Per-row nodes and broadcast loads (operand indices) that this pass reads. */
  readonly rowOperands: readonly number[]
}

/** From this cost on, a value is kept for the next pass instead of computed again. */
const dear = 6

/**
 * `storeLast`: write no result before the last pass, because a result overwrites what is still to be read. `lastly`:
 * operands that the last pass reads besides.
 */
export function cutPhases(expression: Expression, storeLast: boolean, lastly: readonly number[] = []): Phase[] {
  const { loads, nodes } = expression
  const levels = levelsOf(expression)
  const results = new Set(expression.stores.map((store) => store.node).filter((node) => !nodes[node]!.perRow))
  const reductions = nodes.flatMap((node, k) => (isReduction(node) ? [k] : []))
  const inputLevel = (reduction: number): number => levelOf(levels, loads.length, nodes[reduction]!.inputs[0]!)
  const last = Math.max(
    0,
    ...reductions.map(inputLevel),
    ...[...results].map((node) => levels[node]!),
    ...lastly.map((operand) => levelOf(levels, loads.length, operand)),
  )

  const phases: Phase[] = []
  const atHand = new Set<number>()
  for (let p = 0; p <= last; p++) {
    const mine = reductions.filter((node) => inputLevel(node) === p)
    const roots = mine.map((node) => nodes[node]!.inputs[0]!)
    const reached = closure(expression, roots, atHand)
    const early = storeLast ? [] : [...results].filter((node) => reached.full.has(node) && !atHand.has(node))
    const stores = p === last ? [...results].filter((node) => !atHand.has(node)) : early
    const read = [...roots, ...stores.map((node) => node + loads.length), ...(p === last ? lastly : [])]
    const all = closure(expression, read, atHand)
    const keeps = p === last ? [] : [...all.full].filter((node) => isDear(expression, node) && !results.has(node))
    for (const node of [...stores, ...keeps]) atHand.add(node)
    phases.push({ reductions: mine, stores, keeps, rowOperands: [...all.rows] })
  }
  return phases
}

function isDear(expression: Expression, node: number): boolean {
  const lowering = expression.nodes[node]!.op.lowering
  return lowering.kind === 'elementwise' && lowering.cost >= dear
}

/** How many passes must have ended before a node's value can be computed. */
function levelsOf(expression: Expression): number[] {
  const levels: number[] = []
  for (const node of expression.nodes) {
    const inputs = node.inputs.map((input) => levelOf(levels, expression.loads.length, input))
    levels.push(Math.max(0, ...inputs) + (isReduction(node) ? 1 : 0))
  }
  return levels
}

function levelOf(levels: readonly number[], loads: number, operand: number): number {
  return operand < loads ? 0 : levels[operand - loads]!
}

interface Closure {
  readonly full: Set<number>
  readonly rows: Set<number>
}

/** What computing the operands element by element touches, stopping at values that are at hand or per row. */
function closure(expression: Expression, operands: readonly number[], atHand: ReadonlySet<number>): Closure {
  const { loads, nodes } = expression
  const found: Closure = { full: new Set(), rows: new Set() }
  const pending = [...operands]
  for (let operand = pending.pop(); operand !== undefined; operand = pending.pop()) {
    if (operand < loads.length) {
      if (loads[operand]!.strides.at(-1) === 0) found.rows.add(operand)
      continue
    }
    const number = operand - loads.length
    if (nodes[number]!.perRow) {
      found.rows.add(operand)
    } else if (!atHand.has(number) && !found.full.has(number)) {
      found.full.add(number)
      pending.push(...nodes[number]!.inputs)
    }
  }
  return found
}
