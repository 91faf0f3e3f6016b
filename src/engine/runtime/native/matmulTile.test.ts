import { describe, expect, it } from 'vitest'
import { compileKernel } from '../../codegen/x64/compile.ts'
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { buildKernel, expectAsInterpreted, paths, type KernelSpec } from './oneKernel.test.data.ts'

interface Tile {
  readonly rows: number
  readonly vectors: number
}

const unroll = 4

/** C[rows, vectors * lanes] = A[k, rows]^T B[k, vectors * lanes], accumulators in registers, k unrolled. */
function tileKernel({ rows, vectors }: Tile, depth: number): (b: KernelBuilder, pointers: readonly Value[]) => void {
  return (b, [a, right, c]) => {
    const width = vectors * b.lanes
    const sums = Array.from({ length: rows * vectors }, () => b.variable(b.constant(0)))
    const [aAt, bAt] = [b.variable(a!), b.variable(right!)]
    b.for(0, depth / unroll, 1, () => {
      for (let u = 0; u < unroll; u++) {
        const row = Array.from({ length: vectors }, (_, v) => b.load(b.at(bAt, 4 * (u * width + v * b.lanes))))
        for (let i = 0; i < rows; i++) {
          const left = b.broadcast(b.at(aAt, 4 * (u * rows + i)))
          row.forEach((vector, v) => {
            const sum = sums[i * vectors + v]!
            b.assign(sum, b.multiplyAdd(left, vector, sum))
          })
        }
      }
      b.assign(aAt, b.intAdd(aAt, 4 * unroll * rows))
      b.assign(bAt, b.intAdd(bAt, 4 * unroll * width))
    })
    sums.forEach((sum, k) => b.store(sum, b.at(c!, 4 * (Math.floor(k / vectors) * width + (k % vectors) * b.lanes))))
  }
}

function values(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, k) => Math.fround(((k * 0.618034 + seed) % 1) - 0.5))
}

function specOf(tile: Tile, lanes: number, depth: number): KernelSpec {
  const width = tile.vectors * lanes
  return {
    units: 1,
    buffers: [
      { name: 'a', dtype: 'f32', values: values(depth * tile.rows, 0.3) },
      { name: 'b', dtype: 'f32', values: values(depth * width, 0.7) },
      { name: 'c', dtype: 'f32', values: values(tile.rows * width, 0.1) },
    ],
    build: tileKernel(tile, depth),
  }
}

/** By path: tiles that just fit its registers. */
const tiles: { readonly [path: string]: readonly Tile[] } = {
  'AVX-512': [
    { rows: 14, vectors: 2 },
    { rows: 9, vectors: 3 },
    { rows: 6, vectors: 4 },
    { rows: 28, vectors: 1 },
  ],
  AVX2: [
    { rows: 6, vectors: 2 },
    { rows: 4, vectors: 3 },
    { rows: 2, vectors: 4 },
    { rows: 14, vectors: 1 },
  ],
}

for (const path of paths) {
  const avx512 = path.name === 'AVX-512'
  const target = avx512 ? { lanes: 16, vectorRegisters: 32 } : { lanes: 8, vectorRegisters: 16 }
  for (const tile of tiles[path.name]!) {
    const name = `a tile of ${tile.rows} x ${tile.vectors} vectors on ${path.name}`
    describe(name, () => {
      it.skipIf(path.absent !== undefined)('is the product', () => {
        const depth = 24
        const spec = specOf(tile, target.lanes, depth)
        const c = expectAsInterpreted(path, spec).results.get('c')!
        const [a, right] = [spec.buffers[0]!.values, spec.buffers[1]!.values]
        const width = tile.vectors * target.lanes
        for (const [i, j] of [
          [0, 0],
          [tile.rows - 1, width - 1],
          [1, width - 3],
        ] as const) {
          let sum = 0
          for (let k = 0; k < depth; k++) sum += a[k * tile.rows + i]! * right[k * width + j]!
          expect(c[i * width + j]).toBeCloseTo(sum, 5)
        }
      })

      it('keeps everything in registers, and has no moves', () => {
        const kernel = buildKernel(specOf(tile, target.lanes, 24), target)
        const { spills, bytes, codeBytes } = compileKernel(kernel, { avx512 })
        expect(spills).toEqual({ general: 0, vector: 0, mask: 0 })
        expect(countMoves(bytes.subarray(0, codeBytes), avx512)).toBe(0)
      })
    })
  }
}

/** vmovaps between registers: EVEX 62 .. 7C .. 28 (W0, no prefix, map 0F) or VEX C5/C4 .. 28. */
function countMoves(code: Uint8Array, avx512: boolean): number {
  let moves = 0
  for (let k = 4; k < code.length; k++) {
    if (code[k] !== 0x28) continue
    if (avx512 ? code[k - 4] === 0x62 && (code[k - 2]! & 0x87) === 0x04 : code[k - 2] === 0xc5) moves++
  }
  return moves
}
