/** Transposition of a square of vectors in registers. */
import type { KernelBuilder } from './builder.ts'
import type { Value } from './kernel.ts'

/**
 * As many f32 vectors as a vector has lanes become the columns of what they were: lane j of vector i goes to lane i of vector
 * j. For w = 1, 2, 4 … the blocks of w x w change places within blocks of twice the size (J. O. Eklundh, "A fast computer
 * method for matrix transposing", 1972). Fewer vectors, a power of two of them: so do the squares that lie beside one another.
 */
export function transposeSquare(b: KernelBuilder, rows: readonly Value[]): Value[] {
  const square = [...rows]
  for (let w = 1; w < rows.length; w *= 2) {
    for (let i = 0; i < rows.length; i++) {
      if ((i & w) !== 0) continue
      const [even, odd] = [square[i]!, square[i + w]!]
      square[i] = b.op('mergeEven', [even, odd], w)
      square[i + w] = b.op('mergeOdd', [even, odd], w)
    }
  }
  return square
}

/** Half as many vectors along k as a vector has lanes, as vectors of [k][row]: the first holds all rows at k 0, then at k 1, ... */
export function interleaveRows(b: KernelBuilder, rows: readonly Value[]): Value[] {
  const squares = transposeSquare(b, rows)
  const halves = (op: 'mergeEven' | 'mergeOdd') =>
    Array.from({ length: rows.length / 2 }, (_, i) => b.op(op, [squares[2 * i]!, squares[2 * i + 1]!], rows.length))
  return [...halves('mergeEven'), ...halves('mergeOdd')]
}

/** A matrix of f32 rows in memory. */
interface Rows {
  readonly pointer: Value
  /** From one row to the next. */
  readonly rowBytes: number
}

/**
 * to[j, i] = from[i, j] for i < rows and j < columns, a square of lanes x lanes at a time. Rows of `to` are written up to
 * whole vectors: zeros follow.
 */
export function transposeRows(b: KernelBuilder, from: Rows, to: Rows, rows: number, columns: number): void {
  const { lanes } = b
  const bytes = 4
  const square = (i: number, count: number, fromPointer: Value, toPointer: Value): void => {
    const vectors = Array.from({ length: lanes }, (_, k) =>
      i + k < rows ? b.load(b.at(fromPointer, (i + k) * from.rowBytes), count) : b.constant(0),
    )
    const transposed = transposeSquare(b, vectors).slice(0, count)
    transposed.forEach((vector, j) => b.store(vector, b.at(toPointer, j * to.rowBytes + i * bytes)))
  }
  const whole = Math.floor(columns / lanes) * lanes
  for (let i = 0; i < rows; i += lanes) {
    b.for(0, whole, lanes, (j) => {
      square(i, lanes, b.intAdd(from.pointer, b.intMul(j, bytes)), b.intAdd(to.pointer, b.intMul(j, to.rowBytes)))
    })
    if (whole === columns) continue
    const [fromEnd, toEnd] = [b.intAdd(from.pointer, whole * bytes), b.intAdd(to.pointer, whole * to.rowBytes)]
    square(i, columns - whole, fromEnd, toEnd)
  }
}
