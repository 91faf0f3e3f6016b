/**
 * Reduces an axis that is not the last (the gradients of biases and gains): vectors run along the last axis, each
 * accumulator walks down the reduced one. What is reduced may be computed on the way.
 */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { contiguous } from '../../ir/layout.ts'
import { collapse, type Expression } from '../expression.ts'
import { coordinatesOf, type FusedKernel } from './fused.ts'
import { Point } from './point.ts'

const floatBytes = 4
/** Vectors per unit: enough independent chains to hide an add's latency. */
const vectorsPerUnit = 4

export interface ColumnReduction {
  /** Its space is the shape before the reduction; no stores. The last axis is not reduced. */
  readonly expression: Expression
  /** The operand that is reduced. */
  readonly operand: number
  readonly axis: number
  readonly combine: 'add' | 'max'
}

/** Arguments: one pointer per load, then the result without gaps. */
export function columnReduceKernel(reduction: ColumnReduction, target: KernelTarget): FusedKernel {
  const { axis, combine, operand } = reduction
  const rank = reduction.expression.space.length
  const expression = collapse(reduction.expression, [axis, rank - 1])
  const reducedAxis = expression.groups.findIndex((group) => group.includes(axis))
  const b = new KernelBuilder(`column ${combine}`, target)
  const loadPointers = expression.loads.map(() => b.pointer())
  const result = b.pointer()

  const size = expression.space.at(-1)!
  const depth = expression.space[reducedAxis]!
  const outerAxes = expression.space.flatMap((_, k) =>
    k === reducedAxis || k === expression.space.length - 1 ? [] : [k],
  )
  const outer = outerAxes.map((k) => expression.space[k]!)
  const outerCount = outer.reduce((product, n) => product * n, 1)
  const width = expression.loads.every((load) => [0, 1].includes(load.strides.at(-1)!)) ? b.lanes : 1
  const block = width * vectorsPerUnit
  const blocks = Math.ceil(size / block)
  const dense = contiguous(expression.space).strides
  const identity = b.constant(combine === 'add' ? 0 : -Infinity)

  const unit = (at: Value, column: Value, lanes: readonly number[]): void => {
    const coordinates = coordinatesOf(b, at, outer)
    const pointers = expression.loads.map((load, k) =>
      outerAxes.reduce(
        (pointer, axisOfSpace, j) =>
          b.intAdd(pointer, b.intMul(coordinates[j]!, load.strides[axisOfSpace]! * floatBytes)),
        b.intAdd(loadPointers[k]!, b.intMul(column, load.strides.at(-1)! * floatBytes)),
      ),
    )
    const base = outerAxes.reduce((sum, k, j) => b.intAdd(sum, b.intMul(coordinates[j]!, dense[k]!)), column)
    const sums = lanes.map(() => b.variable(identity))
    b.for(0, depth, 1, (r) => {
      const rows = expression.loads.map((load, k) =>
        b.intAdd(pointers[k]!, b.intMul(r, load.strides[reducedAxis]! * floatBytes)),
      )
      for (const [v, count] of lanes.entries()) {
        const lane = (start: Value): Value =>
          b.op('addInt', [b.op('splat', [b.intAdd(start, v * width)]), b.op('laneIndex', [])])
        const point = new Point(b, expression, {
          load: (k) => {
            const { strides, dtype } = expression.loads[k]!
            const step = strides.at(-1)!
            const address = b.at(rows[k]!, v * width * step * floatBytes)
            return step === 0 ? b.broadcast(address, dtype) : b.load(address, count, dtype)
          },
          known: () => undefined,
          linearIndex: () => lane(b.intAdd(base, b.intMul(r, dense[reducedAxis]!))),
          lastAxisIndex: () => lane(column),
        })
        const value = point.operand(operand)
        b.assign(sums[v]!, combine === 'add' ? b.add(sums[v]!, value) : b.max(sums[v]!, value))
      }
    })
    const to = b.intAdd(result, b.intMul(b.intAdd(b.intMul(at, size), column), floatBytes))
    for (const [v, count] of lanes.entries()) b.store(sums[v]!, b.at(to, v * width * floatBytes), count)
  }

  const lastLanes = lanesOfBlock(size - (blocks - 1) * block, width)
  const fullLanes = lanesOfBlock(block, width)
  b.for(b.unitBegin, b.unitEnd, 1, (k) => {
    const at = b.op('intDivImmediate', [k], blocks)
    const index = b.op('intModImmediate', [k], blocks)
    const column = b.intMul(index, block)
    if (lastLanes.join() === fullLanes.join()) return unit(at, column, fullLanes)
    // One of the two runs, once: the last block of columns is narrower.
    const isLast = b.op('intDivImmediate', [b.intAdd(index, 1)], blocks)
    if (blocks > 1) b.for(isLast, 1, 1, () => unit(at, column, fullLanes))
    b.for(0, isLast, 1, () => unit(at, column, lastLanes))
  })
  return { kernel: b.finish(), units: outerCount * blocks }
}

/** The lanes of each vector of a block of columns. */
function lanesOfBlock(columns: number, width: number): number[] {
  return Array.from({ length: Math.ceil(columns / width) }, (_, v) => Math.min(width, columns - v * width))
}
