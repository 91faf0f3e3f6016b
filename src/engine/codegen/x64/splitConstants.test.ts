import { describe, expect, it } from 'vitest'
import { exp } from '../../kernel/math.ts'
import { transposeSquare } from '../../kernel/transpose.ts'
import { expectAsInterpreted, paths, buildKernel, type KernelSpec } from '../../runtime/native/oneKernel.test.data.ts'
import { compileKernel } from './compile.ts'

const lanesAtMost = 16
const words = 16 * lanesAtMost

/** One loop reads more constants than a transposition in the next leaves registers for. */
const spec: KernelSpec = {
  units: 1,
  buffers: [
    { name: 'x', dtype: 'f32', values: Array.from({ length: words }, (_, k) => Math.fround(k / 100 - 1)) },
    { name: 'square', dtype: 'f32', values: Array.from({ length: words }, () => 0) },
  ],
  build: (b, [x, square]) => {
    b.for(0, words, b.lanes, (at) => b.store(exp(b, b.load(b.at(x!, 0, at))), b.at(x!, 0, at)))
    b.for(0, 1, 1, (turn) => {
      const rows = Array.from({ length: b.lanes }, (_, i) => b.load(b.at(x!, 4 * i * b.lanes, turn)))
      transposeSquare(b, rows).forEach((column, j) => b.store(column, b.at(square!, 4 * j * b.lanes, turn)))
    })
    b.for(0, words, b.lanes, (at) => b.store(exp(b, b.load(b.at(square!, 0, at))), b.at(square!, 0, at)))
  },
}

describe('constants of different loops', () => {
  it.each([
    { name: 'AVX2', avx512: false, lanes: 8, vectorRegisters: 16 },
    { name: 'AVX-512', avx512: true, lanes: 16, vectorRegisters: 32 },
  ])('leave the registers of $name to the loop between', ({ avx512, lanes, vectorRegisters }) => {
    const kernel = buildKernel(spec, { lanes, vectorRegisters })
    expect(compileKernel(kernel, { avx512, bf16: false }).spills.vector).toBe(0)
  })

  for (const path of paths) {
    it.skipIf(path.absent !== undefined)(`have their values in each on ${path.name}`, () => {
      const { results } = expectAsInterpreted(path, spec)
      expect(new Set(results.get('square')).size).toBeGreaterThan(path.lanes)
    })
  }
})
