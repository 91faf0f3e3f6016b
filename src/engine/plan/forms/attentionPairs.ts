/**
 * Attention with operands rounded to bf16: each product's operands are first packed into pairs in scratch memory. Along D
 * and along the rows of a panel, halves are paired; along the keys, which end where the panel's rows do, the two vectors of
 * each stretch of 2 · lanes keys, so that packing goes by whole vectors.
 */
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { bf16Pair } from '../../kernel/pairs.ts'
import { AttentionTiles, floatBytes, type AttentionShape, type HeadStrides, type RightRows } from './attentionTiles.ts'
import type { TileOperand } from './matmulTile.ts'
import { PairPacker, type PairLayout } from './pairPack.ts'

const wordBytes = 4
/** Registers that the halves of pairs take where products are expanded. */
const registersForHalves = 4

/** What works on the tiles of this shape, in its precision. */
export function attentionTiles(name: string, shape: AttentionShape, target: KernelTarget): AttentionTiles {
  if (shape.precision !== 'bf16') return new AttentionTiles(name, shape, target)
  const spare = target.bf16 === 'expanded' ? registersForHalves : 0
  return new PairAttentionTiles(name, shape, { ...target, vectorRegisters: target.vectorRegisters - spare })
}

class PairAttentionTiles extends AttentionTiles {
  /** Offsets of what is packed, and packers, by name. */
  readonly #areas = new Map<string, number>()
  readonly #packers = new Map<string, PairPacker>()

  override get pairs(): boolean {
    return true
  }
  override get depth(): number {
    return Math.ceil(this.shape.headDim / 2)
  }
  /** Keys of which each vector of pairs has one number. */
  get #stretch(): number {
    return 2 * this.b.lanes
  }

  override keySteps(keys: Value): Value {
    const { b } = this
    const whole = b.intMul(b.op('intDivImmediate', [keys], this.#stretch), b.lanes)
    return b.intAdd(whole, b.intMin(b.op('intModImmediate', [keys], this.#stretch), b.lanes))
  }
  override keyEnd(keys: Value): Value {
    const { b } = this
    const stretches = b.op('intDivImmediate', [b.intAdd(keys, this.#stretch - 1)], this.#stretch)
    return b.intMul(stretches, this.#stretch)
  }
  override rowSteps(rows: number): number {
    return Math.ceil(rows / 2)
  }

  override transpose(from: Value, strides: HeadStrides, to: Value): void {
    const { b, keyPanel } = this
    const { time, headDim } = this.shape
    const packer = this.#packer({
      count: keyPanel,
      stride: strides.time,
      k: headDim,
      step: 1,
      width: keyPanel,
      layout: 'transposed',
      toStride: keyPanel * wordBytes,
    })
    const panelFrom = (panel: Value) => b.intAdd(from, b.intMul(panel, keyPanel * strides.time * floatBytes))
    const panelTo = (panel: Value) => b.intAdd(to, b.intMul(panel, this.depth * keyPanel * wordBytes))
    const full = Math.floor(time / keyPanel)
    b.for(0, full, 1, (panel) => packer.panel(panelFrom(panel), panelTo(panel)))
    const rest = time - full * keyPanel
    if (rest > 0) packer.panel(panelFrom(b.int(full)), panelTo(b.int(full)), rest)
  }

  override leftRows(rows: Value, strides: HeadStrides, count: number): TileOperand {
    const rowBytes = this.depth * wordBytes
    const layout = { k: this.shape.headDim, step: 1, count: this.rows, width: this.rows, layout: 'rows' } as const
    const to = this.#area('left rows', this.rows * rowBytes)
    this.#packer({ ...layout, stride: strides.time, toStride: rowBytes }).panel(rows, to, count)
    return { pointer: to, rowBytes, stepBytes: wordBytes }
  }

  override keyRows(name: string, rows: Value, strides: HeadStrides): RightRows {
    const { b } = this
    const { time } = this.shape
    const stepBytes = this.shape.headDim * wordBytes
    const full = Math.floor(time / this.#stretch)
    const rest = time - full * this.#stretch
    const steps = full * b.lanes + Math.min(rest, b.lanes)
    const to = this.#area(name, steps * stepBytes)
    const pack = (stretch: Value, k: number): void => {
      const from = b.intAdd(rows, b.intMul(stretch, this.#stretch * strides.time * floatBytes))
      this.#bySteps(strides.time, k, b.lanes).panel(from, b.intAdd(to, b.intMul(stretch, b.lanes * stepBytes)))
    }
    b.for(0, full, 1, (stretch) => pack(stretch, this.#stretch))
    if (rest > 0) pack(b.int(full), rest)
    return { pointer: to, stepBytes }
  }

  override rightRows(name: string, rows: Value, strides: HeadStrides, count: number): RightRows {
    const stepBytes = this.shape.headDim * wordBytes
    const to = this.#area(name, this.rowSteps(this.rows) * stepBytes)
    this.#bySteps(strides.time, count, this.rowSteps(count)).panel(rows, to)
    return { pointer: to, stepBytes }
  }

  override scoreRows(scores: Value, count: number, keys: Value): TileOperand {
    const { b } = this
    const rowBytes = (this.scoreStride / 2) * wordBytes
    const to = this.#area('score rows', this.rows * rowBytes)
    for (let i = 0; i < count; i++) {
      const row = this.scoreRow(scores, i)
      b.for(0, this.keyEnd(keys), this.#stretch, (j) => {
        const [low, high] = [0, b.lanes].map((lane) => b.load(b.at(row, lane * floatBytes, j)))
        b.store(bf16Pair(b, low!, high!), b.at(to, i * rowBytes, j, 2))
      })
    }
    return { pointer: to, rowBytes, stepBytes: wordBytes }
  }

  override columnsOf(name: string, scores: Value, rows: number, keys: Value): Value {
    const { b } = this
    const half = this.rowSteps(rows)
    const to = this.#area(name, this.rowSteps(this.rows) * this.scoreStride * wordBytes)
    b.for(0, this.keyEnd(keys), b.lanes, (j) => {
      for (let i = 0; i < half; i++) {
        const low = b.load(b.at(this.scoreRow(scores, i), 0, j))
        const high = i + half < rows ? b.load(b.at(this.scoreRow(scores, i + half), 0, j)) : b.constant(0)
        b.store(bf16Pair(b, low, high), b.at(to, i * this.scoreStride * wordBytes, j))
      }
    })
    return to
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

  #area(name: string, bytes: number): Value {
    const offset = this.#areas.get(name) ?? this.b.reserveScratch(bytes)
    this.#areas.set(name, offset)
    return this.b.intAdd(this.b.scratch, offset)
  }
}
