/**
 * The parts of causal attention for one head: a panel of query rows at a time, all their scores in scratch memory, never
 * the T x T matrix. Scores beyond a row's own position are exact zeros after the softmax, so the products need no mask.
 */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import { exp, tanh } from '../../kernel/math.ts'
import type { Address, Value } from '../../kernel/kernel.ts'
import { transposeRows } from '../../kernel/transpose.ts'
import { lanesOf, matmulTile, type TileOperand, type TileShape } from './matmulTile.ts'

export const floatBytes = 4

/** Strides in elements of [B, T, heads, D]; D is without gaps. */
export interface HeadStrides {
  readonly batch: number
  readonly time: number
  readonly head: number
}

export interface AttentionShape {
  readonly batch: number
  readonly time: number
  readonly heads: number
  readonly keyHeads: number
  readonly headDim: number
  readonly scale: number
  /** A query sees at most this many keys, itself included; undefined for all before it. */
  readonly window?: number
  /** Scores s become softCap tanh(s / softCap); undefined for s itself. */
  readonly softCap?: number
  /** Share of the probabilities that is dropped; undefined for none. */
  readonly dropoutRate?: number
  /** Whether operands are rounded to bf16; undefined where they are not. */
  readonly precision?: 'bf16'
  readonly q: HeadStrides
  readonly k: HeadStrides
  readonly v: HeadStrides
  /** Of the gradient of the result; the same as the result's in the forward kernel. */
  readonly out: HeadStrides
}

/** A right operand that is read row by row. */
export type RightRows = Pick<TileOperand, 'pointer' | 'stepBytes'>

export class AttentionTiles {
  readonly b: KernelBuilder
  readonly shape: AttentionShape
  /** Query rows per panel, and keys per panel of the gradients. */
  readonly rows: number
  readonly vectors: number
  /** Keys per panel of transposed keys. */
  readonly keyPanel: number
  /** Elements from one row of scores to the next: whole panels, and a vector to spare for the last masked load. */
  readonly scoreStride: number

  constructor(name: string, shape: AttentionShape, target: KernelTarget) {
    this.b = new KernelBuilder(name, target)
    this.shape = shape
    this.vectors = shape.headDim > target.lanes ? 2 : 1
    const fit = Math.min(14, Math.floor((target.vectorRegisters - this.vectors - 1) / this.vectors))
    this.rows = panelRows(shape.time, fit)
    this.keyPanel = this.vectors * target.lanes
    this.scoreStride = Math.ceil(shape.time / this.keyPanel) * this.keyPanel + target.lanes
  }

  /** Whether operands are pairs of bf16 numbers: then the members below rearrange what here is read where it lies. */
  get pairs(): boolean {
    return false
  }
  /** Steps of the product of a query and a key. */
  get depth(): number {
    return this.shape.headDim
  }
  /** Steps of a product over the keys before `keys`, and up to where the scores must be set for it. */
  keySteps(keys: Value): Value {
    return keys
  }
  keyEnd(keys: Value): Value {
    return keys
  }
  /** Steps of a product over rows of a panel. */
  rowSteps(rows: number): number {
    return rows
  }

  reserveTransposed(): Value {
    const bytes = Math.ceil(this.shape.time / this.keyPanel) * this.keyPanel * this.depth * floatBytes
    return this.b.intAdd(this.b.scratch, this.b.reserveScratch(bytes))
  }
  reserveScores(): Value {
    return this.b.intAdd(this.b.scratch, this.b.reserveScratch(this.rows * this.scoreStride * floatBytes))
  }

  /** The first element of a head. */
  head(pointer: Value, strides: HeadStrides, batch: Value, head: Value): Value {
    const { b } = this
    return b.intAdd(
      b.intAdd(pointer, b.intMul(batch, strides.batch * floatBytes)),
      b.intMul(head, strides.head * floatBytes),
    )
  }

  /** Rows [count, D] of a panel as a left operand. */
  leftRows(rows: Value, strides: HeadStrides, _count: number): TileOperand {
    return { pointer: rows, rowBytes: strides.time * floatBytes, stepBytes: floatBytes }
  }
  /** The rows [T, D] of a head as a right operand; those under one name are needed at one time only. */
  keyRows(_name: string, rows: Value, strides: HeadStrides): RightRows {
    return { pointer: rows, stepBytes: strides.time * floatBytes }
  }
  /** Rows [count, D] of a panel as a right operand. */
  rightRows(_name: string, rows: Value, strides: HeadStrides, _count: number): RightRows {
    return { pointer: rows, stepBytes: strides.time * floatBytes }
  }
  /** Scores as they are for `scoreColumns`, once they are final. */
  columnsOf(_name: string, scores: Value, _rows: number, _keys: Value): Value {
    return scores
  }

  /** Runs `panel(first, rows, keys)` over panels of query rows; keys = first + rows is how many keys they may see. */
  panels(panel: (first: Value, rows: number, keys: Value) => void): void {
    const { b, rows } = this
    const full = Math.floor(this.shape.time / rows) * rows
    b.for(0, full, rows, (first) => panel(first, rows, b.intAdd(first, rows)))
    const rest = this.shape.time - full
    if (rest > 0) panel(b.int(full), rest, b.int(this.shape.time))
  }

  /** Copies [T, D] rows into panels [T / keyPanel][D][keyPanel], as the right operand of a product. */
  transpose(from: Value, strides: HeadStrides, to: Value): void {
    const { b, keyPanel } = this
    const { time, headDim } = this.shape
    const [rowBytes, columnBytes] = [strides.time * floatBytes, keyPanel * floatBytes]
    const panel = (number: Value, rows: number): void => {
      const source = { pointer: b.intAdd(from, b.intMul(number, keyPanel * rowBytes)), rowBytes }
      const target = { pointer: b.intAdd(to, b.intMul(number, headDim * columnBytes)), rowBytes: columnBytes }
      transposeRows(b, source, target, rows, headDim)
    }
    const full = Math.floor(time / keyPanel)
    b.for(0, full, 1, (number) => panel(number, keyPanel))
    if (time > full * keyPanel) panel(b.int(full), time - full * keyPanel)
  }

  /**
   * scores[i, j] = scale * rows[i] · columns[j] for all keys j < keys, rounded up to whole panels; capped where the shape
   * says so, and then `slopes`, if given, gets the derivative of the cap.
   */
  scores(
    rowCount: number,
    keys: Value,
    left: Value,
    leftStrides: HeadStrides,
    columns: Value,
    scores: Value,
    slopes?: Value,
  ): void {
    const { b } = this
    const { scale, softCap } = this.shape
    this.products(rowCount, keys, left, leftStrides, columns, (sum, byte) => {
      const score = scale === 1 ? sum : b.mul(sum, b.constant(scale))
      if (softCap === undefined) return b.store(score, byte(scores))
      const bounded = tanh(b, b.mul(score, b.constant(1 / softCap)))
      b.store(b.mul(bounded, b.constant(softCap)), byte(scores))
      if (slopes) b.store(b.sub(b.constant(1), b.mul(bounded, bounded)), byte(slopes))
    })
  }

  /** rows[i] · columns[j] for all keys j < keys, rounded up to whole panels; `at` is its address in a set of scores. */
  products(
    rowCount: number,
    keys: Value,
    left: Value,
    leftStrides: HeadStrides,
    columns: Value,
    done: (sum: Value, at: (scores: Value) => Address) => void,
  ): void {
    const { b, keyPanel } = this
    const rows = this.leftRows(left, leftStrides, rowCount)
    const panels = b.op('intDivImmediate', [b.intAdd(keys, keyPanel - 1)], keyPanel)
    b.for(0, panels, 1, (panel) => {
      const to = b.intMul(panel, keyPanel * floatBytes)
      matmulTile(
        b,
        { rows: rowCount, vectors: this.vectors, lastLanes: b.lanes, pairs: this.pairs },
        rows,
        {
          pointer: b.intAdd(columns, b.intMul(panel, this.depth * keyPanel * floatBytes)),
          rowBytes: 0,
          stepBytes: keyPanel * floatBytes,
        },
        this.depth,
        (i, v, sum) => {
          const offset = (i * this.scoreStride + v * b.lanes) * floatBytes
          done(sum, (scores) => b.at(scores, offset, to, 1))
        },
      )
    })
  }

  /** Calls `body(j, mask)` for every vector of keys; the mask says which of them the query at `position` sees. */
  seen(position: Value, keys: Value, body: (j: Value, mask: Value) => void): void {
    const { b } = this
    const limit = b.op('splat', [b.intAdd(position, 1)])
    const { window } = this.shape
    const first = window === undefined ? undefined : b.op('splat', [b.intAdd(position, -window)])
    const falseInts = b.constantInt(0)
    b.for(0, this.keyEnd(keys), b.lanes, (j) => {
      const index = b.op('addInt', [b.op('splat', [j]), b.op('laneIndex', [])])
      const causal = b.op('lessInt', [index, limit])
      if (!first) return body(j, causal)
      const inside = b.select(b.op('lessInt', [first, index]), b.constantInt(1), falseInts)
      body(j, b.op('lessInt', [falseInts, b.select(causal, inside, falseInts)]))
    })
  }

  /**
   * Replaces a row of scores by exp(score - largest), zero where unseen; returns the sum. Those that are not `kept` count
   * in the sum but become zero.
   */
  exponentials(row: Value, position: Value, keys: Value, kept?: (j: Value) => Value): Value {
    const { b } = this
    const lowest = b.constant(-Infinity)
    const largest = b.variable(lowest)
    this.seen(position, keys, (j, mask) => {
      b.assign(largest, b.max(largest, b.select(mask, b.load(b.at(row, 0, j, floatBytes)), lowest)))
    })
    const top = b.op('reduceMax', [largest])
    const sum = b.variable(b.constant(0))
    this.seen(position, keys, (j, mask) => {
      const e = b.select(mask, exp(b, b.sub(b.load(b.at(row, 0, j, floatBytes)), top)), b.constant(0))
      b.store(kept ? b.select(kept(j), e, b.constant(0)) : e, b.at(row, 0, j, floatBytes))
      b.assign(sum, b.add(sum, e))
    })
    return b.op('reduceAdd', [sum])
  }

  /** The address of row i of the scores. */
  scoreRow(scores: Value, i: number): Value {
    return this.b.intAdd(scores, i * this.scoreStride * floatBytes)
  }

  /** A left operand that reads `count` rows of final scores by rows. */
  scoreRows(scores: Value, _count: number, _keys: Value): TileOperand {
    return { pointer: scores, rowBytes: this.scoreStride * floatBytes, stepBytes: floatBytes }
  }
  /** A left operand that reads scores by columns, from key `first` on. */
  scoreColumns(scores: Value, first: Value): TileOperand {
    const { b } = this
    return {
      pointer: b.intAdd(scores, b.intMul(first, floatBytes)),
      rowBytes: floatBytes,
      stepBytes: this.scoreStride * floatBytes,
    }
  }

  /** left times [steps, D] rows of `right`, one panel of D at a time; `done` gets the column's byte offset. */
  timesRows(
    rowCount: number,
    left: TileOperand,
    right: RightRows,
    steps: Value | number,
    done: (i: number, byte: number, sum: Value, lanes: number) => void,
    initial?: (i: number, byte: number, lanes: number) => Value,
  ): void {
    const { b } = this
    const { headDim } = this.shape
    const width = this.vectors * b.lanes
    for (let d = 0; d < headDim; d += width) {
      const columns = Math.min(width, headDim - d)
      const vectors = Math.ceil(columns / b.lanes)
      const shape: TileShape = {
        rows: rowCount,
        vectors,
        lastLanes: columns - (vectors - 1) * b.lanes,
        pairs: this.pairs,
      }
      const byteOf = (v: number): number => (d + v * b.lanes) * floatBytes
      matmulTile(
        b,
        shape,
        left,
        { pointer: b.intAdd(right.pointer, d * floatBytes), rowBytes: 0, stepBytes: right.stepBytes },
        steps,
        (i, v, sum) => done(i, byteOf(v), sum, lanesOf(b, shape, v)),
        initial && ((i, v) => initial(i, byteOf(v), lanesOf(b, shape, v))),
      )
    }
  }
}

/**
 * As many rows as fit; over short times somewhat fewer where that cuts the axis without a remainder, whose panel would
 * cost more than the longer tiles save.
 */
function panelRows(time: number, fit: number): number {
  if (time >= 16 * fit) return fit
  for (let rows = Math.min(fit, time); rows >= Math.ceil(fit / 2); rows--) if (time % rows === 0) return rows
  return Math.min(fit, time)
}
