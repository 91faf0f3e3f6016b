/** Lines of memory that are read once, as a few streams far apart: a core has more of them on their way then than of one. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'

/** Lines that are read side by side. */
const streams = 4

/** Lines [first, end): some at a time, each from another part of them, then those left one by one. */
export function eachLine(b: KernelBuilder, first: Value, end: Value, body: (lines: readonly Value[]) => void): void {
  const each = b.op('intDivImmediate', [b.op('intSub', [end, first])], streams)
  b.for(0, each, 1, (i) => {
    const line = b.intAdd(first, i)
    body(Array.from({ length: streams }, (_, s) => b.intAdd(line, b.intMul(each, s))))
  })
  b.for(b.intAdd(first, b.intMul(each, streams)), end, 1, (line) => body([line]))
}
