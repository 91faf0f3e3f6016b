/** Adds up what the units of an earlier launch have left: y[j] = Σ parts[p, j], for one or more pairs of such arrays. */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import type { BuiltKernel } from '../launchSpec.ts'
import { columns } from './columns.ts'

const floatBytes = 4
/** Sums that take turns, to hide an add's latency. */
const chains = 4
/** Columns of a unit: a multiple of every vector. */
const unitColumns = 512

/** Arguments: all parts [parts][width], then all results [width]. */
export function partSumsKernel(parts: number, width: number, pairs: number, target: KernelTarget): BuiltKernel {
  const b = new KernelBuilder('sum of parts', target)
  const from = Array.from({ length: pairs }, () => b.pointer())
  const to = Array.from({ length: pairs }, () => b.pointer())
  const units = Math.ceil(width / unitColumns)
  for (const [pair, pointer] of from.entries()) {
    const unit = (bound: Value): Value => b.intMin(b.intMax(b.intAdd(bound, -pair * units), 0), units)
    const begin = b.intMul(unit(b.unitBegin), unitColumns)
    const end = b.intMin(b.intMul(unit(b.unitEnd), unitColumns), width)
    columns(b, { from: begin, to: end, size: width }, b.lanes, 1, ({ index, offset, lanes }) => {
      const first = b.at(pointer, offset * floatBytes, index)
      const column = index ? b.intAdd(pointer, b.intMul(index, floatBytes)) : pointer
      const total = sumDown(b, b.intAdd(column, offset * floatBytes), parts, width, lanes)
      b.store(total, { ...first, base: to[pair]! }, lanes)
    })
  }
  return { kernel: b.finish(), units: pairs * units }
}

/** Σ of the vector at `column` and those below it, `width` floats apart. */
export function sumDown(b: KernelBuilder, column: Value, parts: number, width: number, lanes: number): Value {
  const row = width * floatBytes
  const at = b.variable(column)
  const first = Array.from({ length: Math.min(chains, parts) }, (_, c) => b.load(b.at(at, c * row), lanes))
  const sums = first.map((value) => b.variable(value))
  const add = (count: number): void => {
    b.assign(at, b.intAdd(at, chains * row))
    for (const [c, sum] of sums.slice(0, count).entries()) b.assign(sum, b.add(sum, b.load(b.at(at, c * row), lanes)))
  }
  b.for(1, Math.floor(parts / chains), 1, () => add(chains))
  if (parts > chains && parts % chains > 0) add(parts % chains)
  return sums.reduce((total, sum) => b.add(total, sum))
}
