import { describe, expect, it } from 'vitest'
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value, ValueType } from '../../kernel/kernel.ts'
import { opsOf, scalarOps, type ScalarOp, type ScalarOpName } from '../../kernel/scalarOps.ts'
import { expectAsInterpreted, paths, type KernelSpec } from './oneKernel.test.data.ts'

const count = 64
const floatSpecials = [0, -0, 1, -1, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1e-40, -3e-39, 3e38, -3e38]
const unordered = [Number.NaN, Infinity, -Infinity]
const intSpecials = [0, 1, -1, 2147483647, -2147483648, 65536, 0x12345678, -0x12345678, 7, -7]

/** A number in [-1, 1) from a seed: Weyl's sequence. */
const spread = (k: number): number => ((k * 0.618034 + 0.1) % 1) * 2 - 1

const floats = (seed: number, specials: readonly number[]): number[] =>
  Array.from({ length: count }, (_, k) =>
    Math.fround(k % 3 === seed % 3 ? specials[(k * 7 + seed) % specials.length]! : spread(k + 17 * seed) * 1000),
  )
const ints = (seed: number): number[] =>
  Array.from({ length: count }, (_, k) =>
    k % 3 === seed % 3
      ? intSpecials[(k * 7 + seed) % intSpecials.length]!
      : Math.round(spread(k + 5 * seed) * 2 ** 31) | 0,
  )
const naturals = (seed: number, below = 2147483647): number[] => ints(seed).map((n) => Math.abs(n) % below)

/** Immediates to try for ops that read one. */
const immediates: { readonly [K in ScalarOpName]?: readonly number[] } = {
  shiftLeft: [0, 1, 13, 31],
  shiftRight: [0, 1, 13, 31],
  mergeEven: [1, 2, 4, 8],
  mergeOdd: [1, 2, 4, 8],
  constant: [0, -0, 1, -2.5, Math.fround(1e-40)],
  constantInt: [0, -1, 2147483647, -2147483648],
  intConstant: [0, 1, -1, 2147483647, -2147483647],
  intAddImmediate: [0, 1, -1, 127, 128, 2147483647],
  intMulImmediate: [0, 1, 2, 3, 64, -5, 1000003],
  intDivImmediate: [1, 2, 3, 5, 7, 10, 64, 768, 1000003, 2147483647],
  intModImmediate: [1, 2, 3, 5, 7, 10, 64, 768, 1000003, 2147483647],
}

/** How the arguments reach the op: as loads that only it uses, as loads that others use too, or as constants. */
type Delivery = 'loads' | 'shared loads' | 'constants'

function argument(
  b: KernelBuilder,
  pointers: readonly Value[],
  type: ValueType,
  place: number,
  at: Value,
  how: Delivery,
): Value {
  const [f, i, n] = [pointers[place]!, pointers[place + 3]!, pointers[place + 6]!]
  if (type === 'int') return b.loadInt(b.at(n, 0, at))
  if (type === 'mask') return b.op('less', [b.load(b.at(pointers[1]!, 0, at)), b.load(b.at(pointers[2]!, 0, at))])
  if (how === 'constants' && place === 1) return type === 'f32' ? b.constant(-2.75) : b.constantInt(-987654321)
  const value = b.load(b.at(type === 'f32' ? f : i, 0, at), b.lanes, type)
  if (how === 'shared loads') b.store(value, b.at(pointers[11]!, 0, at))
  return value
}

function keep(b: KernelBuilder, pointers: readonly Value[], result: Value, at: Value): void {
  const lanes = result.type === 'int' ? 1 : b.lanes
  if (result.type === 'mask')
    return b.store(b.select(result, b.constantInt(1), b.constantInt(0)), b.at(pointers[10]!, 0, at))
  const vector = result.type === 'int' ? b.op('splat', [result]) : result
  b.store(vector, b.at(pointers[vector.type === 'f32' ? 9 : 10]!, 0, at), lanes)
}

/** Buffers: three of floats, three of ints, three of naturals; results as floats and as ints; a place for shared loads. */
function specOf(op: ScalarOpName, immediate: number, how: Delivery): KernelSpec {
  const row: ScalarOp = scalarOps[op]
  const specials =
    op === 'toInt' ? floatSpecials.filter((x) => Math.abs(x) < 2 ** 31) : [...floatSpecials, ...unordered]
  // The interpreter's ints are doubles: exact products end at 2^53.
  const limit = op === 'intMul' ? 2 ** 26 : undefined
  const blank = Array.from({ length: count }, () => 0)
  const stepOf = (b: KernelBuilder): number => (row.args.includes('int') || row.result === 'int' ? 1 : b.lanes)
  return {
    units: 1,
    buffers: [
      ...[0, 1, 2].map((k) => ({ name: `f${k}`, dtype: 'f32' as const, values: floats(k, specials) })),
      ...[0, 1, 2].map((k) => ({ name: `i${k}`, dtype: 'i32' as const, values: ints(k) })),
      ...[0, 1, 2].map((k) => ({ name: `n${k}`, dtype: 'i32' as const, values: naturals(k, limit) })),
      { name: 'floats', dtype: 'f32', values: [...blank, ...blank] },
      { name: 'ints', dtype: 'i32', values: [...blank, ...blank] },
      { name: 'shared', dtype: 'f32', values: blank },
    ],
    build(b, pointers) {
      b.for(0, count, stepOf(b), (at) => {
        const args = row.args.map((type, place) => argument(b, pointers, type, place, at, how))
        keep(b, pointers, b.op(op, args, immediate), at)
      })
    },
  }
}

for (const path of paths) {
  describe.skipIf(path.absent !== undefined)(
    `scalar ops on ${path.name}${path.absent ? ` (${path.absent})` : ''}`,
    () => {
      for (const op of opsOf({ bf16: true })) {
        const { feature }: ScalarOp = scalarOps[op]
        it.skipIf(feature === 'bf16' && !path.bf16)(op, () => {
          for (const immediate of immediates[op] ?? [0]) {
            if (op.startsWith('merge') && immediate >= path.lanes) continue
            for (const how of ['loads', 'shared loads', 'constants'] as const) {
              const { results } = expectAsInterpreted(path, specOf(op, immediate, how))
              expect(results.get('floats')!.length).toBe(2 * count)
            }
          }
        })
      }

      it('writes something for every op, so that equality means something', () => {
        const { results } = expectAsInterpreted(path, specOf('multiplyAdd', 0, 'loads'))
        expect(results.get('floats')!.some((value) => Number.isFinite(value) && value !== 0)).toBe(true)
        const split = expectAsInterpreted(path, specOf('intDivImmediate', 7, 'loads')).results
        expect(split.get('ints')!.slice(0, count)).toEqual(naturals(0).map((n) => Math.floor(n / 7)))
      })
    },
  )
}
