import { describe, expect, it } from 'vitest'
import * as arithmetic from '../../ops/elementwise.ts'
import * as math from '../../ops/elementwiseMath.ts'
import * as matmuls from '../../ops/matmul.ts'
import * as reduce from '../../ops/reduce.ts'
import { gradient } from '../../autodiff/gradient.ts'
import { trace } from '../../trace/trace.ts'
import { createInterpreterBackend } from './interpreter.ts'

const e = { ...arithmetic, ...math, ...matmuls, ...reduce }

describe('the interpreter backend', () => {
  it('keeps state between runs and updates it after all is computed', () => {
    const graph = trace('swap', (t) => {
      const [a, b] = [t.state('a', [2]), t.state('b', [2])]
      return { outputs: { total: e.add(a, t.input('x', 'f32', [])) }, updates: { a: b, b: e.mul(a, 10) } }
    })
    const backend = createInterpreterBackend({ precision: 'f32' })
    const executable = backend.compile(graph)
    backend.buffer('a', 'f32', [2]).set([1, 2])
    backend.buffer('b', 'f32', [2]).set([3, 4])
    backend.buffer('swap/x', 'f32', [])[0] = 100
    executable.run()
    expect([...backend.buffer('a', 'f32', [2])]).toEqual([3, 4])
    expect([...backend.buffer('b', 'f32', [2])]).toEqual([10, 20])
    expect([...backend.buffer('swap/total', 'f32', [2])]).toEqual([101, 102])
    executable.run()
    expect([...backend.buffer('b', 'f32', [2])]).toEqual([30, 40])
  })

  it('holds f32 in the precision asked for', () => {
    const graph = trace('third', () => ({ outputs: { y: e.div(1, 3) } }))
    const third = (precision: 'f32' | 'f64') => {
      const backend = createInterpreterBackend({ precision })
      backend.compile(graph).run()
      return backend.buffer('third/y', 'f32', [])[0]
    }
    expect(third('f64')).toBe(1 / 3)
    expect(third('f32')).toBe(Math.fround(1 / 3))
  })

  it('reports flops, launches and the most memory that is alive at once', () => {
    const graph = trace('chain', (t) => {
      const x = t.state('x', [8, 8])
      return { outputs: { y: e.exp(e.exp(e.exp(e.matmul(x, x)))) } }
    })
    const executable = createInterpreterBackend({ precision: 'f32' }).compile(graph)
    expect(executable.report).toMatchObject({ launches: 4, flops: 2 * 8 ** 3 + 3 * 64, arenaBytes: 2 * 256 })
    const profile = executable.profile()
    expect(profile.map(({ label }) => label)).toEqual(['matmul f32[8, 8]', ...Array<string>(3).fill('exp f32[8, 8]')])
    expect(profile[0]).toMatchObject({ flops: 1024, bytes: 3 * 256 })
  })

  it('refuses a buffer under another type', () => {
    const backend = createInterpreterBackend({ precision: 'f32' })
    backend.buffer('w', 'f32', [2])
    expect(() => backend.buffer('w', 'i32', [2])).toThrow('the buffer w is f32[2], but was asked for as i32[2]')
  })
})

describe('training', () => {
  it('fits a line by gradient descent', () => {
    const graph = trace('fit', (t) => {
      const [x, y] = [t.state('x', [16, 1]), t.state('y', [16, 1])]
      const [w, b] = [t.state('w', [1, 1]), t.state('b', [1])]
      const loss = e.mean(e.square(e.sub(e.add(e.matmul(x, w), b), y)))
      const [dw, db] = gradient(loss, [w, b])
      return { outputs: { loss }, updates: { w: e.sub(w, e.mul(dw!, 0.1)), b: e.sub(b, e.mul(db!, 0.1)) } }
    })
    const backend = createInterpreterBackend({ precision: 'f32' })
    const executable = backend.compile(graph)
    const x = backend.buffer('x', 'f32', [16, 1])
    for (let k = 0; k < 16; k++) x[k] = k / 8 - 1
    backend.buffer('y', 'f32', [16, 1]).set(Array.from(x, (v) => 3 * v - 2))
    for (let step = 0; step < 300; step++) executable.run()
    expect(backend.buffer('w', 'f32', [1, 1])[0]).toBeCloseTo(3, 3)
    expect(backend.buffer('b', 'f32', [1])[0]).toBeCloseTo(-2, 3)
  })
})
