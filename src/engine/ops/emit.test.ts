import { describe, expect, it } from 'vitest'
import { sizeOf, type Shape } from '../ir/node.ts'
import { KernelBuilder } from '../kernel/builder.ts'
import { interpretKernel } from '../kernel/interpret.ts'
import type { Kernel, Value } from '../kernel/kernel.ts'
import { broadcastToRow } from './movement.ts'
import type { NdArray, OpRow, Sample } from './row.ts'
import { allRows } from './table.ts'

const elementwise = allRows.filter((row) => row.lowering.kind === 'elementwise')

/** The kernel of an elementwise row over inputs of the output's shape, row by row of the last axis. */
function buildKernel(row: OpRow, sample: Sample, inputs: readonly NdArray[], shape: Shape, lanes: number): Kernel {
  const { lowering } = row
  if (lowering.kind !== 'elementwise') throw new Error(`${row.name} is not elementwise`)
  const b = new KernelBuilder(row.name, { lanes, vectorRegisters: 16 })
  const pointers = inputs.map(() => b.pointer())
  const out = b.pointer()
  const width = shape.at(-1) ?? 1
  const along = (first: number): Value => b.op('addInt', [b.op('laneIndex', []), b.constantInt(first)])
  for (let at = 0; at < sizeOf(shape); at += width) {
    for (let column = 0; column < width; column += lanes) {
      const count = Math.min(lanes, width - column)
      const values = inputs.map(({ data }, k) => {
        return b.load(b.at(pointers[k]!, 4 * (at + column)), count, data instanceof Int32Array ? 'i32' : 'f32')
      })
      const position = { linearIndex: () => along(at + column), lastAxisIndex: () => along(column) }
      b.store(lowering.emit(b, values, sample.attributes ?? {}, position), b.at(out, 4 * (at + column)), count)
    }
  }
  return b.finish()
}

/** Runs an elementwise row's `emit` on inputs of the output's shape; the result has the type of `like`. */
function runEmit(
  row: OpRow,
  sample: Sample,
  inputs: readonly NdArray[],
  like: NdArray,
  lanes: number,
  fused: boolean,
): Float32Array | Int32Array {
  const size = sizeOf(like.shape)
  const memory = new ArrayBuffer(4 * size * (inputs.length + 1))
  const view = (k: number, { data }: NdArray): Float32Array | Int32Array =>
    data instanceof Int32Array
      ? new Int32Array(memory, 4 * size * k, size)
      : new Float32Array(memory, 4 * size * k, size)
  inputs.forEach((input, k) => view(k, input).set(input.data))
  interpretKernel(buildKernel(row, sample, inputs, like.shape, lanes), {
    memory,
    unitBegin: 0,
    unitEnd: 1,
    scratch: 0,
    pointers: [...inputs.keys(), inputs.length].map((k) => 4 * size * k),
    fusedMultiplyAdd: fused,
  })
  return view(inputs.length, like)
}

function describeInputs(inputs: readonly NdArray[]) {
  return inputs.map(({ shape, data }) => ({ shape, dtype: data instanceof Int32Array ? 'i32' : 'f32' }) as const)
}

function evaluate(row: OpRow, sample: Sample, inputs: readonly NdArray[]): NdArray {
  const { dtype, shape } = row.infer(describeInputs(inputs), sample.attributes ?? {})
  const data = dtype === 'i32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape))
  row.evaluate(inputs, sample.attributes ?? {}, { shape, data })
  return { shape, data }
}

/** The same number, or both NaN, or close: 1e-6 of max(1, |expected|). */
function close(actual: number, expected: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true
  return Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected))
}

/** All combinations of edge values. */
function combinations(arity: number, values: readonly number[]): number[][] {
  if (arity === 0) return [[]]
  return combinations(arity - 1, values).flatMap((rest) => values.map((value) => [...rest, value]))
}

/** The row with each dtype that it takes for all of its inputs. */
function casesOf(row: OpRow): [string, OpRow, Sample, 'f32' | 'i32'][] {
  const sampleOf = (dtype: 'f32' | 'i32') =>
    row.samples.find((sample) => sample.inputs.length > 0 && sample.inputs.every((i) => (i.dtype ?? 'f32') === dtype))
  return (['f32', 'i32'] as const).flatMap((dtype) => {
    const sample = sampleOf(dtype)
    return sample && !sample.attributes ? [[`${row.name} ${dtype}`, row, sample, dtype]] : []
  })
}

describe('elementwise code agrees with the plain meaning', () => {
  const edges = [
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    0.7,
    2.5,
    -2.5,
    3,
    9,
    -9,
    20,
    -20,
    87,
    -87,
    89,
    -89,
    105,
    -105,
    1e3,
    -1e3,
    9999.5,
    -1e4,
    1e-3,
    -1e-3,
    1e-20,
    -1e-20,
    1e-38,
    1e-42,
    -1e-42,
    Infinity,
    -Infinity,
    NaN,
  ]
  const integerEdges = [0, 1, -1, 7, -8, 1000, -1000, 2 ** 24, 2 ** 31 - 1, -(2 ** 31)]

  it.each(elementwise.flatMap(casesOf))('%s at edge values', (_, row, sample, dtype) => {
    const arity = sample.inputs.length
    const finite = edges.filter((edge) => Math.abs(edge) < 2 ** 31)
    const domains: Readonly<Record<string, readonly number[]>> = {
      toInt: finite,
      expNotPositive: edges.filter((edge) => !(edge > 0)),
    }
    const values = dtype === 'i32' ? integerEdges : (domains[row.name] ?? edges)
    const rows = combinations(arity, arity === 3 ? values.slice(-8) : values)
    const inputs = Array.from({ length: arity }, (_, k): NdArray => {
      const column = rows.map((r) => r[k]!)
      return { shape: [rows.length], data: dtype === 'i32' ? Int32Array.from(column) : Float32Array.from(column) }
    })
    const expected = evaluate(row, sample, inputs)
    for (const fused of [true, false]) {
      const actual = runEmit(row, sample, inputs, expected, 8, fused)
      const wrong = rows.flatMap((r, k) =>
        close(actual[k]!, expected.data[k]!) ? [] : [{ inputs: r, actual: actual[k], expected: expected.data[k] }],
      )
      expect(wrong).toEqual([])
    }
  })

  it.each(elementwise.flatMap((row) => row.samples.map((s, n) => [`${row.name} ${n}`, row, s] as const)))(
    '%s at its sample, for 4, 8 and 16 lanes',
    (_, row, sample) => {
      const inputs = sample.inputs.map(({ shape, dtype = 'f32', low = -1, high = 1 }, which): NdArray => {
        const values = Array.from({ length: sizeOf(shape) }, (_, k) => {
          const fraction = (0.6180339887 * (k + 1) + 0.3 * which) % 1
          return low + fraction * (high - low)
        })
        if (dtype === 'i32') return { shape, data: Int32Array.from(values.map(Math.floor)) }
        return { shape, data: Float32Array.from(values) }
      })
      const expected = evaluate(row, sample, inputs)
      const full = inputs.map(({ shape, data }): NdArray => {
        const wide =
          data instanceof Int32Array ? new Int32Array(expected.data.length) : new Float32Array(expected.data.length)
        const output = { shape: expected.shape, data: wide }
        broadcastToRow.evaluate([{ shape, data }], { shape: expected.shape }, output)
        return output
      })
      for (const lanes of [4, 8, 16]) {
        const actual = runEmit(row, sample, full, expected, lanes, lanes !== 4)
        expected.data.forEach((value, k) => {
          expect(close(actual[k]!, value), `element ${k}: ${actual[k]} instead of ${value}`).toBe(true)
        })
      }
    },
  )
})
