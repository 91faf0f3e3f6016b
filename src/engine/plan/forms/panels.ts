/** The loop over the panels that an axis is cut into. */
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
