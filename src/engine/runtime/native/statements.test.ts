import { describe, expect, it } from 'vitest'
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import { expectAsInterpreted, paths, type BufferSpec, type KernelSpec, type NativePath } from './oneKernel.test.data.ts'

const ramp = (count: number, from = 1): number[] => Array.from({ length: count }, (_, k) => from + k)
const floats = (name: string, values: readonly number[]): BufferSpec => ({ name, dtype: 'f32', values })
const ints = (name: string, values: readonly number[]): BufferSpec => ({ name, dtype: 'i32', values })

/** Runs a kernel over `numbers` (1, 2, 3 …), `sizes` and `out` (zeros); returns `out`. */
function outOf(
  path: NativePath,
  build: (b: KernelBuilder, numbers: Value, sizes: Value, out: Value) => void,
  { sizes = [0], units = 1, threads = 1 } = {},
): readonly number[] {
  const spec: KernelSpec = {
    units,
    buffers: [
      floats('numbers', ramp(256)),
      ints('sizes', sizes),
      floats(
        'out',
        Array.from({ length: 256 }, () => 0),
      ),
    ],
    build: (b, [numbers, sizeBuffer, out]) => build(b, numbers!, sizeBuffer!, out!),
  }
  return expectAsInterpreted(path, spec, threads).results.get('out')!
}

for (const path of paths) {
  describe.skipIf(path.absent !== undefined)(
    `statements on ${path.name}${path.absent ? ` (${path.absent})` : ''}`,
    () => {
      it('loads and stores any number of lanes and touches nothing else', () => {
        const most = path.name === 'AVX-512' ? 16 : 8
        for (let lanes = 1; lanes <= most; lanes++) {
          const out = outOf(path, (b, numbers, _, to) => {
            const value = b.load(b.at(numbers), lanes)
            b.store(value, b.at(to), lanes)
            b.store(b.add(value, b.constant(0.5)), b.at(to, 4 * 32))
          })
          expect(out.slice(0, 32)).toEqual(ramp(32).map((n) => (n <= lanes ? n : 0)))
          expect(out.slice(32, 32 + most)).toEqual(ramp(most).map((n) => (n <= lanes ? n + 0.5 : 0.5)))
        }
      })

      it('asks the caches for lines, wherever they are, and changes nothing', () => {
        const out = outOf(path, (b, numbers, _, to) => {
          const doubled = b.mul(b.load(b.at(numbers)), b.constant(2))
          for (const purpose of ['read', 'readLater', 'write'] as const) {
            b.prefetch(b.at(numbers, 64), purpose)
            b.prefetch(b.at(b.int(0), 0, b.unitBegin, 8), purpose)
            b.prefetch(b.at(numbers, 2 ** 30), purpose)
          }
          b.store(doubled, b.at(to))
        })
        expect(out.slice(0, 32)).toEqual(ramp(32).map((n) => (n <= (path.name === 'AVX-512' ? 16 : 8) ? 2 * n : 0)))
      })

      it('reads a value before a store that comes after the load, even if the value is used later', () => {
        const out = outOf(path, (b, numbers, _, to) => {
          const before = b.load(b.at(numbers))
          b.store(b.constant(-9), b.at(numbers))
          b.store(b.add(b.load(b.at(numbers, 4 * 32)), before), b.at(to))
        })
        expect(out[0]).toBe(33 + 1)
      })

      it('reads through a variable address before the variable moves on', () => {
        const out = outOf(path, (b, numbers, _, to) => {
          const at = b.variable(numbers)
          const [x, y] = [b.load(b.at(at)), b.load(b.at(at, 4 * 64))]
          b.assign(at, b.intAdd(at, 4))
          b.store(b.mul(x, y), b.at(to))
          b.store(b.load(b.at(at)), b.at(to, 4 * 32))
        })
        expect([out[0], out[1], out[32]]).toEqual([65, 2 * 66, 2])
      })

      it('runs loops with bounds that are numbers or values, zero times and with steps', () => {
        for (const size of [0, 1, 2, 7]) {
          const out = outOf(
            path,
            (b, numbers, sizes, to) => {
              const limit = b.loadInt(b.at(sizes))
              const counts = [0, 0, 0, 0].map(() => b.variable(b.constant(0)))
              const count = (k: number) => (): void =>
                b.assign(counts[k]!, b.add(counts[k]!, b.broadcast(b.at(numbers))))
              b.for(0, limit, 1, count(0))
              b.for(limit, 3, 2, count(1))
              b.for(3, 3, 1, count(2))
              b.for(0, limit, 1, (i) => b.for(i, limit, 1, count(3)))
              counts.forEach((value, k) => b.store(value, b.at(to, 128 * k)))
            },
            { sizes: [size] },
          )
          const expected = [size, size < 3 ? Math.ceil((3 - size) / 2) : 0, 0, (size * (size + 1)) / 2]
          expect([0, 32, 64, 96].map((k) => out[k])).toEqual(expected)
        }
      })

      it('evaluates a bound once, even if it is a variable that the body changes', () => {
        const out = outOf(
          path,
          (b, _, sizes, to) => {
            const limit = b.variable(b.loadInt(b.at(sizes)))
            const turns = b.variable(b.constant(0))
            b.for(0, limit, 1, () => {
              b.assign(limit, b.intAdd(limit, 5))
              b.assign(turns, b.add(turns, b.constant(1)))
            })
            b.store(turns, b.at(to))
            b.store(b.op('toFloat', [b.op('splat', [limit])]), b.at(to, 128))
          },
          { sizes: [4] },
        )
        expect([out[0], out[32]]).toEqual([4, 24])
      })

      it('keeps variables apart that are exchanged, copied and set from one another', () => {
        const out = outOf(path, (b, numbers, _, to) => {
          const x = b.variable(b.load(b.at(numbers)))
          const y = b.variable(b.load(b.at(numbers, 4 * 100)))
          b.for(0, 3, 1, () => {
            const [sum, product] = [b.add(x, y), b.mul(x, y)]
            b.assign(x, product)
            b.assign(y, sum)
          })
          const old = b.op('asFloat', [b.op('asInt', [x])])
          b.assign(x, y)
          b.store(x, b.at(to))
          b.store(old, b.at(to, 128))
        })
        let [x, y] = [1, 101]
        for (let turn = 0; turn < 3; turn++) [x, y] = [Math.fround(x * y), Math.fround(x + y)]
        expect([out[0], out[32]]).toEqual([y, x])
      })

      it('addresses by index and scale', () => {
        const out = outOf(path, (b, numbers, _, to) => {
          b.for(0, 5, 1, (i) => {
            const shifted = b.intAdd(b.intMul(i, 2), 1)
            b.store(b.broadcast(b.at(numbers, 8, shifted, 4)), b.at(to, 0, b.intMul(i, 4), 1), 1)
            b.store(b.broadcast(b.at(b.intAdd(numbers, 40), -4, i, 8)), b.at(to, 256, i), 1)
          })
        })
        expect(out.slice(0, 5)).toEqual(ramp(5).map((_, i) => 2 * i + 1 + 2 + 1))
        expect(out.slice(64, 69)).toEqual(ramp(5).map((_, i) => 2 * i + 9 + 1))
      })

      it('folds an embedded broadcast or a load into either operand', () => {
        const out = outOf(path, (b, numbers, _, to) => {
          const x = b.load(b.at(numbers, 40))
          const one = b.multiplyAdd(b.broadcast(b.at(numbers, 8)), x, x)
          const two = b.multiplyAdd(x, x, b.load(b.at(numbers, 16)))
          const three = b.sub(b.load(b.at(numbers, 20)), b.mul(b.broadcast(b.at(numbers, 4)), x))
          ;[one, two, three].forEach((value, k) => b.store(value, b.at(to, 128 * k)))
        })
        expect([out[0], out[32], out[64]]).toEqual([3 * 11 + 11, 11 * 11 + 5, 6 - 2 * 11])
        expect([out[1], out[33], out[65]]).toEqual([3 * 12 + 12, 12 * 12 + 6, 7 - 2 * 12])
      })

      it('shares units among threads without gaps or overlaps', () => {
        for (const threads of [1, 2, 3, 5]) {
          for (const units of [1, 2, 7, 64]) {
            const out = outOf(
              path,
              (b, _, __, to) => {
                b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
                  const at = b.at(to, 0, unit)
                  b.store(b.add(b.load(at, 1), b.constant(1)), at, 1)
                })
              },
              { units, threads },
            )
            expect(out.slice(0, 65)).toEqual(ramp(65).map((n) => (n <= units ? 1 : 0)))
          }
        }
      })

      it('gives each thread scratch memory of its own, aligned to 64 bytes', () => {
        const out = outOf(
          path,
          (b, numbers, _, to) => {
            const place = b.reserveScratch(4096)
            b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
              b.store(b.broadcast(b.at(numbers, 0, unit)), b.at(b.scratch, place))
              b.for(0, 1000, 1, () => b.store(b.load(b.at(b.scratch, place)), b.at(b.scratch, place + 64)))
              b.store(b.load(b.at(b.scratch, place + 64)), b.at(to, 0, unit), 1)
            })
          },
          { units: 40, threads: 2 },
        )
        expect(out.slice(0, 40)).toEqual(ramp(40))
      })

      it('takes sixty pointers', () => {
        const many = 60
        const spec: KernelSpec = {
          units: 3,
          buffers: Array.from({ length: many }, (_, k) => floats(`p${k}`, ramp(64, k))),
          build(b, pointers) {
            b.for(b.unitBegin, b.unitEnd, 1, (unit) => {
              let sum = b.constant(0)
              for (const pointer of pointers.slice(1)) sum = b.add(sum, b.load(b.at(pointer, 0, b.intMul(unit, 16))))
              for (const pointer of pointers.slice(1).toReversed()) sum = b.add(sum, b.broadcast(b.at(pointer, 4)))
              b.store(sum, b.at(pointers[0]!, 0, b.intMul(unit, 16)), 5)
            })
          },
        }
        const first = expectAsInterpreted(path, spec, 2).results.get('p0')!
        const sum = (many * (many - 1)) / 2
        expect(first.slice(0, 6)).toEqual([...ramp(5, 0).map((n) => 2 * sum + (n + 1) * (many - 1)), 5])
      })
    },
  )
}
