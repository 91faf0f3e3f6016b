/** Reads the operands of products by group as matrices and makes their launches. */
import { isContiguous, type Layout } from '../../ir/layout.ts'
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { BufferUse, Form, FormContext } from '../launchSpec.ts'
import { groupedMatmulKernel, rowsOf } from './groupedKernel.ts'
import { MatmulPlan, packKernel, packPanel } from './matmul.ts'
import { MatmulEmitter } from './matmulKernel.ts'

const floatBytes = 4

/** Matrices are rearranged when at least this many rows read each on average. */
const packFromRows = 48

export const groupedMatmulForm: Form = {
  accepts: (k, layout) => k < 2 || isContiguous(layout),
  lower: (context) => {
    const [x, w] = context.operands.map(({ layout }) => layout) as [Layout, Layout]
    const [groups, k, n] = w.shape as readonly [number, number, number]
    const m = x.shape[0]!
    const plan = new MatmulPlan(
      {
        batch: groups,
        m,
        n,
        k,
        aBatch: 0,
        aRow: x.strides[0]!,
        aStep: x.strides[1]!,
        bBatch: w.strides[0]!,
        bStep: w.strides[1]!,
        bColumn: w.strides[2]!,
      },
      context.target,
    )
    const { shape } = plan
    const packed = shape.bColumn !== 1 || (m >= packFromRows * groups && shape.bStep > plan.panelWidth)
    const key = `${JSON.stringify(shape)} ${packed}`
    const rightBytes = groups * k * n * floatBytes
    let right = context.read(1)
    if (packed) {
      right = pack(context, [right, context.read(2)], {
        key: `grouped pack ${key}`,
        build: () => ({ kernel: packGroupsKernel(plan), units: plan.packUnits }),
        label: `pack ${groups} x [${k}, ${n}]`,
        panelBytes: plan.packedBytes,
        bytes: 2 * rightBytes,
      })
    }
    context.launch({
      key: `grouped matmul ${key}`,
      build: () => groupedMatmulKernel(plan, packed),
      buffers: [context.read(0), right, context.read(2), context.write()],
      label: `grouped matmul [${m}, ${k}] x ${groups} x [${k}, ${n}]`,
      flops: 2 * m * n * k,
      bytes: rightBytes + m * (k + n) * floatBytes,
    })
  },
}

/** Copies the matrices into panels, each only if its group has rows. Arguments: matrices, offsets, panels. Unit: a panel. */
function packGroupsKernel(plan: MatmulPlan): Kernel {
  const b = new KernelBuilder('grouped pack', plan.target)
  const [from, offsets, to] = [b.pointer(), b.pointer(), b.pointer()]
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const group = b.op('intDivImmediate', [unit], plan.blocking.columnPanels)
    const { begin, end } = rowsOf(b, offsets, group)
    const once = b.intMin(b.op('intSub', [end, begin]), 1)
    b.for(0, once, 1, () => packPanel(b, plan, from, to, unit))
  })
  return b.finish()
}

export const groupedOuterForm: Form = {
  accepts: (k, layout) => k < 2 || isContiguous(layout),
  lower: (context) => {
    const [x, y] = context.operands.map(({ layout }) => layout) as [Layout, Layout]
    const groups = context.node.shape[0]!
    // the product of xᵀ [K, M] and y [M, N], of which each group takes its own steps
    const plan = new MatmulPlan(
      {
        batch: 1,
        m: x.shape[1]!,
        n: y.shape[1]!,
        k: x.shape[0]!,
        aBatch: 0,
        aRow: x.strides[1]!,
        aStep: x.strides[0]!,
        bBatch: 0,
        bStep: y.strides[0]!,
        bColumn: y.strides[1]!,
      },
      context.target,
    )
    const { m, n, k } = plan.shape
    const key = `${groups} ${JSON.stringify(plan.shape)}`
    let right = context.read(1)
    if (plan.packed) {
      right = pack(context, [right], {
        key: `pack ${JSON.stringify(plan.shape)}`,
        build: () => ({ kernel: packKernel(plan), units: plan.packUnits }),
        label: `pack [${k}, ${n}]`,
        panelBytes: plan.packedBytes,
        bytes: 2 * k * n * floatBytes,
      })
    }
    context.launch({
      key: `grouped outer ${key}`,
      build: () => ({ kernel: groupedOuterKernel(plan, groups), units: plan.units, grain: plan.grain }),
      buffers: [context.read(0), right, context.write(), context.read(2)],
      label: `grouped outer [${m}, ${k}] x [${k}, ${n}] in ${groups}`,
      flops: 2 * m * n * k,
      bytes: (k * (m + n) + groups * m * n) * floatBytes,
    })
  },
}

/** Arguments: x, y (or its panels), the result, offsets. Units are those of the dense product, each through all groups. */
function groupedOuterKernel(plan: MatmulPlan, groups: number): Kernel {
  const b = new KernelBuilder('grouped outer', plan.target)
  const emitter = new MatmulEmitter(b, plan)
  const offsets = b.pointer()
  b.for(0, groups, 1, (group) => {
    const range = { ...rowsOf(b, offsets, group), c: emitter.output(group) }
    if (plan.splitsColumns) emitter.byColumns(range)
    else emitter.byRows(range)
  })
  return b.finish()
}

interface Packing {
  readonly key: string
  readonly build: () => { readonly kernel: Kernel; readonly units: number }
  readonly label: string
  readonly panelBytes: number
  readonly bytes: number
}

/** Launches a rearrangement of `reads` into temporary memory; returns that memory for reading. */
function pack(context: FormContext, reads: readonly BufferUse[], { panelBytes, ...launch }: Packing): BufferUse {
  const storage = context.temporary(panelBytes)
  context.launch({ ...launch, buffers: [...reads, { storage, offset: 0, access: 'write' }], flops: 0 })
  return { storage, offset: 0, access: 'read' }
}
