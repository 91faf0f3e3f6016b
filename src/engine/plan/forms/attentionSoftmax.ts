/** The softmax of a tile's scores, and its gradient. Only vectors of keys that not all rows of the tile see are masked. */
import type { Address, Value } from '../../kernel/kernel.ts'
import { expNotPositive } from '../../kernel/math.ts'
import type { DropoutMask } from './attentionDropout.ts'
import { floatBytes } from './attentionShape.ts'
import type { QueryTile } from './attentionPanel.ts'
import type { AttentionTiles } from './attentionTiles.ts'

/** Says for the key at each lane of a vector that starts at key j whether row i's probability is kept. */
export type KeptKeys = (i: number, j: Value) => Value

/** `value` where row i sees the key, `unseen` elsewhere. */
type Masked = (i: number, value: Value, unseen: Value) => Value

/** The rows of a tile draw their masks from one head's. */
export function keptKeys(tiles: AttentionTiles, tile: QueryTile, dropout: DropoutMask, head: HeadOfBatch): KeptKeys {
  const rows = Array.from({ length: tile.rows }, (_, i) =>
    dropout.row(head.batch, head.head, tiles.b.intAdd(tile.position, i)),
  )
  return (i, j) => rows[i]!(j)
}

export interface HeadOfBatch {
  readonly batch: Value
  readonly head: Value
}

export class TileSoftmax {
  readonly #tiles: AttentionTiles
  readonly #tile: QueryTile
  readonly #scores: Value

  constructor(tiles: AttentionTiles, tile: QueryTile, scores: Value) {
    this.#tiles = tiles
    this.#tile = tile
    this.#scores = tiles.tileScores(scores, tile)
  }

  /**
   * Replaces scores by exp(score - the row's largest), zero where unseen; returns the rows' sums. Those that are not `kept`
   * count in the sum but become zero.
   */
  exponentials(kept?: KeptKeys): Value[] {
    const { b } = this.#tiles
    const zero = b.constant(0)
    const tops = this.#largest()
    const sums = tops.map(() => b.variable(zero))
    this.#eachKey((j, masked) => {
      sums.forEach((sum, i) => {
        const e = masked(i, expNotPositive(b, b.sub(b.load(this.#at(i, j)), tops[i]!)), zero)
        b.store(kept ? b.select(kept(i, j), e, zero) : e, this.#at(i, j))
        b.assign(sum, b.add(sum, e))
      })
    })
    return sums.map((sum) => b.op('reduceAdd', [sum]))
  }

  /**
   * The scores become P ∘ D, which is P without dropout, and `dScores`, which hold dP, P ∘ (dP - Σ P dP), times the scale of
   * scores and the slope of the cap. In between, a negative number stands for a P that is dropped, so that the mask is drawn
   * once.
   */
  gradient(dScores: Value, slopes?: Value, kept?: KeptKeys, factor = 1): void {
    const { b, scales } = this.#tiles
    const zero = b.constant(0)
    const at = (scores: Value) => {
      const rows = this.#tiles.tileScores(scores, this.#tile)
      return (i: number, j: Value) => this.#at(i, j, rows)
    }
    const ds = at(dScores)
    const slope = slopes && at(slopes)
    const [inverses, totals] = this.#weigh(ds, kept, factor)
    this.#eachKey((j, masked) => {
      inverses.forEach((inverse, i) => {
        const e = b.load(this.#at(i, j))
        const p = b.mul(kept ? b.op('abs', [e]) : e, inverse)
        const keptP = kept ? b.mul(b.max(e, zero), b.mul(inverse, b.constant(factor))) : p
        b.store(keptP, this.#at(i, j))
        const dScore = b.mul(p, b.sub(b.load(ds(i, j)), totals[i]!))
        const scaled = scales.scores === 1 ? dScore : b.mul(dScore, b.constant(scales.scores))
        b.store(masked(i, slope ? b.mul(scaled, b.load(slope(i, j))) : scaled, zero), ds(i, j))
      })
    })
    this.#clearBefore(ds)
  }

  /** Leaves exponentials, negative where dropped, and D ∘ dP; returns the rows' inverse sums and Σ P dP. */
  #weigh(ds: (i: number, j: Value) => Address, kept: KeptKeys | undefined, factor: number): [Value[], Value[]] {
    const { b } = this.#tiles
    const zero = b.constant(0)
    const tops = this.#largest()
    const [sums, dots] = [tops.map(() => b.variable(zero)), tops.map(() => b.variable(zero))]
    this.#eachKey((j, masked) => {
      tops.forEach((top, i) => {
        const e = masked(i, expNotPositive(b, b.sub(b.load(this.#at(i, j)), top)), zero)
        const keep = kept?.(i, j)
        b.store(keep ? b.select(keep, e, b.op('neg', [e])) : e, this.#at(i, j))
        const whole = b.load(ds(i, j))
        const dp = keep ? b.select(keep, b.mul(whole, b.constant(factor)), zero) : whole
        if (keep) b.store(dp, ds(i, j))
        b.assign(sums[i]!, b.add(sums[i]!, e))
        b.assign(dots[i]!, b.add(dots[i]!, masked(i, b.mul(e, dp), zero)))
      })
    })
    const inverses = sums.map((sum) => b.div(b.constant(1), b.op('reduceAdd', [sum])))
    return [inverses, dots.map((dot, i) => b.mul(b.op('reduceAdd', [dot]), inverses[i]!))]
  }

  #largest(): Value[] {
    const { b } = this.#tiles
    const lowest = b.constant(-Infinity)
    const tops = Array.from({ length: this.#tile.rows }, () => b.variable(lowest))
    this.#eachKey((j, masked) => {
      tops.forEach((top, i) => b.assign(top, b.max(top, masked(i, b.load(this.#at(i, j)), lowest))))
    })
    return tops.map((top) => b.op('reduceMax', [top]))
  }

  /** Zeros from the panel's first score to the tile's first key: the gradients of keys read them. */
  #clearBefore(ds: (i: number, j: Value) => Address): void {
    const { b, shape } = this.#tiles
    if (shape.window === undefined) return
    b.for(this.#tile.panelFrom, this.#tile.from, b.lanes, (j) => {
      for (let i = 0; i < this.#tile.rows; i++) {
        b.store(b.constant(0), this.#at(i, j))
        b.store(b.constant(0), ds(i, j))
      }
    })
  }

  #at(i: number, j: Value, rows = this.#scores): Address {
    return this.#tiles.b.at(rows, i * this.#tiles.scoreStride * floatBytes, j, floatBytes)
  }

  /** Calls `body(j, masked)` in loops over the tile's vectors of keys: those that all rows see, and those that some do. */
  #eachKey(body: (j: Value, masked: Masked) => void): void {
    const tiles = this.#tiles
    const { b, shape, keyStretch } = tiles
    const { from, to, position, rows } = this.#tile
    const end = keyStretch === b.lanes ? to : tiles.floorTo(b.intAdd(to, keyStretch - 1), keyStretch)
    const allSeeTo = tiles.floorTo(b.intAdd(position, 1), b.lanes)
    const all = (j: Value): void => body(j, (_, value) => value)
    const some = (j: Value): void => this.#masked(j, body)
    if (shape.window === undefined) {
      b.for(from, allSeeTo, b.lanes, all)
      return b.for(allSeeTo, end, b.lanes, some)
    }
    const allSeeFrom = tiles.floorTo(b.intMax(b.intAdd(position, rows - shape.window + b.lanes - 1), 0), b.lanes)
    b.for(from, b.intMin(allSeeFrom, end), b.lanes, some)
    b.for(allSeeFrom, allSeeTo, b.lanes, all)
    b.for(b.intMax(allSeeFrom, allSeeTo), end, b.lanes, some)
  }

  #masked(j: Value, body: (j: Value, masked: Masked) => void): void {
    const { b, shape } = this.#tiles
    const start = b.op('splat', [b.op('intSub', [j, this.#tile.position])])
    const key = b.op('addInt', [start, b.op('laneIndex', [])])
    body(j, (i, value, unseen) => {
      const causal = b.select(b.op('lessInt', [key, b.constantInt(i + 1)]), value, unseen)
      if (shape.window === undefined) return causal
      return b.select(b.op('lessInt', [b.constantInt(i - shape.window), key]), causal, unseen)
    })
  }
}
