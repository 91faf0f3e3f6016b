import { describe, expect, it } from 'vitest'
import { KernelBuilder } from '../../kernel/builder.ts'
import type { Statement, Value } from '../../kernel/kernel.ts'
import { fenceNumber, fencePositions } from './fences.ts'
import { findLifetimes } from './lifetimes.ts'

/** The loop that `emit` fills, and its body as a word for each statement, `|` where a fence stands. */
function fenced(variables: number, emit: (b: KernelBuilder, sums: readonly Value[], p: Value) => void): string {
  const b = new KernelBuilder('loop', { lanes: 4, vectorRegisters: 16 })
  const p = b.pointer()
  const sums = Array.from({ length: variables }, () => b.variable(b.load(b.at(p))))
  b.for(0, b.unitEnd, 1, () => emit(b, sums, p))
  for (const sum of sums) b.store(sum, b.at(p))
  const kernel = b.finish()
  const loop = kernel.body.find((statement): statement is Statement & { kind: 'for' } => statement.kind === 'for')!
  const fences = fencePositions(loop.body, findLifetimes(kernel))
  return loop.body.map(({ kind }, position) => (fences.has(position) ? `${kind} |` : kind)).join(' ')
}

/** sums[k] += a row's broadcast times each of the vectors of B. */
function round(b: KernelBuilder, sums: readonly Value[], p: Value, vectors: number): void {
  const right = Array.from({ length: vectors }, () => b.load(b.at(p)))
  for (let row = 0; row < sums.length / vectors; row++) {
    const left = b.broadcast(b.at(p))
    right.forEach((vector, v) => {
      const sum = sums[row * vectors + v]!
      b.assign(sum, b.multiplyAdd(left, vector, sum))
    })
  }
}

const row = 'broadcast op assign op assign'

describe('fencePositions', () => {
  it('cuts a matmul tile of 4 x 2 between rounds and before their last row: 8 sums and 5 loads fill 13 registers', () => {
    const text = fenced(8, (b, sums, p) => {
      round(b, sums, p, 2)
      round(b, sums, p, 2)
    })
    expect(text).toBe(`load load ${row} ${row} ${row} | ${row} | load load ${row} ${row} ${row} | ${row}`)
  })

  it('cuts a tile of 5 x 2 inside a round too, where 10 sums and 2 vectors leave room for one row', () => {
    const text = fenced(10, (b, sums, p) => round(b, sums, p, 2))
    expect(text).toBe(`load load ${row} | ${row} | ${row} | ${row} | ${row}`)
  })

  it('leaves a loop whole whose loads all fit', () => {
    const text = fenced(2, (b, sums, p) => {
      for (let k = 0; k < 3; k++) round(b, sums, p, 1)
    })
    expect(text).not.toContain('|')
  })

  it('leaves a loop whole that changes no vector, and counts a variable only while it is needed', () => {
    expect(
      fenced(0, (b, _, p) => {
        for (let k = 0; k < 20; k++) b.store(b.load(b.at(p)), b.at(p))
      }),
    ).not.toContain('|')
    const text = fenced(0, (b, _, p) => {
      for (let k = 0; k < 20; k++) {
        const sum = b.variable(b.load(b.at(p)))
        b.assign(sum, b.add(sum, sum))
        b.store(sum, b.at(p))
      }
    })
    expect(text.split('|')).toHaveLength(2)
  })

  it('starts afresh after a loop inside', () => {
    const text = fenced(1, (b, sums, p) => {
      const load = (): Value => b.load(b.at(p))
      for (let k = 0; k < 10; k++) b.assign(sums[0]!, b.add(sums[0]!, load()))
      b.for(0, 2, 1, () => b.assign(sums[0]!, b.add(sums[0]!, load())))
      for (let k = 0; k < 10; k++) b.assign(sums[0]!, b.add(sums[0]!, load()))
    })
    expect(text).not.toContain('|')
  })

  it('has numbers that no walk over addresses meets', () => {
    const numbers = Array.from({ length: 100 }, (_, fence) => fenceNumber(fence))
    expect(new Set(numbers).size).toBe(100)
    expect(numbers.every((number) => number % 2 === 1 && number > 2 ** 31 - 256)).toBe(true)
  })
})
