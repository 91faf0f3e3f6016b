/**
 * C = A B with operands rounded to bf16: both are first rearranged into panels of pairs, the numbers at k and at
 * k + ⌈K / 2⌉ in one 32-bit word. Pairs so far apart make each pair of rows, and each pair of stretches of a row, one op
 * to pack, and they need no neighbours; which k meet is the same on both sides, so the sum is the same.
 */
import type { KernelTarget } from '../../kernel/builder.ts'
import type { BufferUse, FormContext } from '../launchSpec.ts'
import { fewestRows, type MatmulShape } from './matmul.ts'
import { lanesOf, type TileShape } from './matmulTile.ts'
import { pairMatmulKernel } from './pairMatmulKernel.ts'
import { packPairsKernel, type PairSource } from './pairPack.ts'
import { chooseTile, type Blocking } from './tileChoice.ts'

const wordBytes = 4
const lineBytes = 64
/** Bytes of A that one thread walks again for each panel of B. */
const rowBlockBytes = 512 * 1024
/** A product with more pairs along k is cut, so that a panel of B stays in the level-1 cache, or nearly, while A passes. */
const deepest = 1024
const blockDepth = 512
/** Fewer row panels than this and the columns are shared out instead. */
const fewestRowPanels = 16
/** Registers that the halves of pairs take where products are expanded. */
const registersForHalves = 4

export class PairMatmulPlan {
  readonly shape: MatmulShape
  readonly target: KernelTarget
  readonly blocking: Blocking
  /** Pairs along k; the last one is half empty where k is odd. */
  readonly pairs: number
  /** Whether A's rows are kept as rows, for an A without gaps along k; else its panels go step by step. */
  readonly leftByRows: boolean

  constructor(shape: MatmulShape, target: KernelTarget) {
    this.shape = shape
    this.target = target
    const spare = target.bf16 === 'expanded' ? registersForHalves : 0
    this.blocking = chooseTile({ ...target, vectorRegisters: target.vectorRegisters - spare }, shape.m, shape.n)
    this.pairs = Math.ceil(shape.k / 2)
    this.leftByRows = shape.aStep === 1
  }

  /** Into how many parts the pairs are cut. */
  get depthBlocks(): number {
    return this.shape.batch > 1 || this.pairs <= deepest ? 1 : Math.ceil(this.pairs / blockDepth)
  }
  /** Pairs in each part but the last. */
  get depth(): number {
    return Math.ceil(this.pairs / this.depthBlocks)
  }
  /** Row panels that are walked again for each panel of B. */
  get rowBlock(): number {
    return Math.max(1, Math.floor(rowBlockBytes / (this.blocking.tileRows * this.depth * wordBytes)))
  }
  get panelWidth(): number {
    return this.blocking.tileVectors * this.target.lanes
  }
  get rightPanelBytes(): number {
    return this.pairs * this.panelWidth * wordBytes
  }
  get rightBytes(): number {
    return this.shape.batch * this.blocking.columnPanels * this.rightPanelBytes
  }
  /** From one row of A to the next, or one step of a panel: rows are a cache line more than their length apart. */
  get leftStride(): number {
    if (!this.leftByRows) return this.blocking.tileRows * wordBytes
    return Math.ceil((this.pairs * wordBytes) / lineBytes) * lineBytes + lineBytes
  }
  get leftPanelBytes(): number {
    const { blocking, pairs, leftStride } = this
    return this.leftByRows ? blocking.tileRows * leftStride : pairs * leftStride + lineBytes
  }
  get leftBytes(): number {
    return this.shape.batch * this.blocking.rowPanels * this.leftPanelBytes
  }
  /** One matrix with too few row panels to share is split by columns. */
  get splitsColumns(): boolean {
    const { rowPanels, columnPanels } = this.blocking
    return this.shape.batch === 1 && rowPanels < fewestRowPanels && columnPanels > rowPanels
  }
  get units(): number {
    const { rowPanels, columnPanels } = this.blocking
    return this.splitsColumns ? columnPanels : this.shape.batch * rowPanels
  }
  /** Each call walks all of B, unless columns are shared out: it should be worth that. */
  get grain(): number {
    return this.splitsColumns || this.shape.batch > 1 ? 1 : Math.ceil(fewestRows / this.blocking.tileRows)
  }
  /** The tile of `rows` rows at a column panel, and how many lanes of each vector C has. Panels hold whole vectors. */
  tile(rows: number, lastPanel: boolean): { shape: TileShape; lanes: (v: number) => number } {
    const { lanes } = this.target
    const rest = this.shape.n % this.panelWidth
    const width = lastPanel && rest > 0 ? rest : this.panelWidth
    const vectors = Math.ceil(width / lanes)
    const narrow = { rows, vectors, lastLanes: width - (vectors - 1) * lanes }
    return { shape: { rows, vectors, lastLanes: lanes, pairs: true }, lanes: (v) => lanesOf({ lanes }, narrow, v) }
  }

  get left(): PairSource {
    const { batch, m, k, aBatch, aRow, aStep } = this.shape
    const { tileRows, rowPanels } = this.blocking
    const source = { batch, batchStride: aBatch, count: m, stride: aRow, k, step: aStep, width: tileRows }
    const layout = this.leftByRows ? 'rows' : 'steps'
    return { ...source, panels: rowPanels, layout, toStride: this.leftStride, panelBytes: this.leftPanelBytes }
  }
  get right(): PairSource {
    const { batch, n, k, bBatch, bStep, bColumn } = this.shape
    const { panelWidth: width, rightPanelBytes: panelBytes } = this
    const source = { batch, batchStride: bBatch, count: n, stride: bColumn, k, step: bStep, width }
    const layout = bColumn === 1 ? 'steps' : 'transposed'
    return { ...source, panels: this.blocking.columnPanels, layout, toStride: width * wordBytes, panelBytes }
  }
}

/** Whether packing reads a matrix with these strides; others are copied first. */
export function packsFrom(rowStride: number, columnStride: number): boolean {
  return rowStride === 1 || columnStride === 1
}

/**
 * Two launches that pack, where nobody nearby has packed the same, and the product of operands `first` and the next; a base
 * before them is what the result holds already.
 */
export function lowerPairs(context: FormContext, shape: MatmulShape, label: string, first: 0 | 1): void {
  const plan = new PairMatmulPlan(shape, context.target)
  const pack = (operand: number, source: PairSource, bytes: number): BufferUse => {
    const key = `pack pairs ${JSON.stringify(source)}`
    const from = context.read(operand)
    const storage = context.rearranged(operand, key, bytes, (to) => ({
      key,
      build: () => packPairsKernel(source, context.target),
      buffers: [from, to],
      label: `pack bf16 [${source.count}, ${source.k}]`,
      flops: 0,
      bytes: bytes + source.batch * source.count * source.k * 4,
    }))
    return { storage, offset: 0, access: 'read' }
  }
  const right = pack(first + 1, plan.right, plan.rightBytes)
  const left = pack(first, plan.left, plan.leftBytes)
  context.launch({
    key: `matmul bf16 ${first} ${JSON.stringify(shape)}`,
    build: () => ({ kernel: pairMatmulKernel(plan, first > 0), units: plan.units, grain: plan.grain }),
    buffers: [left, right, context.write()],
    label: `matmul bf16 ${label}`,
    flops: 2 * shape.batch * shape.m * shape.n * shape.k,
    bytes: plan.leftBytes + plan.rightBytes + (1 + first) * shape.batch * shape.m * shape.n * 4,
  })
}
