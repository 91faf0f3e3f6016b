/**
 * Causal multi-head attention, forward: softmax(scale q kᵀ) v, one head of one batch entry per unit. With dropout, the
 * dropped exponentials count in the sum and are zeroed before the product; 1 / (1 - rate) goes into the sum's inverse.
 */
import type { Layout } from '../../ir/layout.ts'
import { contiguous } from '../../ir/layout.ts'
import type { KernelTarget } from '../../kernel/builder.ts'
import { isBf16 } from '../../ops/precision.ts'
import type { PlanNode } from '../node.ts'
import type { Form } from '../launchSpec.ts'
import { dropoutArguments, dropoutMask } from './attentionDropout.ts'
import { attentionTiles } from './attentionPairs.ts'
import { floatBytes, type AttentionShape, type HeadStrides } from './attentionTiles.ts'
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

interface AttentionAttributes {
  readonly scale: number
  readonly window?: number
  readonly softCap?: number
  readonly dropoutRate?: number
}

export function attentionShape(node: PlanNode, q: Layout, k: Layout, v: Layout, out: Layout): AttentionShape {
  const { scale, window, softCap, dropoutRate } = node.attributes as unknown as AttentionAttributes
  const [batch, time, heads, headDim] = q.shape as readonly [number, number, number, number]
  return {
    batch,
    time,
    heads,
    keyHeads: k.shape[2]!,
    headDim,
    scale,
    ...(window !== undefined && window < time ? { window } : {}),
    ...(softCap === undefined ? {} : { softCap }),
    ...(dropoutRate === undefined ? {} : { dropoutRate }),
    ...(isBf16(node.attributes) ? { precision: 'bf16' } : {}),
    q: headStrides(q),
    k: headStrides(k),
    v: headStrides(v),
    out: headStrides(out),
  }
}

export function headStrides(layout: Layout): HeadStrides {
  const [batch, time, head] = layout.strides as readonly [number, number, number]
  return { batch, time, head }
}

/** Arguments: q, k, v, what the dropout draws from if there is one, result. */
function attentionKernel(shape: AttentionShape, target: KernelTarget): FusedKernel {
  const tiles = attentionTiles('attention', shape, target)
  const { b } = tiles
  const [qs, ks, vs] = [b.pointer(), b.pointer(), b.pointer()]
  const dropout = dropoutMask(b, shape)
  const outs = b.pointer()
  const keys = tiles.reserveTransposed()
  const scores = tiles.reserveScores()
  const inverses = b.intAdd(b.scratch, b.reserveScratch(tiles.rows * floatBytes))
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const batch = b.op('intDivImmediate', [unit], shape.heads)
    const head = b.op('intModImmediate', [unit], shape.heads)
    const keyHead = b.op('intDivImmediate', [head], shape.heads / shape.keyHeads)
    const q = tiles.head(qs, shape.q, batch, head)
    const v = tiles.head(vs, shape.v, batch, keyHead)
    const out = tiles.head(outs, shape.out, batch, head)
    tiles.transpose(tiles.head(ks, shape.k, batch, keyHead), shape.k, keys)
    const values = tiles.keyRows('values', v, shape.v)
    tiles.panels((first, rows, seen) => {
      const qRows = b.intAdd(q, b.intMul(first, shape.q.time * floatBytes))
      tiles.scores(rows, seen, qRows, shape.q, keys, scores)
      for (let i = 0; i < rows; i++) {
        const row = tiles.scoreRow(scores, i)
        const position = b.intAdd(first, i)
        const sum = tiles.exponentials(row, position, seen, dropout?.row(batch, head, position))
        b.store(b.div(b.constant(dropout?.factor ?? 1), sum), b.at(inverses, i * floatBytes), 1)
      }
      const outRows = b.intAdd(out, b.intMul(first, shape.out.time * floatBytes))
      const weights = tiles.scoreRows(scores, rows, seen)
      tiles.timesRows(rows, weights, values, tiles.keySteps(seen), (i, byte, sum, lanes) => {
        const inverse = b.broadcast(b.at(inverses, i * floatBytes))
        b.store(b.mul(sum, inverse), b.at(outRows, i * shape.out.time * floatBytes + byte), lanes)
      })
    })
  })
  return { kernel: b.finish(), units: shape.batch * shape.heads }
}
