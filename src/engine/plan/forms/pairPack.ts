/** Packs a matrix into panels of bf16 pairs: see `pairMatmul.ts` for which numbers make a pair. */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { bf16Pair } from '../../kernel/pairs.ts'
import type { FusedKernel } from './fused.ts'

const bytes = 4

/** `count` rows (or columns) of `k` elements each, and how a panel of them is laid out. Strides in elements. */
export interface PairLayout {
  readonly count: number
  /** From one of the `count` to the next. */
  readonly stride: number
  readonly k: number
  readonly step: number
  /** How many of the `count` a panel has. */
  readonly width: number
  /** From the first number of a pair to the second, in steps; half of k, rounded up, unless told. */
  readonly distance?: number
  /**
   * - `rows`: the pairs of one after those of another; read where `step` is 1
   * - `steps`: for each pair of steps, a word for each of the panel's `width`; read where `stride` is 1
   * - `transposed`: laid out like `steps`, read where `step` is 1
   */
  readonly layout: 'rows' | 'steps' | 'transposed'
  /** Bytes from row to row, or from step to step, of a panel. */
  readonly toStride: number
}

/** A matrix, or several, cut into panels. */
export interface PairSource extends PairLayout {
  readonly batch: number
  readonly batchStride: number
  readonly panels: number
  readonly panelBytes: number
}

/** Arguments: the matrix, the panels. Unit: one panel of one batch entry. What a short last panel lacks is zero or unset. */
export function packPairsKernel(source: PairSource, target: KernelTarget): FusedKernel {
  const b = new KernelBuilder('pack pairs', target)
  const packer = new PairPacker(b, source)
  const [from, to] = [b.pointer(), b.pointer()]
  const { panels, count, width, batch } = source
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const panel = b.op('intModImmediate', [unit], panels)
    const entry = b.intMul(b.op('intDivImmediate', [unit], panels), source.batchStride * bytes)
    const panelFrom = b.intAdd(b.intAdd(from, entry), b.intMul(panel, width * source.stride * bytes))
    const panelTo = b.intAdd(to, b.intMul(unit, source.panelBytes))
    if (count % width === 0) return packer.panel(panelFrom, panelTo, width)
    // Exactly one of the two loops runs, once.
    const isLast = b.op('intDivImmediate', [b.intAdd(panel, 1)], panels)
    b.for(isLast, 1, 1, () => packer.panel(panelFrom, panelTo, width))
    b.for(0, isLast, 1, () => packer.panel(panelFrom, panelTo, count % width))
  })
  return { kernel: b.finish(), units: batch * panels }
}

/** Packs one panel. */
export class PairPacker {
  readonly #b: KernelBuilder
  readonly #source: PairLayout
  /** Pairs, and how many of them have both numbers. */
  readonly #pairs: number
  readonly #whole: number
  readonly #distance: number
  /** Of the vector that is transposed, from the start of the scratch memory. */
  readonly #vectorOffset: number

  constructor(b: KernelBuilder, source: PairLayout) {
    this.#b = b
    this.#source = source
    this.#distance = source.distance ?? Math.ceil(source.k / 2)
    this.#pairs = Math.min(source.k, this.#distance)
    this.#whole = source.k - this.#pairs
    this.#vectorOffset = source.layout === 'transposed' ? b.reserveScratch(b.lanes * bytes) : 0
  }

  /** The first `count` of the layout's, all of them unless told. */
  panel(from: Value, to: Value, count = this.#source.count): void {
    const { layout } = this.#source
    if (layout === 'rows') this.#rows(from, to, count)
    else if (layout === 'steps') this.#steps(from, to, count)
    else this.#transposed(from, to, count)
  }

  /** Both numbers of `lanes` pairs, the second ones missing behind `whole` of them. */
  #pair(first: Value, second: Value, offset: number, lanes: number, whole: number): Value {
    const b = this.#b
    const low = b.load(b.at(first, offset), lanes)
    return bf16Pair(b, low, whole > 0 ? b.load(b.at(second, offset), whole) : b.constant(0))
  }

  #rows(from: Value, to: Value, count: number): void {
    const b = this.#b
    b.for(0, count, 1, (row) => {
      const rowFrom = b.intAdd(from, b.intMul(row, this.#source.stride * bytes))
      const rowTo = b.intAdd(to, b.intMul(row, this.#source.toStride))
      this.#along((at, offset, lanes, whole) => {
        const start = b.intAdd(rowFrom, b.intMul(at, bytes))
        const pair = this.#pair(start, b.intAdd(start, this.#distance * bytes), offset * bytes, lanes, whole)
        b.store(pair, b.at(rowTo, offset * bytes, at), lanes)
      })
    })
  }

  #steps(from: Value, to: Value, count: number): void {
    const b = this.#b
    const { step, toStride, width } = this.#source
    const pairOfSteps = (p: Value, hasSecond: boolean): void => {
      const first = b.intAdd(from, b.intMul(p, step * bytes))
      const second = b.intAdd(first, this.#distance * step * bytes)
      const row = b.intAdd(to, b.intMul(p, toStride))
      for (let at = 0; at < count; at += b.lanes) {
        const lanes = Math.min(b.lanes, count - at)
        const pair = this.#pair(first, second, at * bytes, lanes, hasSecond ? lanes : 0)
        b.store(pair, b.at(row, at * bytes), Math.min(b.lanes, width - at))
      }
    }
    b.for(0, this.#whole, 1, (p) => pairOfSteps(p, true))
    b.for(this.#whole, this.#pairs, 1, (p) => pairOfSteps(p, false))
  }

  /** A stretch of all columns before the next one: they may lie so far apart that they drive one another out of the cache. */
  #transposed(from: Value, to: Value, count: number): void {
    const b = this.#b
    const { stride, toStride } = this.#source
    const vector = b.intAdd(b.scratch, this.#vectorOffset)
    this.#along((at, offset, lanes, whole) => {
      const start = b.intAdd(from, b.intMul(b.intAdd(at, offset), bytes))
      const rows = b.intAdd(to, b.intMul(b.intAdd(at, offset), toStride))
      b.for(0, count, 1, (column) => {
        const first = b.intAdd(start, b.intMul(column, stride * bytes))
        b.store(this.#pair(first, b.intAdd(first, this.#distance * bytes), 0, lanes, whole), b.at(vector))
        const lane = b.intAdd(rows, b.intMul(column, bytes))
        for (let p = 0; p < lanes; p++) {
          b.store(b.load(b.at(vector, p * bytes), 1, 'i32'), b.at(lane, p * toStride), 1)
        }
      })
    })
  }

  /** Calls `body` for each vector of pairs, at `at + offset`: whole ones in a loop, then what is left. */
  #along(body: (at: Value, offset: number, lanes: number, whole: number) => void): void {
    const b = this.#b
    const { lanes } = b
    const full = Math.floor(this.#whole / lanes) * lanes
    b.for(0, full, lanes, (at) => body(at, 0, lanes, lanes))
    for (let offset = full; offset < this.#pairs; offset += lanes) {
      body(b.int(0), offset, Math.min(lanes, this.#pairs - offset), Math.min(lanes, this.#whole - offset))
    }
  }
}
