/** Loops over the panels that an axis is cut into. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Value } from '../../kernel/kernel.ts'

/** How many of an axis's panels are full, and how many there are: the last may be short. */
interface PanelCounts {
  readonly full: number
  readonly all: number
}

/** Panels [from, to) one by one: the full ones, all alike, in a loop, and the short last one (if any) on its own. */
export function eachPanel(
  b: KernelBuilder,
  range: readonly [Bound, Bound],
  counts: PanelCounts,
  body: (panel: Value, short: boolean) => void,
): void {
  fullThenShort(b, range, counts, (begin, end, short) => b.for(begin, end, 1, (panel) => body(panel, short)))
}

/** Panels [from, to) as ranges: the full ones, then the short last one (if any). */
export function fullThenShort<B extends Bound>(
  b: KernelBuilder,
  [from, to]: readonly [B, B],
  { full, all }: PanelCounts,
  body: (begin: B | Value, end: B | Value, short: boolean) => void,
): void {
  if (full === all) return body(from, to, false)
  const value = (bound: Bound): Value => (typeof bound === 'number' ? b.int(bound) : bound)
  if (full > 0) body(from, b.intMin(value(to), full), false)
  body(b.intMax(value(from), full), to, true)
}

/** [from, to) in as few blocks of at most `most` as there must be, the last two of them alike: a short one would not be worth what it reads. */
export function evenBlocks(
  b: KernelBuilder,
  [from, to]: readonly [Value, Value],
  most: number,
  body: (begin: Value, end: Value) => void,
): void {
  const begin = b.variable(from)
  const count = b.op('intDivImmediate', [b.intAdd(b.op('intSub', [to, from]), most - 1)], most)
  b.for(0, count, 1, () => {
    const left = b.op('intSub', [to, begin])
    const half = b.intMin(b.op('intDivImmediate', [b.intAdd(left, 1)], 2), most)
    // 1 where more than one block is left, else 0
    const several = b.intMin(b.intMax(b.intAdd(left, -most), 0), 1)
    const size = b.op('intSub', [left, b.intMul(several, b.op('intSub', [left, half]))])
    const end = b.intAdd(begin, size)
    body(begin, end)
    b.assign(begin, end)
  })
}
