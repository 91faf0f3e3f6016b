import { describe, expect, test } from 'vitest'
import { createInterpreterBackend, trace } from '../engine/index.ts'
import { evaluationPass } from './pass.ts'
import { rotate, rotation } from './rotary.ts'

const TIME = 6
const HEAD = 8

/** Rows of one head, the same at every position, after turning: [T][D]. */
function turned(row: readonly number[], width: number, theta = 100): number[][] {
  const graph = trace('rotary', (context) => {
    const x = context.state('x', [1, TIME, 1, HEAD])
    return { outputs: { y: rotate(x, rotation(evaluationPass(), TIME, width, theta)) } }
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

  test('element i turns with i + R/2 by t · θ^(−2i/R)', () => {
    const angle = 5 * 100 ** (-2 / 8)
    const row = turned(q, 8)[5]!
    expect(row[1]).toBeCloseTo(q[1]! * Math.cos(angle) - q[5]! * Math.sin(angle), 12)
    expect(row[5]).toBeCloseTo(q[5]! * Math.cos(angle) + q[1]! * Math.sin(angle), 12)
  })
})
