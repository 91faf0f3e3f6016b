/**
 * Causal multi-head attention, forward: softmax(scale q kᵀ) v, one or more heads of one batch entry per unit. With dropout, the
 * dropped exponentials count in the sum and are zeroed before the product; 1 / (1 - rate) goes into the sum's inverse.
 */
import { contiguous } from '../../ir/layout.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import type { Form } from '../launchSpec.ts'
import { laterHeads } from './attentionAhead.ts'
import { dropoutArguments, dropoutMask } from './attentionDropout.ts'
import { attentionTiles } from './attentionPairs.ts'
import { lowerOneQuery } from './attentionOneQuery.ts'
import { attentionShape, floatBytes, queryHeadsOfUnit, type AttentionShape } from './attentionShape.ts'
import { keptKeys, TileSoftmax } from './attentionSoftmax.ts'
import type { FusedKernel } from './fused.ts'

export const attentionForm: Form = {
  accepts: (k, layout) => k > 2 || layout.strides[3] === 1,
  lower: (context) => {
    const { node, operands, target } = context
    const [q, k, v] = operands.map((operand) => operand.layout)
    const shape = attentionShape(node, q!, k!, v!, contiguous(node.shape))
    context.launch({
      key: `attention ${JSON.stringify(shape)}`,
      build: () => attentionKernel(shape, target),
      buffers: [context.read(0), context.read(1), context.read(2), ...dropoutArguments(context, 3), context.write()],
      label: `attention [${q!.shape.join(', ')}]`,
      flops: node.op.flops(node.inputs, node, node.attributes),
      bytes: (shape.heads * 2 + shape.keyHeads * 2) * shape.batch * shape.time * shape.headDim * floatBytes,
    })
  },
}

/** Attention over keys of earlier tokens as well, whose number is read when the kernel runs. */
export const cachedAttentionForm: Form = {
  accepts: (k, layout) => k > 2 || layout.strides[3] === 1,
  lower: (context) => {
    const { node, operands, target } = context
    const [q, k, v] = operands.map((operand) => operand.layout)
    // even with no row to spare the first key is known only then
    const shape = { ...attentionShape(node, q!, k!, v!, contiguous(node.shape)), cached: k!.shape[1]! }
    const label = `attention [${q!.shape.join(', ')}] over at most ${shape.cached} keys`
    if (shape.time === 1) return lowerOneQuery(context, shape, label)
    context.launch({
      key: `cached attention ${JSON.stringify(shape)}`,
      build: () => attentionKernel(shape, target),
      buffers: [context.read(0), context.read(1), context.read(2), context.read(3), context.write()],
      label,
      flops: node.op.flops(node.inputs, node, node.attributes),
      bytes: 2 * shape.batch * (shape.heads * shape.time + shape.keyHeads * shape.cached) * shape.headDim * floatBytes,
    })
  },
}

/** Arguments: q, k, v, how many keys come first if any do, what the dropout draws from if there is one, result. */
function attentionKernel(shape: AttentionShape, target: KernelTarget): FusedKernel {
  const tiles = attentionTiles('attention', shape, target)
  const { b } = tiles
  const [qs, ks, vs] = [b.pointer(), b.pointer(), b.pointer()]
  tiles.takeStart()
  const dropout = dropoutMask(b, shape)
  const outs = b.pointer()
  const scores = tiles.scoreArea('scores')
  const inverses = tiles.area('inverses', tiles.rows * floatBytes)
  const share = queryHeadsOfUnit(shape)
  const units = shape.heads / share
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const headsOf = (unit: Value) => {
      const batch = b.op('intDivImmediate', [unit], units)
      const first = b.intMul(b.op('intModImmediate', [unit], units), share)
      const keyHead = b.op('intDivImmediate', [first], shape.heads / shape.keyHeads)
      return { batch, first, k: tiles.head(ks, shape.k, batch, keyHead), v: tiles.head(vs, shape.v, batch, keyHead) }
    }
    const { batch, first, k, v } = headsOf(unit)
    const next = headsOf(b.intAdd(unit, 1))
    const keys = tiles.transpose('keys', k, shape.k)
    const values = tiles.keyRows('values', v, shape.v)
    b.for(0, share, 1, (member) => {
      const head = b.intAdd(first, member)
      const later = laterHeads(shape, [
        [next.k, shape.k],
        [next.v, shape.v],
        [tiles.head(qs, shape.q, next.batch, b.intAdd(next.first, member)), shape.q],
      ])
      const q = tiles.head(qs, shape.q, batch, head)
      const out = tiles.head(outs, shape.out, batch, head)
      tiles.panels((panel) => {
        const queries = tiles.packRows('queries', q, shape.q, panel, tiles.scales.queries)
        tiles.scores(panel, queries, keys, scores)
        tiles.queryTiles(panel, (tile) => {
          const rows = tiles.offset(out, tile.query, shape.out.time * floatBytes)
          for (let i = 0; i < tile.rows; i++) tiles.askForRow(b.intAdd(rows, i * shape.out.time * floatBytes), 'write')
          const kept = dropout && keptKeys(tiles, tile, dropout, { batch, head })
          new TileSoftmax(tiles, tile, scores).exponentials(kept).forEach((sum, i) => {
            b.store(b.div(b.constant(dropout?.factor ?? 1), sum), b.at(inverses, i * floatBytes), 1)
          })
          tiles.timesKeys(tile, scores, values, later, (i, byte, sum, lanes) => {
            const inverse = b.broadcast(b.at(inverses, i * floatBytes))
            b.store(b.mul(sum, inverse), b.at(rows, i * shape.out.time * floatBytes + byte), lanes)
          })
        })
      })
    })
  })
  return { kernel: b.finish(), units: shape.batch * units }
}
