/**
 * Attention with operands rounded to bf16: each product's operands are first packed into pairs in scratch memory. Along D
 * and along the rows of a panel, halves are paired; along the keys, which end where the panel's rows do, the two vectors of
 * each stretch of 2 · lanes keys, so that packing goes by whole vectors.
 */
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { bf16Pair } from '../../kernel/pairs.ts'
import { floatBytes, type AttentionShape, type HeadStrides } from './attentionShape.ts'
import type { Panel, PanelRows, QueryTile, RightRows } from './attentionPanel.ts'
import { AttentionTiles } from './attentionTiles.ts'
import type { TileOperand } from './matmulTile.ts'
import { PairPacker, type PairLayout } from './pairPack.ts'

const wordBytes = 4
/** Registers that the halves of pairs take where products are expanded. */
const registersForHalves = 4

/** What works on the tiles of this shape, in its precision; a head whose scores take up to `wholeBytes` is one panel. */
export function attentionTiles(
  name: string,
  shape: AttentionShape,
  target: KernelTarget,
  wholeBytes = 0,
): AttentionTiles {
  if (shape.precision !== 'bf16') return new AttentionTiles(name, shape, target, wholeBytes)
  const spare = target.bf16 === 'expanded' ? registersForHalves : 0
  return new PairAttentionTiles(name, shape, { ...target, vectorRegisters: target.vectorRegisters - spare }, wholeBytes)
}

class PairAttentionTiles extends AttentionTiles {
  /** By layout. */
  readonly #packers = new Map<string, PairPacker>()

  override get pairs(): boolean {
    return true
  }
  /** Queries are rounded before they are multiplied by the scale. */
  override get scales() {
    return { queries: 1, scores: this.shape.scale }
  }
  override get depth(): number {
    return Math.ceil(this.shape.headDim / 2)
  }
  /** Keys of which each vector of pairs has two numbers. */
  override get keyStretch(): number {
    return 2 * this.b.lanes
  }
  override keySteps(keys: Value): Value {
    const { b } = this
    const whole = b.intMul(b.op('intDivImmediate', [keys], this.keyStretch), b.lanes)
    return b.intAdd(whole, b.intMin(b.op('intModImmediate', [keys], this.keyStretch), b.lanes))
  }
  override rowSteps(rows: Value): Value {
    const { b } = this
    const whole = b.intMul(b.op('intDivImmediate', [rows], this.rows), this.#tileSteps(this.rows))
    const rest = this.#tileSteps(this.shape.time % this.rows)
    return b.intAdd(whole, b.intMin(b.op('intModImmediate', [rows], this.rows), rest))
  }
  /** Pairs of rows of a tile. */
  #tileSteps(rows: number): number {
    return Math.ceil(rows / 2)
  }

  override transposePanel(from: Value, strides: HeadStrides, to: Value, rows: number): void {
    const { keyPanel } = this
    this.#packer({
      count: keyPanel,
      stride: strides.time,
      k: this.shape.headDim,
      step: 1,
      width: keyPanel,
      layout: 'transposed',
      toStride: keyPanel * wordBytes,
    }).panel(from, to, rows)
  }

  override packRows(name: string, head: Value, strides: HeadStrides, panel: Panel): PanelRows {
    const rowBytes = this.depth * wordBytes
    const pointer = this.area(`${name} by rows`, this.panelRows * rowBytes)
    const layout = { k: this.shape.headDim, step: 1, count: this.rows, width: this.rows, layout: 'rows' } as const
    const packer = this.#packer({ ...layout, stride: strides.time, toStride: rowBytes })
    this.#eachTileOf(panel, head, strides, (rows, row, count) =>
      packer.panel(rows, this.offset(pointer, row, rowBytes), count),
    )
    return {
      left: { pointer, rowBytes, stepBytes: wordBytes },
      right: () => this.#packSteps(name, head, strides, panel),
    }
  }

  #packSteps(name: string, head: Value, strides: HeadStrides, panel: Panel): RightRows {
    const stepBytes = this.shape.headDim * wordBytes
    const pointer = this.area(name, (this.panelRows / this.rows) * this.#tileSteps(this.rows) * stepBytes)
    this.#eachTileOf(panel, head, strides, (rows, row, count) => {
      const to = this.offset(pointer, this.rowSteps(row), stepBytes)
      this.#bySteps(strides.time, count, this.#tileSteps(count)).panel(rows, to)
    })
    return { pointer, stepBytes }
  }

  #eachTileOf(
    panel: Panel,
    head: Value,
    strides: HeadStrides,
    body: (rows: Value, row: Value, count: number) => void,
  ): void {
    this.eachTile(panel, panel.first, (position, count) => {
      const row = this.b.op('intSub', [position, panel.first])
      body(this.offset(head, position, strides.time * floatBytes), row, count)
    })
  }

  override keyRows(name: string, head: Value, strides: HeadStrides): RightRows {
    const { b } = this
    const { time } = this.shape
    const stepBytes = this.shape.headDim * wordBytes
    const full = Math.floor(time / this.keyStretch)
    const rest = time - full * this.keyStretch
    const to = this.area(name, (full * b.lanes + Math.min(rest, b.lanes)) * stepBytes)
    const pack = (stretch: Value, k: number): void => {
      const from = this.offset(head, stretch, this.keyStretch * strides.time * floatBytes)
      this.#bySteps(strides.time, k, b.lanes).panel(from, this.offset(to, stretch, b.lanes * stepBytes))
    }
    b.for(0, full, 1, (stretch) => pack(stretch, this.keyStretch))
    if (rest > 0) pack(b.int(full), rest)
    return { pointer: to, stepBytes }
  }

  /** Steps from the start of the scores on: the tile's are packed where they belong among those of all keys. */
  override scoreRows(scores: Value, tile: QueryTile): TileOperand {
    const { b } = this
    const rowBytes = (this.scoreStride / 2) * wordBytes
    const to = this.area('score rows', this.rows * rowBytes)
    const from = this.tileScores(scores, tile)
    b.for(tile.from, tile.to, this.keyStretch, (j) => {
      for (let i = 0; i < tile.rows; i++) {
        const row = i * this.scoreStride * floatBytes
        const [low, high] = [0, b.lanes].map((lane) => b.load(b.at(from, row + lane * floatBytes, j)))
        b.store(bf16Pair(b, low!, high!), b.at(to, i * rowBytes, j, 2))
      }
    })
    return { pointer: this.offset(to, tile.from, wordBytes / 2), rowBytes, stepBytes: wordBytes }
  }

  override columnsReady(name: string, scores: Value, panel: Panel, tile: QueryTile): void {
    const { b } = this
    const half = this.#tileSteps(tile.rows)
    const stepBytes = this.scoreStride * wordBytes
    const to = this.offset(this.#columns(name), this.rowSteps(tile.row), stepBytes)
    const from = this.tileScores(scores, tile)
    const row = (i: number, j: Value) => b.load(b.at(from, i * this.scoreStride * floatBytes, j))
    b.for(panel.firstScore, tile.to, b.lanes, (j) => {
      for (let i = 0; i < half; i++) {
        const high = i + half < tile.rows ? row(i + half, j) : b.constant(0)
        b.store(bf16Pair(b, row(i, j), high), b.at(to, i * stepBytes, j))
      }
    })
  }
  #columns(name: string): Value {
    const steps = (this.panelRows / this.rows) * this.#tileSteps(this.rows)
    return this.area(`columns of ${name}`, steps * this.scoreStride * wordBytes)
  }
  override scoreColumns(name: string, _scores: Value, key: Value, row: Value): TileOperand {
    const stepBytes = this.scoreStride * wordBytes
    const pointer = this.offset(this.offset(this.#columns(name), this.rowSteps(row), stepBytes), key, wordBytes)
    return { pointer, rowBytes: wordBytes, stepBytes }
  }

  /** Packs k rows of D, `stride` elements apart, each with the one `distance` rows after it. */
  #bySteps(stride: number, k: number, distance: number): PairPacker {
    const { headDim } = this.shape
    const layout = {
      count: headDim,
      width: headDim,
      stride: 1,
      layout: 'steps',
      toStride: headDim * wordBytes,
    } as const
    return this.#packer({ ...layout, k, step: stride, distance })
  }

  #packer(layout: PairLayout): PairPacker {
    const key = JSON.stringify(layout)
    const packer = this.#packers.get(key) ?? new PairPacker(this.b, layout)
    this.#packers.set(key, packer)
    return packer
  }
}
