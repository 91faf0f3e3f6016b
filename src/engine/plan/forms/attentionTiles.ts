/**
 * The parts of causal attention for one head: a panel of query rows at a time, all scores that they may see in scratch
 * memory, never the T x T matrix. A panel consists of register tiles of rows, and each tile's products end where the keys
 * end that its last row sees; with a window they begin near the first that its first row sees. Scores in between that a row
 * does not see are exact zeros after the softmax, so the products need no mask.
 */
import { KernelBuilder, type KernelTarget } from '../../kernel/builder.ts'
import { tanh } from '../../kernel/math.ts'
import type { Address, Bound, PrefetchPurpose, Value } from '../../kernel/kernel.ts'
import { transposeRows } from '../../kernel/transpose.ts'
import { askForRow, rowsAhead, type LaterHead } from './attentionAhead.ts'
import { floatBytes, type AttentionShape, type HeadStrides } from './attentionShape.ts'
import type { Panel, PanelRows, QueryTile, RightRows } from './attentionPanel.ts'
import { lanesOf, matmulTile, type TileOperand, type TileShape } from './matmulTile.ts'
import { eachPanel } from './panels.ts'

interface RowsOptions {
  /** What the sum of row i starts from at a column's byte offset; zero unless told. */
  readonly initial?: (i: number, byte: number, lanes: number) => Value
  /** Called before each panel of columns with the byte offsets of its beginning and end. */
  readonly ahead?: (fromByte: number, toByte: number) => void
}

/**
 * A panel of this many rows reads its keys often enough from the level-1 cache, and adds enough to the gradients of keys each
 * time that it reads and writes them. Fewer where its scores would fill the level-2 cache.
 */
const mostRows = 48
const mostScoreBytes = 200_000

export class AttentionTiles {
  readonly b: KernelBuilder
  readonly shape: AttentionShape
  /** Query rows per tile, and keys per tile of the gradients. */
  readonly rows: number
  readonly panelRows: number
  readonly vectors: number
  /** Keys per panel of transposed keys. */
  readonly keyPanel: number
  /** Elements from one row of scores to the next: whole panels, and a vector to spare for the last masked load. */
  readonly scoreStride: number
  readonly #areas = new Map<string, number>()
  /** How many keys come before that of the first query; undefined for none. */
  #start: Value | undefined

  /** A head whose scores take up to `wholeBytes` is one panel; with a window, which many rows do not share, it has several. */
  constructor(name: string, shape: AttentionShape, target: KernelTarget, wholeBytes: number) {
    this.b = new KernelBuilder(name, target)
    this.shape = shape
    this.vectors = shape.headDim > target.lanes ? 2 : 1
    const fit = Math.min(14, Math.floor((target.vectorRegisters - this.vectors - 1) / this.vectors))
    this.rows = Math.min(fit, shape.time)
    this.keyPanel = this.vectors * target.lanes
    this.scoreStride = Math.ceil(this.length / this.keyPanel) * this.keyPanel + target.lanes
    const rowBytes = this.scoreStride * floatBytes
    const most = Math.min(mostRows, mostScoreBytes / rowBytes, shape.time)
    const head = Math.ceil(shape.time / this.rows) * this.rows
    const isWhole = shape.window === undefined && head * rowBytes <= wholeBytes
    this.panelRows = isWhole ? head : Math.max(1, Math.floor(most / this.rows)) * this.rows
  }

  /** Rows of keys. */
  get length(): number {
    return this.shape.cached ?? this.shape.time
  }
  /** Takes the kernel's next argument where the shape has earlier keys: how many they are. */
  takeStart(): void {
    if (this.shape.cached !== undefined) this.#start = this.b.loadInt(this.b.at(this.b.pointer()))
  }
  /** The place of a query among the keys. */
  #placeOf(query: Value): Value {
    return this.#start ? this.b.intAdd(this.#start, query) : query
  }
  /** The query whose place is this key's, or a negative number where it comes before the first. */
  #queryAt(key: Value): Value {
    return this.#start ? this.b.op('intSub', [key, this.#start]) : key
  }
  /** Keys that any query sees, from the start of a panel of keys on: [from, to). */
  #seenKeys(): { readonly from: Bound; readonly to: Bound } {
    const { b } = this
    const { time } = this.shape
    if (!this.#start) return { from: 0, to: time }
    return { from: this.#scoreStart(this.#firstSeen(this.#start, 1)), to: b.intAdd(this.#start, time) }
  }

  /** Whether operands are pairs of bf16 numbers: then the members below rearrange what here is only copied. */
  get pairs(): boolean {
    return false
  }
  /** What queries and scores are multiplied by: the shape's scale in all. */
  get scales(): { readonly queries: number; readonly scores: number } {
    return { queries: this.shape.scale, scores: 1 }
  }
  /** Steps of the product of a query and a key. */
  get depth(): number {
    return this.shape.headDim
  }
  /** Scores are set in stretches of this many keys. */
  get keyStretch(): number {
    return this.b.lanes
  }
  /** Steps of a product over `keys` keys from the start of a stretch on. */
  keySteps(keys: Value): Value {
    return keys
  }
  /** Steps of a product over rows of a panel, from the start of a tile on. */
  rowSteps(rows: Value): Value {
    return rows
  }

  /** Scratch memory of its own for each name. */
  area(name: string, bytes: number): Value {
    const offset = this.#areas.get(name) ?? this.b.reserveScratch(bytes)
    this.#areas.set(name, offset)
    return this.b.intAdd(this.b.scratch, offset)
  }
  scoreArea(name: string): Value {
    return this.area(name, this.panelRows * this.scoreStride * floatBytes)
  }

  /** The first element of a head. */
  head(pointer: Value, strides: HeadStrides, batch: Value, head: Value): Value {
    const { b } = this
    return b.intAdd(
      b.intAdd(pointer, b.intMul(batch, strides.batch * floatBytes)),
      b.intMul(head, strides.head * floatBytes),
    )
  }

  /** pointer + index * bytes */
  offset(pointer: Value, index: Bound, bytes: number): Value {
    const { b } = this
    return typeof index === 'number' ? b.intAdd(pointer, index * bytes) : b.intAdd(pointer, b.intMul(index, bytes))
  }
  floorTo(index: Value, unit: number): Value {
    return this.b.intMul(this.b.op('intDivImmediate', [index], unit), unit)
  }
  /** The first key that the query at `position` sees, rounded down. */
  #firstSeen(position: Value, unit: number): Bound {
    const { b } = this
    const { window } = this.shape
    return window === undefined ? 0 : this.floorTo(b.intMax(b.intAdd(position, 1 - window), 0), unit)
  }
  #scoreStart(key: Bound): Bound {
    return typeof key === 'number' ? key : this.floorTo(key, Math.max(this.keyPanel, this.keyStretch))
  }

  /** Runs `body` for each panel of query rows. */
  panels(body: (panel: Panel) => void): void {
    const { b, panelRows, rows } = this
    const { time } = this.shape
    b.for(0, time, panelRows, (first) => {
      const end = b.intMin(b.intAdd(first, panelRows), time)
      const whole = time % rows === 0 ? end : b.intMin(b.intAdd(first, panelRows), time - (time % rows))
      const firstKey = this.#firstSeen(this.#placeOf(first), rows)
      body({ first, end, whole, firstKey, firstScore: this.#scoreStart(firstKey) })
    })
  }

  /** Runs `body(start, count)` for each tile of the axis between a panel's `from`, the start of a tile, and its end. */
  eachTile(panel: Panel, from: Bound, body: (start: Value, count: number) => void, wholeTo = panel.whole): void {
    const { b, rows } = this
    const rest = this.shape.time % rows
    b.for(from, wholeTo, rows, (start) => body(start, rows))
    if (rest > 0) b.for(panel.whole, panel.end, rows, (start) => body(start, rest))
  }

  queryTiles(panel: Panel, body: (tile: QueryTile) => void): void {
    const { b } = this
    this.eachTile(panel, panel.first, (query, rows) => {
      const position = this.#placeOf(query)
      const from = this.#scoreStart(this.#firstSeen(position, 1))
      const row = b.op('intSub', [query, panel.first])
      body({ row, query, position, rows, from, to: b.intAdd(position, rows), panelFrom: panel.firstScore })
    })
  }

  /** Copies the rows of a head from `rows` on that are the panel's, times `factor`. */
  packRows(name: string, head: Value, strides: HeadStrides, panel: Panel, factor = 1): PanelRows {
    const { b } = this
    const rowBytes = this.shape.headDim * floatBytes
    const pointer = this.area(name, this.panelRows * rowBytes)
    const rows = this.offset(head, panel.first, strides.time * floatBytes)
    this.copyRows(rows, strides, pointer, b.op('intSub', [panel.end, panel.first]), factor)
    return { left: { pointer, rowBytes, stepBytes: floatBytes }, right: () => ({ pointer, stepBytes: rowBytes }) }
  }
  /** The rows of a head's keys, [T, D] or those that are seen of as many as there are, as a right operand; those under one name are needed at one time only. */
  keyRows(name: string, head: Value, strides: HeadStrides): RightRows {
    const stepBytes = this.shape.headDim * floatBytes
    const pointer = this.area(name, this.length * stepBytes)
    const { from, to } = this.#seenKeys()
    this.copyRows(head, strides, pointer, to, 1, from)
    return { pointer, stepBytes }
  }
  /** Asks the caches for one row of a head. */
  askForRow(row: Value, purpose: PrefetchPurpose): void {
    askForRow(this.b, row, 0, this.shape.headDim * floatBytes, purpose)
  }

  /** Asks for the rows of later heads that lie in them as the tile's do in its own, between two offsets within a row. */
  #askForLater(tile: QueryTile, heads: readonly LaterHead[], fromByte: number, toByte: number): void {
    const { b } = this
    for (const [pointer, strides] of heads) {
      const first = this.offset(pointer, tile.query, strides.time * floatBytes)
      for (let i = 0; i < tile.rows; i++) {
        askForRow(b, b.intAdd(first, i * strides.time * floatBytes), fromByte, toByte, 'readLater')
      }
    }
  }

  /** Copies rows so that none lies between them: rows of a model's width drive one another out of the level-1 cache. */
  copyRows(from: Value, strides: HeadStrides, to: Value, end: Bound, factor = 1, first: Bound = 0): void {
    const { b } = this
    const { headDim } = this.shape
    b.for(first, end, 1, (row) => {
      const source = this.offset(from, row, strides.time * floatBytes)
      const target = this.offset(to, row, headDim * floatBytes)
      this.askForRow(b.intAdd(source, rowsAhead * strides.time * floatBytes), 'read')
      for (let d = 0; d < headDim; d += b.lanes) {
        const lanes = Math.min(b.lanes, headDim - d)
        const value = b.load(b.at(source, d * floatBytes), lanes)
        b.store(factor === 1 ? value : b.mul(value, b.constant(factor)), b.at(target, d * floatBytes), lanes)
      }
    })
  }

  /** Copies [T, D] rows into panels [T / keyPanel][D][keyPanel], as the right operand of a product. */
  transpose(name: string, from: Value, strides: HeadStrides): Value {
    const { b, keyPanel } = this
    const { length } = this
    const to = this.area(name, Math.ceil(length / keyPanel) * keyPanel * this.depth * floatBytes)
    const full = Math.floor(length / keyPanel)
    const panel = (number: Value, rows: number): void => {
      const source = this.offset(from, number, keyPanel * strides.time * floatBytes)
      for (let row = 0; row < keyPanel; row++) {
        this.askForRow(b.intAdd(source, (keyPanel + row) * strides.time * floatBytes), 'read')
      }
      this.transposePanel(source, strides, this.offset(to, number, this.depth * keyPanel * floatBytes), rows)
    }
    const seen = this.#seenKeys()
    const panels = (keys: Bound): Bound =>
      typeof keys === 'number' ? Math.floor(keys / keyPanel) : b.op('intDivImmediate', [keys], keyPanel)
    const end = typeof seen.to === 'number' ? Math.ceil(seen.to / keyPanel) : panels(b.intAdd(seen.to, keyPanel - 1))
    eachPanel(b, [panels(seen.from), end], { full, all: Math.ceil(length / keyPanel) }, (number, short) => {
      panel(number, short ? length - full * keyPanel : keyPanel)
    })
    return to
  }
  transposePanel(from: Value, strides: HeadStrides, to: Value, rows: number): void {
    const source = { pointer: from, rowBytes: strides.time * floatBytes }
    transposeRows(this.b, source, { pointer: to, rowBytes: this.keyPanel * floatBytes }, rows, this.shape.headDim)
  }

  /** scores[i, j] = scale * rows[i] · columns[j], capped where the shape says so; then `slopes` get the cap's derivative. */
  scores(panel: Panel, queries: PanelRows, columns: Value, scores: Value, slopes?: Value): void {
    const { b } = this
    const { softCap } = this.shape
    const scale = this.scales.scores
    this.products(panel, queries, columns, (sum, at) => {
      const score = scale === 1 ? sum : b.mul(sum, b.constant(scale))
      if (softCap === undefined) return b.store(score, at(scores))
      const bounded = tanh(b, b.mul(score, b.constant(1 / softCap)))
      b.store(b.mul(bounded, b.constant(softCap)), at(scores))
      if (slopes) b.store(b.sub(b.constant(1), b.mul(bounded, bounded)), at(slopes))
    })
  }

  /**
   * rows[i] · columns[j] for the keys j that tiles see, rounded to whole panels; `at` is its address in a set of scores.
   * All tiles of a panel of keys before the next one: it is then in the level-1 cache.
   */
  products(
    panel: Panel,
    { left }: PanelRows,
    columns: Value,
    done: (sum: Value, at: (scores: Value) => Address) => void,
  ): void {
    const { b, keyPanel } = this
    const { window } = this.shape
    const floor = (key: Bound) => (typeof key === 'number' ? key : b.op('intDivImmediate', [key], keyPanel))
    const panels = b.op('intDivImmediate', [b.intAdd(this.#placeOf(panel.end), keyPanel - 1)], keyPanel)
    b.for(floor(panel.firstScore), panels, 1, (number) => {
      const key = b.intMul(number, keyPanel)
      const right = {
        pointer: this.offset(columns, number, this.depth * keyPanel * floatBytes),
        rowBytes: 0,
        stepBytes: keyPanel * floatBytes,
      }
      const first = this.#queryAt(key)
      const from = b.intMax(this.floorTo(this.#start ? b.intMax(first, 0) : first, this.rows), panel.first)
      const to = window === undefined ? panel.whole : b.intMin(panel.whole, b.intAdd(first, keyPanel + window - 1))
      const tile = (position: Value, rows: number, vectors = this.vectors): void => {
        const row = b.op('intSub', [position, panel.first])
        const shape = { rows, vectors, lastLanes: b.lanes, pairs: this.pairs }
        const at = b.intAdd(b.intMul(row, this.scoreStride * floatBytes), b.intMul(key, floatBytes))
        const rowsLeft = { ...left, pointer: this.offset(left.pointer, row, left.rowBytes) }
        matmulTile(b, shape, rowsLeft, right, this.depth, (i, v, sum) => {
          done(sum, (scores) => b.at(scores, (i * this.scoreStride + v * b.lanes) * floatBytes, at, 1))
        })
      }
      if (this.vectors === 1) return this.eachTile(panel, from, tile, to)
      // tiles before this one see no key of the second vector
      const seesAll = this.floorTo(b.intMax(b.intAdd(first, b.lanes), 0), this.rows)
      b.for(from, b.intMin(seesAll, to), this.rows, (position) => tile(position, this.rows, 1))
      this.eachTile(panel, b.intMax(from, seesAll), tile, to)
    })
  }

  /** The address of a tile's scores. */
  tileScores(scores: Value, { row }: QueryTile): Value {
    return this.offset(scores, row, this.scoreStride * floatBytes)
  }

  /** A left operand that reads a tile's final scores by rows, from its first key on. */
  scoreRows(scores: Value, tile: QueryTile): TileOperand {
    const pointer = this.offset(this.tileScores(scores, tile), tile.from, floatBytes)
    return { pointer, rowBytes: this.scoreStride * floatBytes, stepBytes: floatBytes }
  }
  /** A tile's final scores are ready to be read by columns. */
  columnsReady(_name: string, _scores: Value, _panel: Panel, _tile: QueryTile): void {}
  /** A left operand that reads final scores by columns, from a key and from a row of the panel, the first of a tile, on. */
  scoreColumns(_name: string, scores: Value, key: Value, row: Value): TileOperand {
    const stepBytes = this.scoreStride * floatBytes
    return {
      pointer: this.offset(this.offset(scores, row, stepBytes), key, floatBytes),
      rowBytes: floatBytes,
      stepBytes,
    }
  }

  /** A tile's final scores times rows of keys; a part of the later heads is asked for with each panel of columns. */
  timesKeys(
    tile: QueryTile,
    scores: Value,
    { pointer, stepBytes }: RightRows,
    later: readonly LaterHead[],
    done: (i: number, byte: number, sum: Value, lanes: number) => void,
  ): void {
    const { b } = this
    const { from, to } = tile
    const skipped = typeof from === 'number' ? from : this.keySteps(from)
    const steps = this.keySteps(typeof from === 'number' ? b.intAdd(to, -from) : b.op('intSub', [to, from]))
    const right = { pointer: this.offset(pointer, skipped, stepBytes), stepBytes }
    this.timesRows(tile.rows, this.scoreRows(scores, tile), right, steps, done, {
      ahead: (from, to) => this.#askForLater(tile, later, from, to),
    })
  }

  /** left times [steps, D] rows of `right`, one panel of D at a time; `done` gets the column's byte offset. */
  timesRows(
    rowCount: number,
    left: TileOperand,
    right: RightRows,
    steps: Value,
    done: (i: number, byte: number, sum: Value, lanes: number) => void,
    { initial, ahead }: RowsOptions = {},
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
      ahead?.(d * floatBytes, (d + columns) * floatBytes)
      matmulTile(
        b,
        shape,
        left,
        { pointer: b.intAdd(right.pointer, d * floatBytes), rowBytes: 0, stepBytes: right.stepBytes },
        steps,
        (i, v, sum) => done(i, byteOf(v), sum, lanesOf(b, shape, v)),
        { initial: initial && ((i, v) => initial(i, byteOf(v), lanesOf(b, shape, v))) },
      )
    }
  }
}
