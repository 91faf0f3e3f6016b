/** Which launches wait for all threads, and in what order they come so that few do. */
import { describe, expect, test } from 'vitest'
import { KernelBuilder } from '../kernel/builder.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { gelu } from '../ops/elementwiseMath.ts'
import { matmul } from '../ops/matmul.ts'
import { layerNorm } from '../ops/normalize.ts'
import { trace } from '../trace/trace.ts'
import { interpretProgram } from '../runtime/kernelInterpreter.ts'
import { findBarriers } from './barriers.ts'
import type { Storage } from './launchSpec.ts'
import { orderLaunches, type Unplaced } from './order.ts'
import { planProgram } from './passes.ts'
import type { BufferReference, Launch, Program } from './program.ts'
import { evenBounds, shareProgram, type LaunchShares } from './shares.ts'

const target = { lanes: 4, vectorRegisters: 16 }
const rowBytes = 16

/** to[u] = from[u + shift], one row for each unit. */
function copying(shift: number): Kernel {
  const b = new KernelBuilder(`copy ${shift}`, target)
  const [from, to] = [b.pointer(), b.pointer()]
  b.for(b.unitBegin, b.unitEnd, 1, (row) => {
    const at = b.intMul(row, rowBytes)
    b.store(b.load(b.at(b.intAdd(from, at), shift * rowBytes)), b.at(b.intAdd(to, at)))
  })
  return b.finish()
}

const kernels = [copying(0), copying(1)]
const [row, nextRow] = [0, 1]
const units = 20

const rows = (name: string, writes = false): BufferReference => {
  return { space: 'persistent', name, offset: 0, within: { start: 0, end: (units + 1) * rowBytes, writes } }
}
const launch = (kernel: number, from: string, to: string, part: Partial<Launch> = {}): Launch => {
  return {
    kernel,
    label: `${to} of ${from}`,
    buffers: [rows(from), rows(to, true)],
    units,
    flops: 0,
    bytes: 0,
    ...part,
  }
}
const evenly = (launches: readonly Launch[], threads = 2) =>
  launches.map((each) => ({ bounds: evenBounds(each.units, threads), isOpen: false }))
const barriersOf = (launches: readonly Launch[], threads = 2): boolean[] =>
  findBarriers({ kernels, launches }, evenly(launches, threads))

describe('a thread waits', () => {
  test('for what another one wrote, not for what it wrote itself', () => {
    expect(barriersOf([launch(row, 'a', 'b'), launch(row, 'b', 'c')])).toEqual([false, false])
    expect(barriersOf([launch(row, 'a', 'b'), launch(nextRow, 'b', 'c')])).toEqual([false, true])
  })

  test('before it writes what another one reads', () => {
    expect(barriersOf([launch(row, 'a', 'b'), launch(row, 'c', 'a')])).toEqual([false, false])
    expect(barriersOf([launch(nextRow, 'a', 'b'), launch(row, 'c', 'a')])).toEqual([false, true])
  })

  test('not for what both read, nor for other buffers', () => {
    expect(barriersOf([launch(nextRow, 'a', 'b'), launch(nextRow, 'a', 'c')])).toEqual([false, false])
    expect(barriersOf([launch(nextRow, 'a', 'b'), launch(nextRow, 'c', 'd')])).toEqual([false, false])
  })

  test('for launches before the last one too, until a barrier has come', () => {
    const launches = [
      launch(row, 'a', 'b'),
      launch(row, 'b', 'c'),
      launch(nextRow, 'b', 'd'),
      launch(nextRow, 'b', 'e'),
    ]
    expect(barriersOf(launches)).toEqual([false, false, true, false])
  })

  test('where units are shared otherwise than before, or open to whoever is free', () => {
    const launches = [launch(row, 'a', 'b'), launch(row, 'b', 'c')]
    const [even] = evenly(launches)
    expect(findBarriers({ kernels, launches }, [even!, { bounds: [0, 12, 20], isOpen: false }])).toEqual([false, true])
    expect(findBarriers({ kernels, launches }, [even!, { ...even!, isOpen: true }])).toEqual([false, true])
    expect(findBarriers({ kernels, launches }, [{ ...even!, isOpen: true }, even!])).toEqual([false, true])
  })

  test('never where it is alone', () => {
    expect(barriersOf([launch(row, 'a', 'b'), launch(nextRow, 'b', 'c')], 1)).toEqual([false, false])
  })

  test('where the program says so, and where it does not say what a launch touches', () => {
    expect(barriersOf([launch(row, 'a', 'b'), launch(row, 'c', 'd', { barrier: true })])).toEqual([false, true])
    const unsaid: Launch = { ...launch(row, 'b', 'c'), buffers: [{ space: 'arena', offset: 0 }, rows('c', true)] }
    const writer: Launch = { ...unsaid, buffers: [rows('c'), { space: 'arena', offset: 10 * rowBytes }] }
    expect(barriersOf([writer, unsaid])).toEqual([false, true])
  })
})

describe('launches in order', () => {
  const storages = new Map<string, Storage>()
  const storage = (name: string): Storage => {
    const known = storages.get(name) ?? { bytes: (units + 1) * rowBytes }
    storages.set(name, known)
    return known
  }
  const unplaced = (kernel: number, from: string, to: string, bytes?: number): Unplaced => {
    const { buffers: _, ...rest } = launch(kernel, from, to)
    const written = bytes === undefined ? storage(to) : { bytes }
    const read = { storage: storage(from), offset: 0, access: 'read' } as const
    return { ...rest, uses: [read, { storage: written, offset: 0, access: 'write' }] }
  }

  test('what needs no barrier comes before what does', () => {
    const order = orderLaunches(kernels, [
      unplaced(row, 'a', 'b'),
      unplaced(nextRow, 'b', 'c'),
      unplaced(row, 'd', 'e'),
      unplaced(nextRow, 'e', 'f'),
      unplaced(row, 'b', 'g'),
    ])
    expect(order).toEqual({ order: [0, 2, 4, 1, 3], stages: [0, 0, 0, 1, 1] })
  })

  test('a chain of rows stays in its order, and writing over what is read waits', () => {
    const { order, stages } = orderLaunches(kernels, [
      unplaced(row, 'h', 'i'),
      unplaced(row, 'i', 'j'),
      unplaced(nextRow, 'i', 'k'),
      unplaced(row, 'l', 'i'),
    ])
    expect(order).toEqual([0, 1, 2, 3])
    expect(stages).toEqual([0, 0, 1, 2])
  })

  test('no launch passes one that writes much', () => {
    const launches = [unplaced(row, 'm', 'n'), unplaced(nextRow, 'n', 'o', 2 ** 20), unplaced(row, 'p', 'q')]
    expect(orderLaunches(kernels, launches)).toEqual({ order: [0, 1, 2], stages: [0, 1, 1] })
  })
})

test('work on rows runs without a barrier, once the matrices that all rows need are packed', () => {
  const graph = trace('rows', (t) => {
    const [w1, w2] = [t.state('w1', [64, 256]), t.state('w2', [256, 64])]
    const gains = t.state('gains', [64])
    const normed = layerNorm(t.state('x', [128, 64]), gains, gains)
    return { outputs: { y: matmul(gelu(matmul(normed, w1)), w2) } }
  })
  const program = planProgram(graph, { lanes: 8, vectorRegisters: 16 })
  const waiting = (threads: number): string[] => {
    const shares = shareProgram(program, threads, true)
    return program.launches.filter((_, k) => shares[k]!.barrier).map(({ label }) => label)
  }
  expect(waiting(2)).toEqual(['matmul [128, 64] x [64, 256]'])
  expect(waiting(1)).toEqual([])
  // In three parts, the rows of one launch are not those of another.
  expect(waiting(3).length).toBeGreaterThan(1)
})

const names = ['a', 'b', 'c']
const addressOf = (name: string): number => 8192 * (names.indexOf(name) + 1)

function withoutBarrier(share: LaunchShares): LaunchShares {
  return { ...share, barrier: false }
}

/** Runs launches over a, b and c; `missing` leaves out the barriers. */
function imitate(launches: readonly Launch[], missing: boolean, threads = 2): void {
  const segment = (name: string) => ({ name, address: addressOf(name), words: new Int32Array(4 * (units + 1)) })
  const segments = names.map(segment)
  const program: Program = { name: 'p', kernels, launches, persistent: [], arenaBytes: 0, scratchBytes: 0, flops: 0 }
  const found = shareProgram(program, threads, true)
  const shares = missing ? found.map(withoutBarrier) : found
  const memory = { segments, arena: 0, scratch: 0, persistent: addressOf, fusedMultiplyAdd: true, threads, shares }
  interpretProgram(program, memory)
}

describe('a program run by imitated threads', () => {
  test.each([
    ['reads what another wrote', [launch(row, 'a', 'b'), launch(nextRow, 'b', 'c')], /"c of b" \(thread 0\).* wrote/],
    [
      'reads what another writes later',
      [launch(nextRow, 'b', 'a'), launch(row, 'c', 'b')],
      /"a of b" \(thread 0\).* wrote/,
    ],
    [
      'reads what anyone may have written',
      [launch(row, 'a', 'b', { flops: 1e9 }), launch(row, 'b', 'c')],
      /"c of b" \(thread 1\).* wrote/,
    ],
  ])('throws where a thread %s without a barrier', (_, launches, message) => {
    expect(() => imitate(launches, true)).toThrow(message)
    expect(() => imitate(launches, false)).not.toThrow()
    expect(() => imitate(launches, true, 1)).not.toThrow()
  })
})
