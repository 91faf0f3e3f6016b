/**
 * Where to keep V8 from moving code in a loop body.
 *
 * V8's TurboFan (Node 20) schedules pure operations as late as it can, but loads in their order. In an unrolled body such as
 *
 *     acc += a[k] * b[k];  acc += a[k + 1] * b[k + 1];  …
 *
 * all loads of all rounds come first and all arithmetic last, with most loaded values spilled to the stack between them. An
 * exit from the loop that is never taken, placed between two rounds, needs the accumulators as they are there, so the first
 * round's arithmetic must stand before it. It costs one fused compare and branch.
 *
 * Measured on one Zen 4 core, without fences and with them: a matmul micro-kernel of 4 x 8, unrolled by 4, 20 and 47
 * GFLOP/s; all launches of a training step (4 layers, width 128), 270 and 123 ms.
 */
import type { Statement } from '../../kernel/kernel.ts'
import type { Lifetimes } from './lifetimes.ts'

/**
 * Of x64's 16 registers V8 keeps one for itself, a multiply-add in two instructions needs one for its product, and with no
 * other to spare V8 spills around the fences (docs/LOG.md, fused multiply-adds on WebAssembly).
 */
const REGISTERS = 13

/**
 * The positions in a loop's body after which to place a fence: after an assignment, where the vectors that are loaded from
 * there on would no longer fit the registers beside the variables and the older vectors that are still needed.
 */
export function fencePositions(body: readonly Statement[], lifetimes: Lifetimes): ReadonlySet<number> {
  const fences = new Set<number>()
  const variables = variablesFromOutside(body)
  /** Vectors loaded since the last fence, and older ones with uses to come. */
  let loaded = new Set<number>()
  const ended = new Set<number>()
  /** The last assignment since the last fence. */
  let change: number | undefined
  const fence = (): void => {
    loaded = new Set([...loaded].filter((id) => !ended.has(id)))
    change = undefined
  }
  body.forEach((statement, position) => {
    if (statement.kind === 'load' || statement.kind === 'broadcast') {
      if (change !== undefined && variables.size + loaded.size >= REGISTERS) {
        fences.add(change)
        fence()
      }
      loaded.add(statement.target.id)
    }
    if (statement.kind === 'assign' && statement.variable.type !== 'int') {
      variables.add(statement.variable.id)
      change = position
    }
    for (const id of lifetimes.endingAt(statement)) {
      ended.add(id)
      variables.delete(id)
    }
    // A loop is a fence by itself.
    if (statement.kind === 'for') fence()
  })
  return fences
}

/** The vector variables that the body changes and does not declare: they live as long as the loop. */
function variablesFromOutside(body: readonly Statement[]): Set<number> {
  const changed = new Set<number>()
  for (const statement of body) {
    if (statement.kind !== 'assign' || statement.variable.type === 'int') continue
    if (!statement.declare) changed.add(statement.variable.id)
  }
  for (const statement of body) {
    if (statement.kind === 'assign' && statement.declare) changed.delete(statement.variable.id)
  }
  return changed
}

/**
 * What the counter is compared with at a loop's fence of this number. No counter is ever equal: 2^31 - 1 is not below any
 * bound, and all of these are odd, so no walk over addresses meets them. They differ, so that V8 cannot merge the fences.
 */
export const fenceNumber = (fence: number): number => 0x7fffffff - 2 * fence
