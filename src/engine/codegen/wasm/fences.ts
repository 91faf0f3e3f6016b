/**
 * Where to keep V8 from moving code in an unrolled loop body.
 *
 * V8's TurboFan (Node 20) schedules pure operations as late as it can, but loads in their order. In a body such as
 *
 *     acc += a[k] * b[k];  acc += a[k + 1] * b[k + 1];  …
 *
 * all loads of all rounds come first and all arithmetic last, with most loaded values spilled to the stack between them: a
 * matmul micro-kernel of 4 x 8, unrolled by 4, ran at 20 GFLOP/s instead of 46. An exit from the loop that is never taken,
 * placed after a round, needs the accumulators as they are there, so the round's arithmetic must stand before it. It
 * costs one fused compare and branch.
 */
import type { Statement } from '../../kernel/kernel.ts'

/** The positions in a loop's body after which to place a fence: between two assignments of the same variable. */
export function fencePositions(body: readonly Statement[]): ReadonlySet<number> {
  const fences = new Set<number>()
  /** Variables changed since the last fence. */
  const changed = new Set<number>()
  let lastChange = -1
  body.forEach((statement, position) => {
    if (statement.kind !== 'assign' || statement.declare) return
    const { id } = statement.variable
    if (changed.has(id)) {
      fences.add(lastChange)
      changed.clear()
    }
    changed.add(id)
    lastChange = position
  })
  return fences
}

/**
 * What the counter is compared with at a loop's fence of this number. No counter is ever equal: 2^31 - 1 is not below any
 * bound, and all of these are odd, so no walk over addresses meets them. They differ, so that V8 cannot merge the fences.
 */
export const fenceNumber = (fence: number): number => 0x7fffffff - 2 * fence
