/**
 * The two ways to pair the numbers that a rotary embedding turns: here and in transformers, number j of a head with number
 * j + D/2; in llama2.c and llama.cpp's `llama`, number 2j with 2j + 1. Weights go from one to the other by moving rows.
 */

/** w [heads · D, in] for halves -> the same for neighbours: row 2j + s of a head is row s · D/2 + j. */
export function halvesToNeighbours(w: Float32Array, heads: number, rows: number): Float32Array {
  return moveRows(w, heads, rows, (j, s, half) => [2 * j + s, s * half + j])
}

/** The way back. */
export function neighboursToHalves(w: Float32Array, heads: number, rows: number): Float32Array {
  return moveRows(w, heads, rows, (j, s, half) => [s * half + j, 2 * j + s])
}

type RowPair = (j: number, s: number, half: number) => readonly [to: number, from: number]

function moveRows(w: Float32Array, heads: number, rows: number, pair: RowPair): Float32Array {
  const width = w.length / rows
  const headDim = rows / heads
  const out = new Float32Array(w.length)
  for (let head = 0; head < heads; head++) {
    for (let j = 0; j < headDim / 2; j++) {
      for (const s of [0, 1]) {
        const [to, from] = pair(j, s, headDim / 2)
        const source = (head * headDim + from) * width
        out.set(w.subarray(source, source + width), (head * headDim + to) * width)
      }
    }
  }
  return out
}
