import { expect, test } from 'vitest'
import { add, mul, square } from '../ops/elementwise.ts'
import { sum } from '../ops/reduce.ts'
import { trace } from '../trace/trace.ts'
import { importGraph } from './node.ts'
import { shareCommon } from './simplify.ts'

function count(names: readonly string[], name: string): number {
  return names.filter((other) => other === name).length
}

test('equal ops on equal inputs become one node, also where there are just two of them', () => {
  const graph = trace('twice', (context) => {
    const x = context.input('x', 'f32', [3, 4])
    return { outputs: { a: add(sum(square(mul(x, 2))), 1), b: mul(sum(square(mul(x, 2))), 3) } }
  })
  const before = importGraph(graph).nodes.map(({ op }) => op.name)
  const after = shareCommon(importGraph(graph)).nodes.map(({ op }) => op.name)
  expect([count(before, 'square'), count(after, 'square')]).toEqual([2, 1])
  expect([count(before, 'mul'), count(after, 'mul')]).toEqual([3, 2])
  expect(count(after, 'sum') * 2).toBe(count(before, 'sum'))
  const shared = shareCommon(importGraph(graph))
  expect(shareCommon(shared).nodes.length).toBe(shared.nodes.length)
})

test('ops that differ in an attribute or an input stay apart', () => {
  const graph = trace('apart', (context) => {
    const [x, y] = [context.input('x', 'f32', [4, 4]), context.input('y', 'f32', [4, 4])]
    return { outputs: { a: sum(x, 0), b: sum(x, 1), c: square(y), d: square(x) } }
  })
  const before = importGraph(graph)
  expect(shareCommon(before).nodes.length).toBe(before.nodes.length)
})

test('constants that JSON writes alike stay apart', () => {
  const graph = trace('limits', (context) => {
    const x = context.input('x', 'f32', [4])
    return { outputs: { low: mul(x, -Infinity), high: mul(x, Infinity), zero: mul(x, 0), negative: mul(x, -0) } }
  })
  const before = importGraph(graph)
  expect(shareCommon(before).nodes.length).toBe(before.nodes.length)
})
