/** Picks the tile of C that a matrix product keeps in registers. */
import type { KernelTarget } from '../../kernel/builder.ts'

export interface Blocking {
  /** Rows of a full tile. */
  readonly tileRows: number
  /** Vectors of a full tile. */
  readonly tileVectors: number
  readonly rowPanels: number
  readonly columnPanels: number
}

/** Longer tiles gain nothing and grow the code. */
const mostRows = 14
const mostVectors = 4

/**
 * Tries every tile that fits the register file (rows * vectors accumulators, a row of B, one broadcast of A) and takes
 * the one whose panels, remainders included, need the fewest estimated cycles per k.
 */
export function chooseTile(target: KernelTarget, m: number, n: number): Blocking {
  let best: Blocking | undefined
  let bestCost = Infinity
  for (let vectors = Math.min(mostVectors, Math.ceil(n / target.lanes)); vectors >= 1; vectors--) {
    const fit = Math.floor((target.vectorRegisters - vectors - 1) / vectors)
    for (let rows = Math.min(m, mostRows, fit); rows >= 1; rows--) {
      const cost = planCost(target, m, n, rows, vectors)
      if (cost >= bestCost) continue
      bestCost = cost
      best = {
        tileRows: rows,
        tileVectors: vectors,
        rowPanels: Math.ceil(m / rows),
        columnPanels: Math.ceil(n / (vectors * target.lanes)),
      }
    }
  }
  if (!best) throw new Error(`no matmul tile fits ${target.vectorRegisters} vector registers`)
  return best
}

function planCost(target: KernelTarget, m: number, n: number, rows: number, vectors: number): number {
  const allVectors = Math.ceil(n / target.lanes)
  const full = Math.floor(m / rows)
  const rest = m % rows
  const column = (wide: number): number => full * tileCost(rows, wide) + (rest > 0 ? tileCost(rest, wide) : 0)
  const lastVectors = allVectors % vectors
  return Math.floor(allVectors / vectors) * column(vectors) + (lastVectors > 0 ? column(lastVectors) : 0)
}

/** Cycles per k of one tile: two multiply-adds and two loads at a time, but never faster than one chain's latency of 4. */
function tileCost(rows: number, vectors: number): number {
  return Math.max((rows * vectors) / 2, (rows + vectors) / 2, 4) + 0.25
}
