import { describe, expect, test } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { interpretKernel } from '../../kernel/interpret.ts'
import { verifyKernel } from '../../kernel/verify.ts'
import { evenBlocks } from './panels.ts'

/** The blocks that a kernel met, as [begin, end] pairs. */
function blocksOf(from: number, to: number, most: number): number[][] {
  const b = new KernelBuilder('blocks', { lanes: 4, vectorRegisters: 16 })
  const out = b.variable(b.pointer())
  const asFloats = (value: Value): Value => b.op('toFloat', [b.op('splat', [value])])
  evenBlocks(b, [b.unitBegin, b.unitEnd], most, (begin, end) => {
    b.store(asFloats(begin), b.at(out), 1)
    b.store(asFloats(end), b.at(out, 4), 1)
    b.assign(out, b.intAdd(out, 8))
  })
  const kernel = b.finish()
  verifyKernel(kernel)
  const words = new Float32Array(200).fill(-1)
  const call = { memory: words.buffer, scratch: 0, fusedMultiplyAdd: true, pointers: [0] }
  interpretKernel(kernel, { ...call, unitBegin: from, unitEnd: to })
  const blocks: number[][] = []
  for (let k = 0; words[k] !== -1; k += 2) blocks.push([words[k]!, words[k + 1]!])
  return blocks
}

describe('even blocks', () => {
  test('share what two blocks have to do', () => {
    expect(blocksOf(0, 90, 42)).toEqual([
      [0, 42],
      [42, 66],
      [66, 90],
    ])
    expect(blocksOf(5, 12, 4)).toEqual([
      [5, 9],
      [9, 12],
    ])
  })

  test('cover every range once, with as few blocks as there must be', () => {
    for (const most of [1, 2, 3, 7]) {
      for (let size = 0; size < 24; size++) {
        const blocks = blocksOf(3, 3 + size, most)
        expect(blocks).toHaveLength(Math.ceil(size / most))
        let at = 3
        for (const [begin, end] of blocks) {
          expect(begin).toBe(at)
          expect(end! - begin!).toBeGreaterThan(0)
          expect(end! - begin!).toBeLessThanOrEqual(most)
          at = end!
        }
        expect(at).toBe(3 + size)
      }
    }
  })
})
