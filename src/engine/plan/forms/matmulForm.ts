/** Reads a matmul node's operands as matrices and makes its one or two launches. */
import type { Layout } from '../../ir/layout.ts'
import { isBf16 } from '../../ops/precision.ts'
import type { Form, FormContext } from '../launchSpec.ts'
import type { PlanNode } from '../node.ts'
import { MatmulPlan, packKernel, type MatmulShape } from './matmul.ts'
import { matmulKernel } from './matmulKernel.ts'
import { lowerPairs, packsFrom } from './pairMatmul.ts'
import { isRowMatmul, lowerRowMatmul } from './rowMatmul.ts'

const floatBytes = 4

export const matmulForm: Form = {
  accepts: (_, layout, node) => acceptsFactor(layout, node),
  lower: (context) => lowerProduct(context, 0),
}

/** Where the plan gave the result the storage of the base, the base is there already. */
export const matmulAddForm: Form = {
  accepts: (k, layout, node) => k === 0 || acceptsFactor(layout, node),
  lower: (context) => {
    if (context.read(0).storage !== context.write().storage) context.copy(0, 0)
    lowerProduct(context, 1)
  },
}

/** The product of operands `first` and the next; a base before them is what the result holds already. */
function lowerProduct(context: FormContext, first: 0 | 1): void {
  const [a, b] = context.operands.slice(first).map((operand) => operand.layout)
  if (isBf16(context.node.attributes)) return lowerPairs(context, shapeOf(a!, b!), sizeText(shapeOf(a!, b!)), first)
  const shape = shapeOf(a!, b!)
  if (first === 0 && isRowMatmul(shape)) return lowerRowMatmul(context, shape, `matmul ${sizeText(shape)}`)
  const plan = new MatmulPlan(shape, context.target)
  const key = JSON.stringify(shape)
  const rightBytes = shape.batch * shape.k * shape.n * floatBytes
  const resultBytes = shape.batch * shape.m * shape.n * floatBytes
  let right = context.read(first + 1)
  if (plan.packed) {
    const from = right
    const storage = context.rearranged(first + 1, `pack ${key}`, plan.packedBytes, (to) => ({
      key: `pack ${key}`,
      build: () => ({ kernel: packKernel(plan), units: plan.packUnits }),
      buffers: [from, to],
      label: `pack [${shape.k}, ${shape.n}]`,
      flops: 0,
      bytes: 2 * rightBytes,
    }))
    right = { storage, offset: 0, access: 'read' }
  }
  context.launch({
    key: `matmul ${first} ${key}`,
    build: () => ({ kernel: matmulKernel(plan, first > 0), units: plan.units, grain: plan.grain }),
    buffers: [context.read(first), right, context.write()],
    label: `matmul ${sizeText(shape)}`,
    flops: 2 * shape.batch * shape.m * shape.n * shape.k,
    bytes: rightBytes + shape.batch * shape.m * shape.k * floatBytes + (1 + first) * resultBytes,
  })
}

function acceptsFactor(layout: Layout, { attributes }: PlanNode): boolean {
  if (batchOf(layout) === undefined) return false
  return !isBf16(attributes) || packsFrom(layout.strides.at(-2)!, layout.strides.at(-1)!)
}

function sizeText({ batch, m, k, n }: MatmulShape): string {
  return `${batch > 1 ? `${batch} x ` : ''}[${m}, ${k}] x [${k}, ${n}]`
}

function shapeOf(a: Layout, b: Layout): MatmulShape {
  const batch = batchOf(a)!
  return {
    batch: batch.count,
    m: a.shape.at(-2)!,
    n: b.shape.at(-1)!,
    k: a.shape.at(-1)!,
    aBatch: batch.stride,
    aRow: a.strides.at(-2)!,
    aStep: a.strides.at(-1)!,
    bBatch: batchOf(b)!.stride,
    bStep: b.strides.at(-2)!,
    bColumn: b.strides.at(-1)!,
  }
}

/** All axes but the last two as one, or undefined where they are not equally far apart. */
function batchOf(layout: Layout): { count: number; stride: number } | undefined {
  let count = 1
  let stride = 0
  for (let axis = layout.shape.length - 3; axis >= 0; axis--) {
    const size = layout.shape[axis]!
    if (size === 1) continue
    if (count === 1) stride = layout.strides[axis]!
    else if (layout.strides[axis] !== stride * count) return undefined
    count *= size
  }
  return { count, stride }
}
