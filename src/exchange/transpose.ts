/** Square blocks that stay in the cache while they are read by rows and written by columns. */
const BLOCK = 32

/** a [rows, columns] -> out [columns, rows], both row-major and of rows · columns numbers. */
export function transposeInto(a: Float32Array, rows: number, columns: number, out: Float32Array): void {
  for (let r0 = 0; r0 < rows; r0 += BLOCK) {
    const r1 = Math.min(r0 + BLOCK, rows)
    for (let c0 = 0; c0 < columns; c0 += BLOCK) {
      const c1 = Math.min(c0 + BLOCK, columns)
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) out[c * rows + r] = a[r * columns + c]!
    }
  }
}
