/**
 * The kernel of a fused expression: elementwise chains, and rows with reductions (layer norm, softmax, cross-entropy and
 * their gradients), each one pass over memory.
 */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Address, Kernel, PrefetchPurpose, Value } from '../../kernel/kernel.ts'
import { collapse, isReduction, type Expression, type OperandIndex } from '../expression.ts'
import { columns, type Columns, type Place } from './columns.ts'
import { cutPhases, type Phase } from './phases.ts'
import { Point } from './point.ts'

/** A unit of work is about this many elements: some microseconds. A multiple of every block of columns. */
const unitElements = 4096
const floatBytes = 4
/** Rows of a unit that sums columns: many beside what it leaves, and few enough to have units for many threads. */
const fewestSummedRows = 32
const mostSummingUnits = 64
const lineBytes = 64
/** A longer row would drive out of the caches what it is asked for beside. */
const longestPrefetched = 4096

export interface FusedKernel {
  readonly kernel: Kernel
  readonly units: number
}

/**
 * Arguments: one pointer per load, then one per store, then one for each operand of `columnSums`: its sums over the rows of
 * each unit, [units][columns], of a space [rows, columns]. `inPlace` says that a store overwrites what a load reads at the
 * same place, so that nothing may be stored before the last pass.
 */
export function fusedKernel(
  expression: Expression,
  target: KernelTarget,
  inPlace: boolean,
  columnSums: readonly OperandIndex[] = [],
): FusedKernel {
  const keepLast = expression.nodes.some((node) => {
    const lowering = node.op.lowering
    return (
      node.perRow || isReduction(node) || (lowering.kind === 'elementwise' && lowering.position === 'lastAxisIndex')
    )
  })
  const lastApart = keepLast || columnSums.length > 0
  const collapsed = collapse(expression, lastApart ? [expression.space.length - 1] : [])
  const emitter = new FusedEmitter(collapsed, target, inPlace, columnSums)
  if (collapsed.space.length === 1 && !lastApart) return emitter.flat()
  return emitter.rows()
}

/** Units of a kernel that sums the columns of [rows, columns] on its way. */
export function summingUnits(rows: number, columns: number): number {
  return Math.ceil(rows / summedRows(rows, columns))
}
function summedRows(rows: number, columns: number): number {
  return Math.max(Math.ceil(unitElements / columns), Math.ceil(rows / mostSummingUnits), fewestSummedRows)
}

class FusedEmitter {
  readonly #b: KernelBuilder
  readonly #expression: Expression
  readonly #phases: readonly Phase[]
  readonly #loadPointers: readonly Value[]
  readonly #storePointers: readonly Value[]
  readonly #columnSums: readonly OperandIndex[]
  readonly #sumPointers: readonly Value[]
  readonly #inPlace: boolean
  /** Values that are the same for the whole kernel: loads with no stride at all. */
  readonly #scalars = new Map<number, Value>()
  readonly #kept = new Map<number, number>()
  /** Lanes used: 1 where some operand does not lie along the last axis without gaps. */
  readonly #width: number
  readonly #size: number

  constructor(expression: Expression, target: KernelTarget, inPlace: boolean, columnSums: readonly OperandIndex[]) {
    const b = new KernelBuilder(expression.nodes.map((node) => node.op.name).join(' ') || 'sum of columns', target)
    this.#b = b
    this.#expression = expression
    this.#phases = cutPhases(expression, inPlace, columnSums)
    this.#loadPointers = expression.loads.map(() => b.pointer())
    this.#storePointers = expression.stores.map(() => b.pointer())
    this.#columnSums = columnSums
    this.#inPlace = inPlace
    this.#sumPointers = columnSums.map(() => b.pointer())
    const { loads, nodes, stores } = expression
    const steps = [...loads, ...stores.filter((store) => !nodes[store.node]!.perRow)].map((x) => x.strides.at(-1)!)
    this.#width = steps.every((step) => step === 0 || step === 1) ? b.lanes : 1
    this.#size = expression.space.at(-1)!
  }

  /** One axis, no reduction: units are chunks of it. */
  flat(): FusedKernel {
    const b = this.#b
    this.#loadScalars()
    const from = b.intMul(b.unitBegin, unitElements)
    const to = b.intMin(b.intMul(b.unitEnd, unitElements), this.#size)
    this.#row(this.#loadPointers, this.#storePointers, [], undefined, { from, to, size: this.#size })
    return { kernel: b.finish(), units: Math.ceil(this.#size / unitElements) }
  }

  /** Units are blocks of rows. */
  rows(): FusedKernel {
    const b = this.#b
    this.#loadScalars()
    const count = this.#expression.space.slice(0, -1).reduce((product, size) => product * size, 1)
    const summing = this.#columnSums.length > 0
    const perUnit = summing ? summedRows(count, this.#size) : Math.max(1, Math.ceil(unitElements / this.#size))
    const block = (begin: Value, end: Value, sums: readonly Value[]): void => {
      const to = b.intMin(b.intMul(end, perUnit), count)
      b.for(b.intMul(begin, perUnit), to, 1, (row) => this.#rowAt(row, sums))
    }
    if (!summing) block(b.unitBegin, b.unitEnd, [])
    else b.for(b.unitBegin, b.unitEnd, 1, (unit) => block(unit, b.intAdd(unit, 1), this.#clearedSums(unit)))
    return { kernel: b.finish(), units: Math.ceil(count / perUnit) }
  }

  /** Where a unit's sums of columns lie, set to zero. */
  #clearedSums(unit: Value): Value[] {
    const b = this.#b
    const sums = this.#sumPointers.map((pointer) => b.intAdd(pointer, b.intMul(unit, this.#size * floatBytes)))
    columns(b, { from: 0, to: this.#size, size: this.#size }, this.#width, 1, (place) => {
      for (const sum of sums) b.store(b.constant(0), this.#address(sum, [1], place), place.lanes)
    })
    return sums
  }

  #rowAt(row: Value, sums: readonly Value[]): void {
    const b = this.#b
    const outer = this.#expression.space.slice(0, -1)
    const coordinates = coordinatesOf(b, row, outer)
    const rowPointer = (base: Value, strides: readonly number[]): Value =>
      outer.reduce((at, _, axis) => {
        const stride = strides[axis]!
        return stride === 0 ? at : b.intAdd(at, b.intMul(coordinates[axis]!, stride * floatBytes))
      }, base)
    this.#row(
      this.#expression.loads.map((load, k) => rowPointer(this.#loadPointers[k]!, load.strides)),
      this.#expression.stores.map((store, k) => rowPointer(this.#storePointers[k]!, store.strides)),
      sums,
      row,
      { from: 0, to: this.#size, size: this.#size },
    )
  }

  #loadScalars(): void {
    for (const [k, load] of this.#expression.loads.entries()) {
      if (load.strides.some((stride) => stride !== 0)) continue
      this.#scalars.set(k, this.#b.broadcast(this.#b.at(this.#loadPointers[k]!), load.dtype))
    }
  }

  #row(
    loads: readonly Value[],
    stores: readonly Value[],
    columnSums: readonly Value[],
    row: Value | undefined,
    extent: Columns,
  ): void {
    const b = this.#b
    const { nodes } = this.#expression
    const reduced = new Map<number, Value>()
    const rowPoint = new Point(b, this.#expression, {
      load: (k) => this.#scalars.get(k) ?? b.broadcast(b.at(loads[k]!), this.#expression.loads[k]!.dtype),
      known: (node) => reduced.get(node),
      linearIndex: () => b.op('splat', [row ?? b.int(0)]),
      lastAxisIndex: () => b.constantInt(0),
    })
    const stored = new Map<number, Value>()
    for (const phase of this.#phases) {
      for (const operand of phase.rowOperands) rowPoint.operand(operand)
      const sums = phase === this.#phases.at(-1) ? columnSums : []
      this.#phase(phase, { loads, stores, columnSums: sums, row, extent, rowPoint, stored, reduced })
      for (const node of phase.stores) stored.set(node, stores[this.#storesOf(node)[0]!]!)
      for (const node of phase.keeps) stored.set(node, b.scratch)
    }
    for (const [k, store] of this.#expression.stores.entries()) {
      if (nodes[store.node]!.perRow) b.store(rowPoint.node(store.node), b.at(stores[k]!), 1)
    }
  }

  #phase(phase: Phase, context: RowContext): void {
    const b = this.#b
    const sums = new Map(
      phase.reductions.map((node) => [node, Array.from({ length: this.#unroll(phase) }, () => this.#identity(node))]),
    )
    columns(b, context.extent, this.#width, this.#unroll(phase), (place) => {
      const point = this.#point(place, context)
      for (const [node, slots] of sums) {
        const value = this.#masked(node, point.operand(this.#expression.nodes[node]!.inputs[0]!), place)
        const slot = slots[place.slot]!
        b.assign(slot, this.#combine(node, slot, value))
      }
      if (phase === this.#phases.at(-1)) this.#prefetchNextRow(context, place)
      // before the stores, which may overwrite what is summed
      for (const [k, pointer] of context.columnSums.entries()) {
        const at = this.#address(pointer, [1], place)
        const value = point.operand(this.#columnSums[k]!)
        b.store(b.add(b.load(at, place.lanes), value), at, place.lanes)
      }
      for (const node of phase.stores) {
        for (const store of this.#storesOf(node)) {
          const strides = this.#expression.stores[store]!.strides
          b.store(point.node(node), this.#address(context.stores[store]!, strides, place), place.lanes)
        }
      }
      for (const node of phase.keeps) b.store(point.node(node), this.#keptAddress(node, place), place.lanes)
    })
    for (const [node, slots] of sums) {
      const total = slots.reduce((sum, slot) => this.#combine(node, sum, slot))
      context.reduced.set(node, b.op(this.#combinator(node) === 'add' ? 'reduceAdd' : 'reduceMax', [total]))
    }
  }

  /** In the last of several passes over a row, which finds it in a cache, asks for the next row. */
  #prefetchNextRow({ loads, stores }: RowContext, place: Place): void {
    const b = this.#b
    const isPassedOnce = this.#phases.length === 1 || this.#expression.space.length !== 2
    if (isPassedOnce || this.#size > longestPrefetched || (place.offset * floatBytes) % lineBytes !== 0) return
    const ask = (pointer: Value, strides: readonly number[], purpose: PrefetchPurpose): void => {
      const [rowStride, step] = strides as readonly [number, number]
      if (step !== 1 || rowStride === 0) return
      const { base, index, scale, offset } = this.#address(pointer, strides, place)
      b.prefetch(b.at(base, offset + rowStride * floatBytes, index, scale), purpose)
    }
    for (const [k, { strides }] of this.#expression.loads.entries()) ask(loads[k]!, strides, 'read')
    if (this.#inPlace) return
    for (const [k, { strides }] of this.#expression.stores.entries()) ask(stores[k]!, strides, 'write')
  }

  #point(place: Place, context: RowContext): Point {
    const b = this.#b
    const { loads, nodes, stores } = this.#expression
    const index = (base: Value | undefined): Value => {
      const start = place.index ? b.intAdd(place.index, place.offset) : b.int(place.offset)
      return b.op('addInt', [b.op('splat', [base ? b.intAdd(base, start) : start]), b.op('laneIndex', [])])
    }
    return new Point(b, this.#expression, {
      load: (k) => {
        const { strides, dtype } = loads[k]!
        if (strides.at(-1) === 0) return context.rowPoint.operand(k)
        return b.load(this.#address(context.loads[k]!, strides, place), place.lanes, dtype)
      },
      known: (node) => {
        if (nodes[node]!.perRow) return context.rowPoint.node(node)
        const where = context.stored.get(node)
        if (!where) return undefined
        if (where === b.scratch) return b.load(this.#keptAddress(node, place), place.lanes, nodes[node]!.dtype)
        const strides = stores[this.#storesOf(node)[0]!]!.strides
        return b.load(this.#address(where, strides, place), place.lanes, nodes[node]!.dtype)
      },
      linearIndex: () => index(context.row && b.intMul(context.row, this.#size)),
      lastAxisIndex: () => index(undefined),
    })
  }

  /** Reductions hide the latency of their chains behind one another; long expressions need no help. */
  #unroll(phase: Phase): number {
    if (phase.reductions.length > 0) return phase.reductions.length > 2 ? 2 : 4
    return this.#expression.nodes.length <= 8 ? 2 : 1
  }

  #identity(node: number): Value {
    return this.#b.variable(this.#b.constant(this.#combinator(node) === 'add' ? 0 : -Infinity))
  }

  #combinator(node: number): 'add' | 'max' {
    const lowering = this.#expression.nodes[node]!.op.lowering
    if (lowering.kind !== 'reduce') throw new Error(`${this.#expression.nodes[node]!.op.name} is not a reduction`)
    return lowering.combine
  }

  #combine(node: number, a: Value, value: Value): Value {
    return this.#combinator(node) === 'add' ? this.#b.add(a, value) : this.#b.max(a, value)
  }

  /** Lanes beyond the row's end must not count. */
  #masked(node: number, value: Value, place: Place): Value {
    const b = this.#b
    if (place.lanes === b.lanes) return value
    const inside = b.op('lessInt', [b.op('laneIndex', []), b.constantInt(place.lanes)])
    return b.select(inside, value, b.constant(this.#combinator(node) === 'add' ? 0 : -Infinity))
  }

  #storesOf(node: number): number[] {
    return this.#expression.stores.flatMap((store, k) => (store.node === node ? [k] : []))
  }

  #address(pointer: Value, strides: readonly number[], place: Place): Address {
    const step = strides.at(-1)!
    const offset = place.offset * step * floatBytes
    if (!place.index) return this.#b.at(pointer, offset)
    return this.#b.at(pointer, offset, this.#b.intMul(place.index, step), floatBytes)
  }

  #keptAddress(node: number, place: Place): Address {
    let at = this.#kept.get(node)
    if (at === undefined) {
      at = this.#b.reserveScratch(this.#size * floatBytes)
      this.#kept.set(node, at)
    }
    return this.#address(this.#b.scratch, [1], { ...place, offset: place.offset + at / floatBytes })
  }
}

interface RowContext {
  readonly loads: readonly Value[]
  readonly stores: readonly Value[]
  /** Where the sums of columns lie that this pass adds to. */
  readonly columnSums: readonly Value[]
  readonly row: Value | undefined
  readonly extent: Columns
  readonly rowPoint: Point
  /** Where full nodes of earlier passes lie: a store's row, or scratch. */
  readonly stored: ReadonlyMap<number, Value>
  readonly reduced: Map<number, Value>
}

/** The coordinates of a row among the outer axes, row-major. */
export function coordinatesOf(b: KernelBuilder, row: Value, outer: readonly number[]): Value[] {
  const coordinates: Value[] = []
  let rest = row
  for (let axis = outer.length - 1; axis > 0; axis--) {
    coordinates.unshift(b.op('intModImmediate', [rest], outer[axis]!))
    rest = b.op('intDivImmediate', [rest], outer[axis]!)
  }
  if (outer.length > 0) coordinates.unshift(rest)
  return coordinates
}
