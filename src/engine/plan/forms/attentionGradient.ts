/**
 * The gradient of attention, with the scores computed again:
 *
 *   P = softmax(scale q kᵀ)   dP = dOut vᵀ   dS = P ∘ (dP - Σ_j P dP) * scale
 *   dq = dS k   dk = dSᵀ q   dv = Pᵀ dOut
 *
 * With a soft cap, dS is multiplied by its slope, which is kept beside the scores. With dropout, D being 0 or 1 / (1 - rate): dP = D ∘ (dOut vᵀ) and dv = (P ∘ D)ᵀ dOut, D drawn again.
 *
 * A unit is one key head of one batch entry with all query heads that share it, so that only one unit adds to dk and dv; where
 * those are few units, some of these query heads, and their parts of dk and dv are added up afterwards.
 */
import { contiguous } from '../../ir/layout.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import type { Form } from '../launchSpec.ts'
import { askForRow, laterHeads, rowsAhead, type LaterHead } from './attentionAhead.ts'
import { dropoutArguments, dropoutMask, type DropoutMask } from './attentionDropout.ts'
import { attentionTiles } from './attentionPairs.ts'
import { gradientParts, sumOfPartsKernel } from './attentionParts.ts'
import {
  attentionShape,
  floatBytes,
  headStrides,
  queryHeadsOfUnit,
  type AttentionShape,
  type HeadStrides,
} from './attentionShape.ts'
import { keptKeys, TileSoftmax, type HeadOfBatch } from './attentionSoftmax.ts'
import type { Panel, RightRows } from './attentionPanel.ts'
import type { AttentionTiles } from './attentionTiles.ts'
import type { FusedKernel } from './fused.ts'

export const attentionGradientForm: Form = {
  accepts: (k, layout) => k > 3 || layout.strides[3] === 1,
  lower: (context) => {
    const { node, operands, target } = context
    const [q, k, v, out] = operands.map((operand) => operand.layout)
    const shape = attentionShape(node, q!, k!, v!, out!)
    const packed = headStrides(contiguous(node.shape))
    const parts = gradientParts(shape)
    const partBytes = parts.count * parts.size * floatBytes
    const storage = parts.count > 1 ? context.temporary(partBytes) : undefined
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
        ...(storage ? [{ storage, offset: 0, access: 'write' } as const] : []),
      ],
      label: `attention gradient [${q!.shape.join(', ')}]`,
      flops: node.op.flops(node.inputs, node, node.attributes),
      bytes: (shape.heads * 3 + shape.keyHeads * 4) * shape.batch * shape.time * shape.headDim * floatBytes,
    })
    if (!storage) return
    context.launch({
      key: `attentionGradient sum ${JSON.stringify(shape)}`,
      build: () => sumOfPartsKernel(shape, parts, packed, target),
      buffers: [{ storage, offset: 0, access: 'read' }, context.write()],
      label: `sum of ${parts.count} parts`,
      flops: parts.count * parts.size,
      bytes: partBytes + parts.size * floatBytes,
    })
  },
}

/** Heads whose scores and their gradients lie in the level-2 cache together are one panel: nothing is added to sums in memory. */
const wholeBytes = 90_000

/**
 * Arguments: q, k, v, dOut, what the dropout draws from if there is one, and the result [B, T, heads + 2 keyHeads, D] holding
 * dq | dk | dv; with parts of dk | dv these as well, one after another, and the result gets dq alone.
 */
function attentionGradientKernel(shape: AttentionShape, packed: HeadStrides, target: KernelTarget): FusedKernel {
  const tiles = attentionTiles('attention gradient', shape, target, wholeBytes)
  const { b } = tiles
  const [qs, ks, vs, outs] = [b.pointer(), b.pointer(), b.pointer(), b.pointer()]
  const dropout = dropoutMask(b, shape)
  const gradients = b.pointer()
  const { share, count, strides, size } = gradientParts(shape)
  const parts = count > 1 ? b.pointer() : undefined
  const sums = parts ? strides : packed
  const emitter = new GradientEmitter(tiles, packed, sums, dropout)
  const units = shape.heads / share
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const headsOf = (unit: Value) => {
      const batch = b.op('intDivImmediate', [unit], units)
      const first = b.intMul(b.op('intModImmediate', [unit], units), share)
      const keyHead = b.op('intDivImmediate', [first], shape.heads / shape.keyHeads)
      const [k, v] = [tiles.head(ks, shape.k, batch, keyHead), tiles.head(vs, shape.v, batch, keyHead)]
      return { batch, first, keyHead, k, v }
    }
    const { batch, first, keyHead, k, v } = headsOf(unit)
    const next = headsOf(b.intAdd(unit, 1))
    const part = parts && b.intAdd(parts, b.intMul(b.op('intModImmediate', [unit], count), size * floatBytes))
    const sumOf = (k: number): Value =>
      part
        ? tiles.head(part, sums, batch, b.intAdd(keyHead, k * shape.keyHeads))
        : tiles.head(gradients, packed, batch, b.intAdd(keyHead, shape.heads + k * shape.keyHeads))
    const [dk, dv] = [sumOf(0), sumOf(1)]
    const keys = emitter.prepare(k, v, [dk, dv])
    b.for(0, share, 1, (member) => {
      const head = b.intAdd(first, member)
      const q = tiles.head(qs, shape.q, batch, head)
      const dOut = tiles.head(outs, shape.out, batch, head)
      const nextHead = b.intAdd(next.first, member)
      const later = laterHeads(shape, [
        [next.k, shape.k],
        [next.v, shape.v],
        [tiles.head(qs, shape.q, next.batch, nextHead), shape.q],
        [tiles.head(outs, shape.out, next.batch, nextHead), shape.out],
      ])
      emitter.head({ batch, head, q, dOut, dq: tiles.head(gradients, packed, batch, head), dk, dv, later }, keys)
    })
  })
  return { kernel: b.finish(), units: shape.batch * units }
}

/** Of one key head. */
interface PackedKeys {
  readonly keyColumns: Value
  readonly valueColumns: Value
  readonly keys: RightRows
}

interface HeadPointers extends HeadOfBatch {
  readonly q: Value
  readonly dOut: Value
  readonly dq: Value
  readonly dk: Value
  readonly dv: Value
  readonly later: readonly LaterHead[]
}

class GradientEmitter {
  readonly #tiles: AttentionTiles
  /** Of dq. */
  readonly #packed: HeadStrides
  /** Of dk and dv. */
  readonly #sums: HeadStrides
  readonly #dropout: DropoutMask | undefined
  readonly #p: Value
  readonly #ds: Value
  /** Where the slopes of the soft cap lie, if there is one. */
  readonly #slopes: Value | undefined

  constructor(tiles: AttentionTiles, packed: HeadStrides, sums: HeadStrides, dropout: DropoutMask | undefined) {
    this.#tiles = tiles
    this.#packed = packed
    this.#sums = sums
    this.#dropout = dropout
    this.#p = tiles.scoreArea('p')
    this.#ds = tiles.scoreArea('ds')
    this.#slopes = tiles.shape.softCap === undefined ? undefined : tiles.scoreArea('slopes')
  }

  /** Whether the gradients of a head's keys are sums over several panels or query heads. */
  get #addsUp(): boolean {
    const { panelRows, shape } = this.#tiles
    return panelRows < shape.time || queryHeadsOfUnit(shape) > 1
  }

  /** Transposes keys and values, and copies keys; clears the sums where there will be any. */
  prepare(k: Value, v: Value, sums: readonly Value[]): PackedKeys {
    const tiles = this.#tiles
    const { b, shape } = tiles
    for (const sum of this.#addsUp ? sums : []) {
      b.for(0, shape.time, 1, (t) => {
        const row = tiles.offset(sum, t, this.#sums.time * floatBytes)
        tiles.askForRow(b.intAdd(row, rowsAhead * this.#sums.time * floatBytes), 'write')
        for (let d = 0; d < shape.headDim; d += b.lanes) {
          b.store(b.constant(0), b.at(row, d * floatBytes), Math.min(b.lanes, shape.headDim - d))
        }
      })
    }
    return {
      keyColumns: tiles.transpose('keys', k, shape.k),
      valueColumns: tiles.transpose('values', v, shape.v),
      keys: tiles.keyRows('keys by rows', k, shape.k),
    }
  }

  head(heads: HeadPointers, { keyColumns, valueColumns, keys }: PackedKeys): void {
    const tiles = this.#tiles
    const { b, shape, scales } = tiles
    tiles.panels((panel) => {
      const queries = tiles.packRows('queries', heads.q, shape.q, panel, scales.queries)
      const dOuts = tiles.packRows('dOuts', heads.dOut, shape.out, panel)
      tiles.scores(panel, queries, keyColumns, this.#p, this.#slopes)
      tiles.products(panel, dOuts, valueColumns, (sum, at) => b.store(sum, at(this.#ds)))
      tiles.queryTiles(panel, (tile) => {
        const rows = tiles.offset(heads.dq, tile.position, this.#packed.time * floatBytes)
        for (let i = 0; i < tile.rows; i++) tiles.askForRow(b.intAdd(rows, i * this.#packed.time * floatBytes), 'write')
        const kept = this.#dropout && keptKeys(tiles, tile, this.#dropout, heads)
        new TileSoftmax(tiles, tile, this.#p).gradient(this.#ds, this.#slopes, kept, this.#dropout?.factor)
        tiles.timesKeys(tile, this.#ds, keys, heads.later, (i, byte, sum, lanes) => {
          const scaled = scales.queries === 1 ? sum : b.mul(sum, b.constant(scales.queries))
          b.store(scaled, b.at(rows, i * this.#packed.time * floatBytes + byte), lanes)
        })
        tiles.columnsReady('ds', this.#ds, panel, tile)
        tiles.columnsReady('p', this.#p, panel, tile)
      })
      const [right, dOutRight] = [queries.right(), dOuts.right()]
      tiles.eachTile(panel, panel.firstKey, (key, count) => {
        this.#addTransposed('ds', this.#ds, panel, key, count, right, heads.dk)
        this.#addTransposed('p', this.#p, panel, key, count, dOutRight, heads.dv)
      })
    })
  }

  /** sum[key + j] += Σ_i scores[i, key + j] * right[i] over the panel's rows i from the tile on that sees the key. */
  #addTransposed(
    name: string,
    scores: Value,
    panel: Panel,
    key: Value,
    count: number,
    right: RightRows,
    sums: Value,
  ): void {
    const tiles = this.#tiles
    const { b } = tiles
    const first = b.intMax(key, panel.first)
    const row = b.op('intSub', [first, panel.first])
    const sum = tiles.offset(sums, key, this.#sums.time * floatBytes)
    const at = (j: number, byte: number) => b.at(sum, j * this.#sums.time * floatBytes + byte)
    tiles.timesRows(
      count,
      tiles.scoreColumns(name, scores, key, row),
      { ...right, pointer: tiles.offset(right.pointer, tiles.rowSteps(row), right.stepBytes) },
      tiles.rowSteps(b.op('intSub', [panel.end, first])),
      (j, byte, value, lanes) => b.store(value, at(j, byte), lanes),
      {
        ...(this.#addsUp && { initial: (j, byte, lanes) => b.load(at(j, byte), lanes) }),
        ahead: (fromByte, toByte) => {
          for (let j = 0; j < count; j++)
            askForRow(b, b.intAdd(sum, (count + j) * this.#sums.time * floatBytes), fromByte, toByte, 'write')
        },
      },
    )
  }
}
