/** Turns ordered steps into launches over storages. */
import { contiguous } from '../ir/layout.ts'
import { attributesKey, sizeOf, type Shape } from '../ir/node.ts'
import type { KernelTarget } from '../kernel/builder.ts'
import { constantRow } from '../ops/leaf.ts'
import { copyRow } from './copy.ts'
import { expressionKey, type Expression, type ExpressionNode, type Load, type Store } from './expression.ts'
import { columnReduceKernel } from './forms/columnReduce.ts'
import { fusedKernel, summingUnits } from './forms/fused.ts'
import { formOf } from './forms/index.ts'
import { partSumsKernel } from './forms/partSums.ts'
import { broadcastStrides, resolve, type Resolved } from './layouts.ts'
import type { BufferUse, FormContext, LaunchSpec, Storage } from './launchSpec.ts'
import type { PlanNode } from './node.ts'
import type { StoragePlan } from './storage.ts'
import type { ColumnStep, FormStep, FusedStep, Step } from './steps.ts'

const floatBytes = 4
/** Launches after which a rearranged operand that nobody asked for again is forgotten. */
const remembered = 16

export function lowerSteps(steps: readonly Step[], storage: StoragePlan, target: KernelTarget): LaunchSpec[] {
  const lowering = new Lowering(storage, target)
  for (const step of steps) lowering.step(step)
  for (const { node, to } of storage.late) lowering.copyLate(node, to)
  return lowering.launches
}

class Lowering {
  readonly launches: LaunchSpec[] = []
  readonly #storage: StoragePlan
  readonly #target: KernelTarget
  readonly #arrangements = new Map<string, { readonly storage: Storage; lastUse: number }>()

  constructor(storage: StoragePlan, target: KernelTarget) {
    this.#storage = storage
    this.#target = target
  }

  step(step: Step): void {
    if (step.kind === 'fused') this.#fused(step)
    else if (step.kind === 'column') this.#column(step)
    else if (step.kind === 'zero') this.#zero(step.node)
    else this.#form(step)
  }

  copyLate(node: PlanNode, to: Storage): void {
    const from = { base: node, layout: contiguous(node.shape) }
    this.#copy(node, from, { storage: to, offset: 0, access: 'write' }, contiguous(node.shape).strides)
  }

  #fused(step: FusedStep): void {
    const summed = step.columns.map(({ inputs }) => inputs[0]!)
    const builder = new ExpressionBuilder(step.space, step.nodes, summed)
    const stores: Store[] = step.results.map((node) => ({
      node: builder.numberOf(node),
      strides: broadcastStrides(contiguous(node.shape), step.space),
    }))
    const writes = step.results.map((node) => this.#write(node))
    const columnSums = summed.map((node) => builder.operandOf(node))
    const expression = builder.finish(stores)
    if (columnSums.length === 0) return this.#launchFused(expression, builder.operands, writes, step.nodes)
    this.#launchSumming(expression, builder.operands, writes, step, columnSums)
  }

  /** A fused step with sums of columns: each unit leaves its part of them, and a second launch adds the parts. */
  #launchSumming(
    expression: Expression,
    operands: readonly Resolved[],
    writes: readonly BufferUse[],
    { space, nodes, columns }: FusedStep,
    columnSums: readonly number[],
  ): void {
    const target = this.#target
    const [rows, width] = space as readonly [number, number]
    const parts = summingUnits(rows, width)
    const partBytes = parts * width * floatBytes
    const partStorages = columns.map((): Storage => ({ bytes: partBytes }))
    const parted = (access: BufferUse['access']): BufferUse[] => {
      return partStorages.map((storage) => ({ storage, offset: 0, access }))
    }
    const all = [...nodes, ...columns]
    this.#launchFused(expression, operands, [...writes, ...parted('write')], all, flopsOf(all), columnSums)
    this.launches.push({
      key: `sum of parts ${parts} ${width} ${columns.length}`,
      build: () => partSumsKernel(parts, width, columns.length, target),
      buffers: [...parted('read'), ...columns.map((node) => this.#write(node))],
      label: `${labelOf(columns)} of parts`,
      flops: columns.length * parts * width,
      bytes: columns.length * (partBytes + width * floatBytes),
    })
  }

  #launchFused(
    expression: Expression,
    operands: readonly Resolved[],
    writes: readonly BufferUse[],
    nodes: readonly PlanNode[],
    flops = flopsOf(nodes),
    columnSums: readonly number[] = [],
  ): void {
    const reads = operands.map((operand) => this.#read(operand))
    const inPlace = reads.some((read) => writes.some((write) => write.storage === read.storage))
    const target = this.#target
    this.launches.push({
      key: `fused ${inPlace} ${columnSums.join()} ${expressionKey(expression)}`,
      build: () => fusedKernel(expression, target, inPlace, columnSums),
      buffers: [...reads, ...writes],
      label: labelOf(nodes),
      flops,
      bytes: trafficOf(expression.loads, expression.space) + writes.reduce((sum, use) => sum + use.storage.bytes, 0),
    })
  }

  #column(step: ColumnStep): void {
    const { reduce } = step
    const input = reduce.inputs[0]!
    const builder = new ExpressionBuilder(input.shape, step.nodes)
    const operand = builder.operandOf(input)
    const expression = builder.finish([])
    const lowering = reduce.op.lowering
    if (lowering.kind !== 'reduce') throw new Error(`plan: ${reduce.op.name} is not a reduction`)
    const reduction = { expression, operand, axis: reduce.attributes['axis'] as number, combine: lowering.combine }
    const target = this.#target
    const write = this.#write(reduce)
    this.launches.push({
      key: `column ${reduction.axis} ${reduction.combine} ${operand} ${expressionKey(expression)}`,
      build: () => columnReduceKernel(reduction, target),
      buffers: [...builder.operands.map((resolved) => this.#read(resolved)), write],
      label: labelOf([...step.nodes, reduce]),
      flops: flopsOf([...step.nodes, reduce]),
      bytes: trafficOf(expression.loads, expression.space) + write.storage.bytes,
    })
  }

  #zero(node: PlanNode): void {
    const expression: Expression = {
      space: node.shape,
      loads: [],
      nodes: [{ op: constantRow, attributes: { value: 0 }, inputs: [], dtype: 'f32', perRow: false }],
      stores: [{ node: 0, strides: contiguous(node.shape).strides }],
    }
    this.#launchFused(expression, [], [this.#write(node)], [])
  }

  #form(step: FormStep): void {
    const { node } = step
    const { lowering } = node.op
    if (lowering.kind !== 'form') throw new Error(`plan: ${node.op.name} has no form`)
    const operands = node.inputs.map((input) => resolve(input))
    const context: FormContext = {
      node,
      target: this.#target,
      operands,
      read: (k) => this.#read(operands[k]!),
      write: (offset = 0) => ({ ...this.#write(node), offset }),
      temporary: (bytes) => ({ bytes }),
      rearranged: (k, key, bytes, launch) => {
        const { base, layout } = operands[k]!
        return this.#rearranged(`${base.id} ${JSON.stringify(layout)} ${key}`, bytes, (to) => {
          const spec = launch(to)
          return { ...spec, label: `${scopeOf(node)}${spec.label}` }
        })
      },
      launch: (spec) => this.launches.push({ ...spec, label: `${scopeOf(node)}${spec.label ?? node.op.name}` }),
      copy: (k, offset) => {
        const write: BufferUse = { ...this.#write(node), offset: offset * floatBytes }
        this.#copy(node, operands[k]!, write, contiguous(node.shape).strides)
      },
    }
    formOf(lowering.form).lower(context)
  }

  /** Values never change, so what was rearranged for one node serves another; but not for long, as it takes memory. */
  #rearranged(key: string, bytes: number, launch: (to: BufferUse) => LaunchSpec): Storage {
    const now = this.launches.length
    let known = this.#arrangements.get(key)
    if (!known || now - known.lastUse > remembered) {
      known = { storage: { bytes }, lastUse: now }
      this.#arrangements.set(key, known)
      this.launches.push(launch({ storage: known.storage, offset: 0, access: 'write' }))
    }
    known.lastUse = now
    return known.storage
  }

  #copy(node: PlanNode, from: Resolved, to: BufferUse, strides: readonly number[]): void {
    const builder = new ExpressionBuilder(from.layout.shape, [])
    const operand = builder.resolvedOperand(from)
    const copied = builder.copy(operand, node.dtype)
    this.#launchFused(builder.finish([{ node: copied, strides }]), builder.operands, [to], [node], 0)
  }

  #read({ base, layout }: Resolved): BufferUse {
    return { storage: this.#storage.of(base), offset: layout.offset * floatBytes, access: 'read' }
  }
  #write(node: PlanNode): BufferUse {
    return { storage: this.#storage.of(node), offset: 0, access: 'write' }
  }
}

/** Collects the loads and nodes of an expression over a space. */
class ExpressionBuilder {
  /** What each load reads. */
  readonly operands: Resolved[] = []
  readonly #space: Shape
  readonly #loads: Load[] = []
  readonly #loadKeys = new Map<string, number>()
  readonly #nodes: ExpressionNode[] = []
  readonly #nodeKeys = new Map<string, number>()
  readonly #numbers = new Map<PlanNode, number>()
  /** By what it reads. */
  readonly #loadNumbers = new Map<PlanNode, number>()

  /** `others`: operands besides those of the members. */
  constructor(space: Shape, members: readonly PlanNode[], others: readonly PlanNode[] = []) {
    this.#space = space
    // All loads first: an operand index counts them before the nodes.
    const inside = new Set(members)
    const operands = [...members.flatMap((node) => node.inputs), ...others]
    for (const operand of operands) {
      if (inside.has(operand) || this.#loadNumbers.has(operand)) continue
      const load = this.#loadOf(resolve(operand))
      if (load !== undefined) this.#loadNumbers.set(operand, load)
    }
    for (const node of members) this.#addNode(node)
  }

  numberOf(node: PlanNode): number {
    return this.#numbers.get(node)!
  }

  operandOf(node: PlanNode): number {
    const number = this.#numbers.get(node)
    if (number !== undefined) return this.#loads.length + number
    return this.#loadNumbers.get(node) ?? this.resolvedOperand(resolve(node))
  }

  /** An operand outside the expression; only while it has no nodes but constants may it add a load. */
  resolvedOperand(resolved: Resolved): number {
    if (isConstant(resolved)) return this.#loads.length + this.#constant(resolved)
    return this.#loadOf(resolved)!
  }

  copy(operand: number, dtype: 'f32' | 'i32'): number {
    this.#nodes.push({ op: copyRow, attributes: {}, inputs: [operand], dtype, perRow: false })
    return this.#nodes.length - 1
  }

  finish(stores: readonly Store[]): Expression {
    return { space: this.#space, loads: this.#loads, nodes: this.#nodes, stores }
  }

  #addNode(node: PlanNode): void {
    const inputs = node.inputs.map((input) => this.operandOf(input))
    const rank = this.#space.length
    const perRow = node.shape.length === rank && rank > 0 && node.shape[rank - 1] === 1 && this.#space[rank - 1] !== 1
    // A reduction of a row of one element would be the element itself; simplification has removed those.
    const { op, attributes, dtype } = node
    // Copies made by rematerialisation meet again where they land in one step.
    const key = `${op.name} ${attributesKey(attributes)} ${inputs.join()} ${perRow}`
    const twin = this.#nodeKeys.get(key)
    this.#numbers.set(node, twin ?? this.#nodes.length)
    if (twin !== undefined) return
    this.#nodeKeys.set(key, this.#nodes.length)
    this.#nodes.push({ op, attributes, inputs, dtype, perRow: perRow || op.lowering.kind === 'reduce' })
  }

  #constant({ base }: Resolved): number {
    const known = this.#numbers.get(base)
    if (known !== undefined) return known
    this.#numbers.set(base, this.#nodes.length)
    this.#nodes.push({ op: base.op, attributes: base.attributes, inputs: [], dtype: base.dtype, perRow: false })
    return this.#nodes.length - 1
  }

  #loadOf(resolved: Resolved): number | undefined {
    if (isConstant(resolved)) return undefined
    const { base, layout } = resolved
    const strides = broadcastStrides(layout, this.#space)
    const key = `${base.id} ${layout.offset} ${strides.join()}`
    let k = this.#loadKeys.get(key)
    if (k === undefined) {
      k = this.#loads.length
      this.#loadKeys.set(key, k)
      this.#loads.push({ dtype: base.dtype, strides })
      this.operands.push(resolved)
    }
    return k
  }
}

function isConstant({ base }: Resolved): boolean {
  return base.op === constantRow
}

function scopeOf(node: PlanNode): string {
  return node.scope === '' ? '' : `${node.scope} `
}

function labelOf(nodes: readonly PlanNode[]): string {
  if (nodes.length === 0) return 'fill'
  const names = [...new Set(nodes.map((node) => node.op.name))]
  const scope = nodes.find((node) => node.scope !== '')?.scope ?? ''
  const shown = names.length > 6 ? `${names.slice(0, 6).join(' ')} …` : names.join(' ')
  return `${scope} ${shown}`.trim()
}

function flopsOf(nodes: readonly PlanNode[]): number {
  return nodes.reduce((sum, node) => sum + node.op.flops(node.inputs, node, node.attributes), 0)
}

/** Bytes that the loads fetch, broadcasts counted once. */
function trafficOf(loads: readonly Load[], space: Shape): number {
  const elements = (load: Load): number => sizeOf(space.filter((_, axis) => load.strides[axis] !== 0))
  return loads.reduce((sum, load) => sum + elements(load) * floatBytes, 0)
}
