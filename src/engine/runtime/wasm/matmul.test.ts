/** A matmul micro-kernel as the plan would build it: register tiles of variables, an unrolled inner loop. */
import { afterAll, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { fusedMultiplyAdd } from '../../kernel/scalarMeaning.ts'
import { fusesMultiplyAdds } from './available.ts'
import { createWasmMachine } from './machine.ts'

const [machine, unfused] = [createWasmMachine({ threads: 2 }), createWasmMachine({ threads: 2, fuse: false })]
afterAll(() => [machine, unfused].forEach((one) => one.dispose()))

const roundedTwice = (a: number, b: number, c: number): number => Math.fround(Math.fround(a * b) + c)

/** Rows and columns of the register tile, and rounds of the inner loop in one. */
const [MR, NR, UNROLL] = [4, 8, 4]
const [M, N, K] = [16, 24, 64]

/** c [M, N] = a [M, K] b; b is packed into panels [N / NR, K, NR]. One unit is MR rows of c. */
function matmul(): Kernel {
  const b = new KernelBuilder('matmul', machine.target)
  const vectors = NR / b.lanes
  const [left, right, out] = [b.pointer(), b.pointer(), b.pointer()]
  const zero = b.constant(0)
  b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
    const rows = b.intAdd(left, b.intMul(unit, 4 * MR * K))
    const result = b.intAdd(out, b.intMul(unit, 4 * MR * N))
    b.for(0, N / NR, 1, (panel) => {
      const columns = b.intAdd(right, b.intMul(panel, 4 * NR * K))
      const tile = Array.from({ length: MR * vectors }, () => b.variable(zero))
      b.for(0, K, UNROLL, (k) => {
        const [fromRows, fromColumns] = [b.intAdd(rows, b.intMul(k, 4)), b.intAdd(columns, b.intMul(k, 4 * NR))]
        for (let round = 0; round < UNROLL; round++) {
          const y = Array.from({ length: vectors }, (_, v) => b.load(b.at(fromColumns, 4 * (round * NR + v * b.lanes))))
          for (let row = 0; row < MR; row++) {
            const x = b.broadcast(b.at(fromRows, 4 * (row * K + round)))
            y.forEach((column, v) => {
              const sum = tile[row * vectors + v]!
              b.assign(sum, b.multiplyAdd(x, column, sum))
            })
          }
        }
      })
      const corner = b.intAdd(result, b.intMul(panel, 4 * NR))
      tile.forEach((sum, at) => {
        const [row, v] = [Math.floor(at / vectors), at % vectors]
        b.store(sum, b.at(corner, 4 * (row * N + v * b.lanes)))
      })
    })
  })
  return b.finish()
}

it.each([
  { how: 'once where the engine can', machine, add: fusesMultiplyAdds() ? fusedMultiplyAdd : roundedTwice },
  { how: 'twice', machine: unfused, add: roundedTwice },
])('a matmul micro-kernel adds the products of each element in their order, rounded $how', ({ machine, add }) => {
  const shapes = { a: [M, K], b: [K, N], c: [M, N] }
  const program = machine.load({
    name: 'matmul',
    kernels: [matmul()],
    launches: [
      {
        kernel: 0,
        label: 'matmul',
        buffers: Object.keys(shapes).map((name) => ({ space: 'persistent', name, offset: 0 })),
        units: M / MR,
        barrier: true,
        flops: 2 * M * N * K,
        bytes: 0,
      },
    ],
    persistent: Object.entries(shapes).map(([name, shape]) => ({ name, dtype: 'f32', shape })),
    arenaBytes: 0,
    scratchBytes: 0,
    flops: 2 * M * N * K,
  })
  const [a, b, c] = Object.entries(shapes).map(([name, shape]) => machine.buffer(name, 'f32', shape))
  a!.forEach((_, k) => (a![k] = Math.sin(k)))
  b!.forEach((_, k) => (b![k] = Math.cos(3 * k)))
  program.run()
  const wanted = Array.from({ length: M * N }, (_, at) => {
    const [row, column] = [Math.floor(at / N), at % N]
    const panel = Math.floor(column / NR) * NR * K + (column % NR)
    let sum = 0
    for (let k = 0; k < K; k++) sum = add(a![row * K + k]!, b![panel + k * NR]!, sum)
    return sum
  })
  expect([...c!]).toEqual(wanted)
})
