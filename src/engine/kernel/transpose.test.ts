import { describe, expect, it } from 'vitest'
import { expectAsInterpreted, paths, type KernelSpec } from '../runtime/native/oneKernel.test.data.ts'
import { KernelBuilder } from './builder.ts'
import { interpretKernel } from './interpret.ts'
import { interleaveRows, transposeRows } from './transpose.ts'
import { verifyKernel } from './verify.ts'

/** Rows and columns: less than a vector, whole squares, remainders of both. */
const sizes = [
  [1, 1],
  [3, 5],
  [16, 16],
  [8, 32],
  [32, 8],
  [19, 35],
] as const
const pad = 3
const lanesAtMost = 16

const wordsOf = (rows: number, columns: number): number => columns * (Math.ceil(rows / lanesAtMost) * lanesAtMost)
const matrix = (rows: number, columns: number): number[] =>
  Array.from({ length: rows * (columns + pad) }, (_, k) => k + 1)

function specOf(rows: number, columns: number): KernelSpec {
  return {
    units: 1,
    buffers: [
      { name: 'from', dtype: 'f32', values: matrix(rows, columns) },
      { name: 'to', dtype: 'f32', values: Array.from({ length: wordsOf(rows, columns) }, () => -1) },
    ],
    build: (b, [from, to]) => {
      const toRow = 4 * (wordsOf(rows, columns) / columns)
      const [source, target] = [
        { pointer: from!, rowBytes: 4 * (columns + pad) },
        { pointer: to!, rowBytes: toRow },
      ]
      transposeRows(b, source, target, rows, columns)
    },
  }
}

describe.each([4, 8, 16])('transposition on %i lanes', (lanes) => {
  it.each(sizes)('turns %i rows of %i into columns', (rows, columns) => {
    const spec = specOf(rows, columns)
    const b = new KernelBuilder('transpose', { lanes, vectorRegisters: 16 })
    spec.build(b, [b.pointer(), b.pointer()])
    const kernel = b.finish()
    verifyKernel(kernel)
    const from = matrix(rows, columns)
    const words = new Float32Array([...from, ...spec.buffers[1]!.values])
    const call = { memory: words.buffer, unitBegin: 0, unitEnd: 1, scratch: 0, fusedMultiplyAdd: true }
    interpretKernel(kernel, { ...call, pointers: [0, 4 * from.length] })
    const width = wordsOf(rows, columns) / columns
    for (let j = 0; j < columns; j++) {
      const row = [...words.subarray(from.length + j * width, from.length + (j + 1) * width)]
      const wanted = row.map((_, i) => {
        if (i < rows) return from[i * (columns + pad) + j]!
        return i < Math.ceil(rows / lanes) * lanes ? 0 : -1
      })
      expect(row).toEqual(wanted)
    }
  })
})

describe.each([4, 8, 16])('interleaved rows on %i lanes', (lanes) => {
  it('come step by step', () => {
    const rows = lanes / 2
    const b = new KernelBuilder('interleave', { lanes, vectorRegisters: 32 })
    const [from, to] = [b.pointer(), b.pointer()]
    const vectors = Array.from({ length: rows }, (_, i) => b.load(b.at(from, i * lanes * 4)))
    interleaveRows(b, vectors).forEach((vector, k) => b.store(vector, b.at(to, k * lanes * 4)))
    const kernel = b.finish()
    verifyKernel(kernel)
    const words = Float32Array.from({ length: 2 * rows * lanes }, (_, k) => k)
    const call = { memory: words.buffer, unitBegin: 0, unitEnd: 1, scratch: 0, fusedMultiplyAdd: true }
    interpretKernel(kernel, { ...call, pointers: [0, 4 * rows * lanes] })
    const steps = Array.from({ length: lanes }, (_, k) => Array.from({ length: rows }, (__, i) => i * lanes + k))
    expect([...words.subarray(rows * lanes)]).toEqual(steps.flat())
  })
})

for (const path of paths) {
  describe.skipIf(path.absent !== undefined)(`transposition, ${path.name}`, () => {
    it.each(sizes)('of %i rows of %i is as interpreted', (rows, columns) => {
      const { results } = expectAsInterpreted(path, specOf(rows, columns))
      expect(results.get('to')!.slice(0, rows)).toEqual(Array.from({ length: rows }, (_, i) => 1 + i * (columns + pad)))
    })
  })
}
