/**
 * The gradient of attention, with the scores computed again:
 *
 *   P = softmax(scale q kᵀ)   dP = dOut vᵀ   dS = P ∘ (dP - Σ_j P dP) * scale
 *   dq = dS k   dk = dSᵀ q   dv = Pᵀ dOut
 *
 * With a soft cap, dS is multiplied by its slope, which is kept beside the scores. With dropout, D being 0 or 1 / (1 - rate): dP = D ∘ (dOut vᵀ) and dv = (P ∘ D)ᵀ dOut, D drawn again.
 *
 * A unit is one key head of one batch entry with all query heads that share it, so that only one unit adds to dk and dv.
 */
import { contiguous } from '../../ir/layout.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Address, Value } from '../../kernel/kernel.ts'
import type { Form } from '../launchSpec.ts'
import { attentionShape, headStrides } from './attention.ts'
import { dropoutArguments, dropoutMask, type DropoutMask, type KeptKeys } from './attentionDropout.ts'
import { attentionTiles } from './attentionPairs.ts'
import { floatBytes } from './attentionTiles.ts'
import type { AttentionShape, AttentionTiles, HeadStrides, RightRows } from './attentionTiles.ts'
import type { FusedKernel } from './fused.ts'

export const attentionGradientForm: Form = {
  accepts: (k, layout) => k > 3 || layout.strides[3] === 1,
  lower: (context) => {
    const { node, operands, target } = context
    const [q, k, v, out] = operands.map((operand) => operand.layout)
    const shape = attentionShape(node, q!, k!, v!, out!)
    const packed = headStrides(contiguous(node.shape))
    context.launch({
      key: `attentionGradient ${JSON.stringify(shape)}`,
      build: () => attentionGradientKernel(shape, packed, target),
      buffers: [
        context.read(0),
        context.read(1),
        context.read(2),
        context.read(3),
        ...dropoutArguments(context, 4),
        context.write(),
      ],
      label: `attention gradient [${q!.shape.join(', ')}]`,
      flops: node.op.flops(node.inputs, node, node.attributes),
      bytes: (shape.heads * 3 + shape.keyHeads * 4) * shape.batch * shape.time * shape.headDim * floatBytes,
    })
  },
}

/** Arguments: q, k, v, dOut, what the dropout draws from if there is one, and the result [B, T, heads + 2 keyHeads, D] holding dq | dk | dv. */
function attentionGradientKernel(shape: AttentionShape, packed: HeadStrides, target: KernelTarget): FusedKernel {
  const tiles = attentionTiles('attention gradient', shape, target)
  const { b } = tiles
  const [qs, ks, vs, outs] = [b.pointer(), b.pointer(), b.pointer(), b.pointer()]
  const dropout = dropoutMask(b, shape)
  const gradients = b.pointer()
  const emitter = new GradientEmitter(tiles, packed, dropout)
  const group = shape.heads / shape.keyHeads
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const batch = b.op('intDivImmediate', [unit], shape.keyHeads)
    const keyHead = b.op('intModImmediate', [unit], shape.keyHeads)
    const k = tiles.head(ks, shape.k, batch, keyHead)
    const v = tiles.head(vs, shape.v, batch, keyHead)
    const dk = tiles.head(gradients, packed, batch, b.intAdd(keyHead, shape.heads))
    const dv = tiles.head(gradients, packed, batch, b.intAdd(keyHead, shape.heads + shape.keyHeads))
    emitter.prepare(k, v, dk, dv)
    b.for(0, group, 1, (member) => {
      const head = b.intAdd(b.intMul(keyHead, group), member)
      emitter.head({
        kept: (position) => dropout?.row(batch, head, position),
        q: tiles.head(qs, shape.q, batch, head),
        k,
        dOut: tiles.head(outs, shape.out, batch, head),
        dq: tiles.head(gradients, packed, batch, head),
        dk,
        dv,
      })
    })
  })
  return { kernel: b.finish(), units: shape.batch * shape.keyHeads }
}

interface HeadPointers {
  /** The mask of the query at a position, undefined without dropout. */
  readonly kept: (position: Value) => KeptKeys | undefined
  readonly q: Value
  readonly k: Value
  readonly dOut: Value
  readonly dq: Value
  readonly dk: Value
  readonly dv: Value
}

class GradientEmitter {
  readonly #tiles: AttentionTiles
  readonly #packed: HeadStrides
  readonly #dropout: DropoutMask | undefined
  readonly #keys: Value
  readonly #values: Value
  readonly #p: Value
  readonly #ds: Value
  /** Where the slopes of the soft cap lie, if there is one. */
  readonly #slopes: Value | undefined

  constructor(tiles: AttentionTiles, packed: HeadStrides, dropout: DropoutMask | undefined) {
    this.#tiles = tiles
    this.#packed = packed
    this.#dropout = dropout
    this.#keys = tiles.reserveTransposed()
    this.#values = tiles.reserveTransposed()
    this.#p = tiles.reserveScores()
    this.#ds = tiles.reserveScores()
    this.#slopes = tiles.shape.softCap === undefined ? undefined : tiles.reserveScores()
  }

  /** Transposes keys and values, and clears the sums. */
  prepare(k: Value, v: Value, dk: Value, dv: Value): void {
    const { b, shape } = this.#tiles
    this.#tiles.transpose(k, shape.k, this.#keys)
    this.#tiles.transpose(v, shape.v, this.#values)
    b.for(0, shape.time, 1, (t) => {
      for (const sum of [dk, dv]) {
        const row = b.intAdd(sum, b.intMul(t, this.#packed.time * floatBytes))
        for (let d = 0; d < shape.headDim; d += b.lanes) {
          b.store(b.constant(0), b.at(row, d * floatBytes), Math.min(b.lanes, shape.headDim - d))
        }
      }
    })
  }

  head({ kept, q, k, dOut, dq, dk, dv }: HeadPointers): void {
    const tiles = this.#tiles
    const { b, shape } = tiles
    const rowsAt = (base: Value, strides: HeadStrides, first: Value): Value =>
      b.intAdd(base, b.intMul(first, strides.time * floatBytes))
    const keys = tiles.keyRows('keys', k, shape.k)
    tiles.panels((first, rows, seen) => {
      const qRows = rowsAt(q, shape.q, first)
      const dOutRows = rowsAt(dOut, shape.out, first)
      tiles.scores(rows, seen, qRows, shape.q, this.#keys, this.#p, this.#slopes)
      tiles.products(rows, seen, dOutRows, shape.out, this.#values, (sum, at) => b.store(sum, at(this.#ds)))
      for (let i = 0; i < rows; i++) {
        const position = b.intAdd(first, i)
        this.#rowGradient(i, position, seen, kept(position))
      }
      const dqRows = rowsAt(dq, this.#packed, first)
      const dScores = tiles.scoreRows(this.#ds, rows, seen)
      tiles.timesRows(rows, dScores, keys, tiles.keySteps(seen), (i, byte, sum, lanes) => {
        b.store(sum, b.at(dqRows, i * this.#packed.time * floatBytes + byte), lanes)
      })
      const [ds, p] = [tiles.columnsOf('ds', this.#ds, rows, seen), tiles.columnsOf('p', this.#p, rows, seen)]
      const queries = tiles.rightRows('queries', qRows, shape.q, rows)
      const dOuts = tiles.rightRows('dOuts', dOutRows, shape.out, rows)
      this.#keyPanels(first, rows, (key, count) => {
        this.#addTransposed(ds, key, count, rows, queries, rowsAt(dk, this.#packed, key))
        this.#addTransposed(p, key, count, rows, dOuts, rowsAt(dv, this.#packed, key))
      })
    })
  }

  /**
   * One row: dS over dOut vᵀ, and over the scores P ∘ D, which is P without dropout. In between, -P stands for a P that is
   * dropped, so that the mask is drawn once.
   */
  #rowGradient(i: number, position: Value, keys: Value, kept?: KeptKeys): void {
    const tiles = this.#tiles
    const { b, shape } = tiles
    const p = tiles.scoreRow(this.#p, i)
    const ds = tiles.scoreRow(this.#ds, i)
    const inverse = b.div(b.constant(1), tiles.exponentials(p, position, keys))
    const dot = b.variable(b.constant(0))
    tiles.seen(position, keys, (j, mask) => {
      const normal = b.mul(b.load(b.at(p, 0, j, floatBytes)), inverse)
      if (kept) this.#drop(kept(j), normal, b.at(p, 0, j, floatBytes), b.at(ds, 0, j, floatBytes))
      else b.store(normal, b.at(p, 0, j, floatBytes))
      const product = b.mul(normal, b.load(b.at(ds, 0, j, floatBytes)))
      b.assign(dot, b.add(dot, b.select(mask, product, b.constant(0))))
    })
    const total = b.op('reduceAdd', [dot])
    const slopes = this.#slopes && tiles.scoreRow(this.#slopes, i)
    tiles.seen(position, keys, (j, mask) => {
      const centred = b.sub(b.load(b.at(ds, 0, j, floatBytes)), total)
      const normal = kept ? this.#undropped(b.at(p, 0, j, floatBytes)) : b.load(b.at(p, 0, j, floatBytes))
      const dScore = b.mul(b.mul(normal, centred), b.constant(shape.scale))
      const scaled = slopes ? b.mul(dScore, b.load(b.at(slopes, 0, j, floatBytes))) : dScore
      b.store(b.select(mask, scaled, b.constant(0)), b.at(ds, 0, j, floatBytes))
    })
  }

  /** Stores P, negative where dropped, and multiplies dP by D. */
  #drop(kept: Value, normal: Value, p: Address, dp: Address): void {
    const { b } = this.#tiles
    b.store(b.select(kept, normal, b.op('neg', [normal])), p)
    b.store(b.select(kept, b.mul(b.load(dp), b.constant(this.#dropout!.factor)), b.constant(0)), dp)
  }

  /** Replaces what `#drop` stored by P ∘ D; returns P. */
  #undropped(p: Address): Value {
    const { b } = this.#tiles
    const signed = b.load(p)
    b.store(b.mul(b.max(signed, b.constant(0)), b.constant(this.#dropout!.factor)), p)
    return b.op('abs', [signed])
  }

  /** Panels of the keys that the rows from `first` on see: whole ones before, then their own. */
  #keyPanels(first: Value, rows: number, panel: (key: Value, count: number) => void): void {
    const { b, rows: full } = this.#tiles
    b.for(0, first, full, (key) => panel(key, full))
    panel(first, rows)
  }

  /** sum[key + j] += Σ_i left[i, key + j] * right[i] */
  #addTransposed(left: Value, key: Value, count: number, rows: number, right: RightRows, sum: Value): void {
    const tiles = this.#tiles
    const { b } = tiles
    const at = (j: number, byte: number) => b.at(sum, j * this.#packed.time * floatBytes + byte)
    tiles.timesRows(
      count,
      tiles.scoreColumns(left, key),
      right,
      tiles.rowSteps(rows),
      (j, byte, value, lanes) => b.store(value, at(j, byte), lanes),
      (j, byte, lanes) => b.load(at(j, byte), lanes),
    )
  }
}
