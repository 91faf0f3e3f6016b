/** `explain --inspect`: what the engine made of a step, on every backend that compiles. */
import { describe, expect, test } from 'vitest'
import { availableBackends } from '../../src/engine/index.ts'
import { halflife, TINY } from './halflife.ts'

const inspectTiny = (what: string, backend: string) =>
  halflife(['explain', 'quickstart', ...TINY, '--threads', '1', '--inspect', what, '--backend', backend])

for (const { name, unavailable } of availableBackends()) {
  if (name === 'interpreter') continue
  describe.skipIf(unavailable !== undefined)(unavailable ? `${name} (skipped: ${unavailable})` : name, () => {
    test.each([
      ['graph', /h\.0\.attn/],
      ['passes', /^rematerialize +\d+ nodes/m],
      ['plan', /launches of \d+ kernels.*\n.*gather/],
      ['kernels', /^kernel matmul\(/m],
      ['code', /kernel matmul[^]*bytes/],
      ['times', /% +\d+ x +[\d.]+ Gflop\/s/],
    ])('%s', async (what, expected) => {
      const { code, stdout } = await inspectTiny(what, name)
      expect(code).toBe(0)
      expect(stdout).toMatch(expected)
    })
  })
}

test('the interpreter shows its graph, and says that it has no plan', async () => {
  expect((await inspectTiny('graph', 'interpreter')).stdout).toMatch(/matmul/)
  const { code, stderr, stdout } = await inspectTiny('plan', 'interpreter')
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/interpreter backend does not compile.*\nhint: Choose --backend native/)
})
