import { expect, test } from 'vitest'
import { gradient } from '../autodiff/gradient.ts'
import { topologicalOrder } from '../ir/order.ts'
import { matmul, matmulRow } from '../ops/matmul.ts'
import { isBf16 } from '../ops/precision.ts'
import { sum } from '../ops/reduce.ts'
import { scope } from '../ir/scope.ts'
import { withPrecision } from './precision.ts'
import { trace } from './trace.ts'

test('a product asked for in fp32 stays so in a bf16 program, its gradients too; the others change', () => {
  const graph = trace('g', (t) => {
    const [x, w] = [t.state('x', [2, 3]), t.state('w', [3, 3])]
    const kept = scope('kept', () => matmul(x, w, { precision: 'fp32' }))
    const changed = scope('changed', () => matmul(kept, w))
    const [dx, dw] = gradient(sum(changed), [x, w])
    return { outputs: { dx: dx!, dw: dw! } }
  })
  const products = topologicalOrder(withPrecision(graph, 'bf16')).filter(({ op }) => op === matmulRow)
  const rounded = (name: string): boolean[] =>
    products.filter((each) => each.scope.endsWith(name)).map(({ attributes }) => isBf16(attributes))
  expect(rounded('kept')).toEqual([false, false, false])
  expect(rounded('changed')).toEqual([true, true])
})
