/**
 * The micro-kernel of every matrix product: a tile of C held in registers while k runs.
 *
 *   C[i, j] += Σ_k A[i, k] * B[k, j]     i < rows, j < (vectors - 1) * lanes + lastLanes
 *
 * A is read one element at a time and copied to all lanes, so it may have any strides; B is read by vectors along j.
 */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Address, Bound, Value } from '../../kernel/kernel.ts'
import { pairDot, pairsOf } from '../../kernel/pairs.ts'

export interface TileShape {
  readonly rows: number
  readonly vectors: number
  /** Lanes used of the last vector. */
  readonly lastLanes: number
  /** Whether an element is a pair of bf16 numbers, one for each of two k, instead of an f32; not unless told. */
  readonly pairs?: boolean
}

export interface TileOperand {
  readonly pointer: Value
  /** A: bytes from row i to row i + 1. B: unused. */
  readonly rowBytes: number
  /** Bytes from k to k + 1. */
  readonly stepBytes: number
}

/** How the elements of a tile are read and multiplied; a vector is given as what is computed from it once. */
interface Arithmetic {
  load(b: KernelBuilder, address: Address, lanes: number): readonly Value[]
  broadcast(b: KernelBuilder, address: Address): readonly Value[]
  multiplyAdd(b: KernelBuilder, left: readonly Value[], right: readonly Value[], sum: Value): Value
}

const ofFloats: Arithmetic = {
  load: (b, address, lanes) => [b.load(address, lanes)],
  broadcast: (b, address) => [b.broadcast(address)],
  multiplyAdd: (b, [left], [right], sum) => b.multiplyAdd(left!, right!, sum),
}

const ofPairs: Arithmetic = {
  load: (b, address, lanes) => pairsOf(b, b.load(address, lanes, 'i32')),
  broadcast: (b, address) => pairsOf(b, b.broadcast(address, 'i32')),
  multiplyAdd: pairDot,
}

/** Memory that will be read after this tile, from `pointer` on; each step of k asks for the next `stepBytes` of it. */
export interface Ahead {
  readonly pointer: Value
  readonly stepBytes: number
}

export interface TileOptions {
  readonly initial?: ((i: number, v: number) => Value) | undefined
  readonly ahead?: Ahead | undefined
}

const floatBytes = 4
const lineBytes = 64
/** A product of fewer steps than this is over before a line could come. */
const shallow = 64
/** A depth up to this is laid out without a loop. */
const straightLine = 16

/** How many lanes of vector v a tile uses. */
export function lanesOf(b: { readonly lanes: number }, shape: TileShape, v: number): number {
  return v === shape.vectors - 1 ? shape.lastLanes : b.lanes
}

/** Asks for the lines of C that a tile writes; where it adds to what they hold, for those of the tile below it, as it reads its own at once. */
export function askForResult(
  b: KernelBuilder,
  { rows, vectors }: TileShape,
  { pointer, rowBytes }: { readonly pointer: Value; readonly rowBytes: number },
  depth: number,
  adds: boolean,
): void {
  if (depth < shallow) return
  for (let i = 0; i < rows; i++) {
    const row = (adds ? rows + i : i) * rowBytes
    for (let at = 0; at < vectors * b.lanes * floatBytes; at += lineBytes) b.prefetch(b.at(pointer, row + at), 'write')
  }
}

/**
 * The part that tile `place` of a block asks for of the next panel of B, which comes from memory or a far cache: without that
 * the block's first tile waits for all of it. A block has up to `places` tiles, and may have a quarter less.
 */
export function shareOfPanel(
  b: KernelBuilder,
  panel: { readonly pointer: Value; readonly stepBytes: number },
  depth: number,
  place: Value,
  places: number,
): Ahead {
  const stepBytes = Math.ceil(panel.stepBytes / Math.max(1, Math.floor((places * 3) / 4)))
  return { pointer: b.intAdd(panel.pointer, b.intMul(place, stepBytes * depth)), stepBytes }
}

/**
 * Emits the tile; `done(i, v, sum)` receives each finished vector of C. `initial(i, v)` gives what the sum starts from, zero unless
 * told: what lies near, as the tile waits for it (`askForResult` fetches it a tile ahead).
 */
export function matmulTile(
  b: KernelBuilder,
  shape: TileShape,
  a: TileOperand,
  bOperand: TileOperand,
  depth: Bound,
  done: (i: number, v: number, sum: Value) => void,
  { initial, ahead }: TileOptions = {},
): void {
  const arithmetic = shape.pairs ? ofPairs : ofFloats
  const sums: Value[][] = []
  for (let i = 0; i < shape.rows; i++) {
    sums.push([])
    for (let v = 0; v < shape.vectors; v++) sums[i]!.push(b.variable(initial ? initial(i, v) : b.constant(0)))
  }
  const straight = typeof depth === 'number' && depth <= straightLine
  const aPointer = straight ? a.pointer : b.variable(a.pointer)
  const bPointer = straight ? bOperand.pointer : b.variable(bOperand.pointer)

  const steps = (count: number): void => {
    for (let u = 0; u < count; u++) {
      const right = Array.from({ length: shape.vectors }, (_, v) =>
        arithmetic.load(b, b.at(bPointer, u * bOperand.stepBytes + v * b.lanes * 4), lanesOf(b, shape, v)),
      )
      for (let i = 0; i < shape.rows; i++) {
        const left = arithmetic.broadcast(b, b.at(aPointer, i * a.rowBytes + u * a.stepBytes))
        for (let v = 0; v < shape.vectors; v++) {
          b.assign(sums[i]![v]!, arithmetic.multiplyAdd(b, left, right[v]!, sums[i]![v]!))
        }
      }
    }
  }
  const advance = (count: number): void => {
    b.assign(aPointer, b.intAdd(aPointer, count * a.stepBytes))
    b.assign(bPointer, b.intAdd(bPointer, count * bOperand.stepBytes))
  }
  const aheadPointer = straight || !ahead ? undefined : b.variable(ahead.pointer)
  const askAhead = (count: number): void => {
    if (!ahead || !aheadPointer || count < b.unroll) return
    for (let offset = 0; offset < count * ahead.stepBytes; offset += lineBytes) {
      b.prefetch(b.at(aheadPointer, offset), 'readLater')
    }
    b.assign(aheadPointer, b.intAdd(aheadPointer, count * ahead.stepBytes))
  }
  const loop = (turns: Bound, count: number): void => {
    b.for(0, turns, 1, () => {
      askAhead(count)
      steps(count)
      advance(count)
    })
  }

  if (straight) {
    steps(depth)
  } else if (typeof depth === 'number') {
    loop(Math.floor(depth / b.unroll), b.unroll)
    steps(depth % b.unroll)
  } else {
    loop(b.op('intDivImmediate', [depth], b.unroll), b.unroll)
    loop(b.op('intModImmediate', [depth], b.unroll), 1)
  }
  for (let i = 0; i < shape.rows; i++) {
    for (let v = 0; v < shape.vectors; v++) done(i, v, sums[i]![v]!)
  }
}
