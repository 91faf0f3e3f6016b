/** Loops over the panels that an axis is cut into. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Bound, Value } from '../../kernel/kernel.ts'

/** Panels [from, to) of `all`: the first `full` ones, all alike, in a loop, and the short last one (if any) on its own. */
export function eachPanel(
  b: KernelBuilder,
  [from, to]: readonly [Bound, Bound],
  { full, all }: { readonly full: number; readonly all: number },
  body: (panel: Value, short: boolean) => void,
): void {
  if (full === all) return b.for(from, to, 1, (panel) => body(panel, false))
  const value = (bound: Bound): Value => (typeof bound === 'number' ? b.int(bound) : bound)
  if (full > 0) b.for(from, b.intMin(value(to), full), 1, (panel) => body(panel, false))
  b.for(b.intMax(value(from), full), to, 1, (panel) => body(panel, true))
}

/** Row panels [from, to) as ranges: those with all their `tileRows` rows, then the short last one (if any). */
export function fullThenShort(
  b: KernelBuilder,
  [from, to]: readonly [Value, Value],
  { rows, tileRows }: { readonly rows: number; readonly tileRows: number },
  body: (begin: Value, end: Value, rows: number) => void,
): void {
  const full = Math.floor(rows / tileRows)
  const rest = rows % tileRows
  if (rest === 0) return body(from, to, tileRows)
  if (full > 0) body(from, b.intMin(to, full), tileRows)
  body(b.intMax(from, full), to, rest)
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
