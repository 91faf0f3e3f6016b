import { describe, expect, test } from 'vitest'
import { createInterpreterBackend, trace } from '../engine/index.ts'
import { evaluationPass } from './pass.ts'
import { ropeDivisors, rotate, rotation, type RopeScaling } from './rotary.ts'

const TIME = 6
const HEAD = 8

/** Rows of one head, the same at every position, after turning: [T][D]. */
function turned(row: readonly number[], width: number, theta = 100, scaling?: RopeScaling): number[][] {
  const graph = trace('rotary', (context) => {
    const x = context.state('x', [1, TIME, 1, HEAD])
    return { outputs: { y: rotate(x, rotation(evaluationPass(), TIME, width, theta, scaling)) } }
  })
  const backend = createInterpreterBackend({ precision: 'f64' })
  const executable = backend.compile(graph)
  backend.buffer('x', 'f32', [1, TIME, 1, HEAD]).set(Array.from({ length: TIME }, () => row).flat())
  executable.run()
  const y = [...backend.buffer('rotary/y', 'f32', [1, TIME, 1, HEAD])]
  return Array.from({ length: TIME }, (_, t) => y.slice(t * HEAD, (t + 1) * HEAD))
}

const q = [0.3, -1.2, 0.8, 0.1, 2, -0.4, 0.9, 0.7]
const k = [1.1, 0.2, -0.6, 0.5, -0.3, 1.4, 0.2, -0.8]
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0)

describe('rotary embedding', () => {
  test.each([8, 4])('scores depend on the distance alone (%i of 8 elements turn)', (width) => {
    const [queries, keys] = [turned(q, width), turned(k, width)]
    for (let distance = 0; distance < TIME; distance++) {
      const scores = Array.from({ length: TIME - distance }, (_, j) => dot(queries[j + distance]!, keys[j]!))
      for (const score of scores) expect(score).toBeCloseTo(scores[0]!, 12)
    }
    expect(dot(queries[3]!, keys[0]!)).not.toBeCloseTo(dot(queries[0]!, keys[0]!), 2)
  })

  test('position 0 stays as it is, and so does what lies beyond the rotated part', () => {
    for (const [c, value] of turned(q, 8)[0]!.entries()) expect(value).toBeCloseTo(q[c]!, 14)
    for (const row of turned(q, 4)) expect(row.slice(4)).toEqual(q.slice(4))
  })

  test.each<RopeScaling>([
    { kind: 'linear', factor: 4 },
    { kind: 'llama3', factor: 8, lowFactor: 0.1, highFactor: 1.5, originalContext: 12 },
  ])('stretched: element i turns by the divided frequency, %j', (scaling) => {
    const divisors = ropeDivisors(8, 100, scaling)
    const rows = turned(q, 8, 100, scaling)
    for (const [i, divisor] of divisors.entries()) {
      const angle = (5 * 100 ** ((-2 * i) / 8)) / divisor
      expect(rows[5]![i]).toBeCloseTo(q[i]! * Math.cos(angle) - q[i + 4]! * Math.sin(angle), 12)
    }
  })

  test('LLaMA 3.1 keeps what turns often, stretches what turns seldom, and interpolates between', () => {
    // 12/2π turns of pair 0 in 12 positions, less √10 times for each pair that follows
    const scaling = { kind: 'llama3', factor: 8, lowFactor: 0.1, highFactor: 1.5, originalContext: 12 } as const
    const kept = ((12 / (2 * Math.PI)) * 100 ** (-2 / 8) - 0.1) / 1.4
    const divisors = ropeDivisors(8, 100, scaling)
    expect(divisors[0]).toBe(1)
    expect(divisors[1]).toBeCloseTo(1 / ((1 - kept) / 8 + kept), 12)
    expect(divisors[3]).toBe(8)
  })

  test('element i turns with i + R/2 by t · θ^(−2i/R)', () => {
    const angle = 5 * 100 ** (-2 / 8)
    const row = turned(q, 8)[5]!
    expect(row[1]).toBeCloseTo(q[1]! * Math.cos(angle) - q[5]! * Math.sin(angle), 12)
    expect(row[5]).toBeCloseTo(q[5]! * Math.cos(angle) + q[1]! * Math.sin(angle), 12)
  })
})
