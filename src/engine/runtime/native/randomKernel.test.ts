import { describe, expect, it } from 'vitest'
import { buildKernel, expectAsInterpreted, paths } from './oneKernel.test.data.ts'
import { randomKernel } from './randomKernel.test.data.ts'
import { compileKernel } from '../../codegen/x64/compile.ts'

/** More with KERNELS=2000. */
const seeds = Array.from({ length: Number(process.env['KERNELS'] ?? 80) }, (_, k) => k)

for (const path of paths) {
  describe.skipIf(path.absent !== undefined)(
    `random kernels on ${path.name}${path.absent ? ` (${path.absent})` : ''}`,
    () => {
      it('do what the interpreter does', () => {
        let wrote = 0
        for (const seed of seeds) {
          const { results } = expectAsInterpreted(path, randomKernel(seed))
          if (results.get('out')!.some((value) => value !== 0)) wrote++
        }
        expect(wrote).toBe(seeds.length)
      })

      it('do the same on three threads', () => {
        for (const seed of seeds.slice(0, 20)) expectAsInterpreted(path, randomKernel(seed), 3)
      })

      it('need the stack for values of every class', () => {
        const avx512 = path.name === 'AVX-512'
        const target = avx512 ? { lanes: 16, vectorRegisters: 32 } : { lanes: 8, vectorRegisters: 16 }
        const spills = seeds.map((seed) => compileKernel(buildKernel(randomKernel(seed), target), { avx512 }).spills)
        expect(spills.some(({ general }) => general > 0)).toBe(true)
        expect(spills.some(({ vector }) => vector > 0)).toBe(true)
        expect(spills.some(({ mask }) => mask > 0)).toBe(avx512)
      })
    },
  )
}
