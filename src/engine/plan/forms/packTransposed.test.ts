import { describe, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import { interpretKernel } from '../../kernel/interpret.ts'
import { verifyKernel } from '../../kernel/verify.ts'
import { copyColumns } from './packTransposed.ts'

/** Steps and columns: less than a line and a vector, whole ones, remainders of both; steps apart or not. */
const cases = [
  { k: 1, width: 1, bStep: 1 },
  { k: 5, width: 3, bStep: 1 },
  { k: 32, width: 16, bStep: 1 },
  { k: 53, width: 29, bStep: 1 },
  { k: 37, width: 30, bStep: 2 },
] as const
const untouched = -1

describe.each([4, 8, 16])('a panel of columns on %i lanes', (lanes) => {
  it.each(cases)('$k steps of $width columns, steps $bStep apart', ({ k, width, bStep }) => {
    const bColumn = k * bStep + 3
    const vectors = Math.ceil(width / lanes)
    const panelWidth = vectors * lanes
    const b = new KernelBuilder('panel', { lanes, vectorRegisters: 16 })
    const [source, target] = [b.pointer(), b.pointer()]
    const tile = { rows: 1, vectors, lastLanes: width - (vectors - 1) * lanes }
    copyColumns(b, { k, bStep, bColumn, panelWidth }, tile, source, target)
    const kernel = b.finish()
    verifyKernel(kernel)
    const from = Array.from({ length: width * bColumn }, (_, i) => i + 1)
    const words = new Float32Array([...from, ...Array.from({ length: k * panelWidth + 1 }, () => untouched)])
    const call = { memory: words.buffer, unitBegin: 0, unitEnd: 1, scratch: 0, fusedMultiplyAdd: true }
    interpretKernel(kernel, { ...call, pointers: [0, 4 * from.length] })
    const panel = words.subarray(from.length)
    for (let step = 0; step < k; step++) {
      for (let j = 0; j < width; j++) {
        expect(panel[step * panelWidth + j], `step ${step}, column ${j}`).toBe(from[j * bColumn + step * bStep])
      }
    }
    expect(panel.at(-1)).toBe(untouched)
  })
})
