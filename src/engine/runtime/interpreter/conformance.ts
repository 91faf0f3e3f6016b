/**
 * Cases generated from the rows' samples, to hold any backend against the interpreter in float64: the op itself, and
 * its gradients through a random projection.
 */
import { gradient } from '../../autodiff/gradient.ts'
import { sizeOf, type DType, type Shape } from '../../ir/node.ts'
import { createTensor } from '../../ops/create.ts'
import { mul } from '../../ops/elementwise.ts'
import { philox4x32 } from '../../../random/philox.ts'
import { sum } from '../../ops/reduce.ts'
import type { OpRow, Sample, Tensor } from '../../ops/row.ts'
import { allRows } from '../../ops/table.ts'
import { bufferName, graphBuffers, trace, type Graph } from '../../trace/trace.ts'
import type { Backend, NumberArray } from '../backend.ts'

export interface ConformanceCase {
  /** Such as `matmul.2`: the row and which of its samples. */
  readonly name: string
  readonly row: OpRow
  readonly sample: Sample
  /** Output `result`, and `loss` = Σ result · projection where the op has gradients. */
  readonly forward: Graph
  /** Outputs `d0`, `d1` …: dLoss/dInput k, for the inputs that have one. Undefined where none has. */
  readonly backward: Graph | undefined
  /** Values of the state buffers: `${name}.in0`, `${name}.in1` … and `${name}.projection`. */
  readonly values: ReadonlyMap<string, readonly number[]>
  /** Largest allowed |difference| / max(1, |expected|) of an f32 backend. */
  readonly tolerance: number
}

/** One case for each sample of each row; the values depend on the row's name and the sample's place alone. */
export function conformanceCases(rows: readonly OpRow[] = allRows): ConformanceCase[] {
  return rows.flatMap((row) => row.samples.map((sample, number) => makeCase(row, sample, `${row.name}.${number}`)))
}

/** Runs a graph of a case on a backend; returns copies of its outputs by name. */
export function runCase(backend: Backend, graph: Graph, values: ConformanceCase['values']): Map<string, NumberArray> {
  const executable = backend.compile(graph)
  for (const { kind, buffer, dtype, shape } of graphBuffers(graph)) {
    if (kind === 'state') backend.buffer(buffer, dtype, shape).set(values.get(buffer)!)
  }
  executable.run()
  return new Map(
    [...graph.outputs].map(([name, { dtype, shape }]) => [
      name,
      backend.buffer(bufferName(graph.name, name), dtype, shape).slice(),
    ]),
  )
}

function makeCase(row: OpRow, sample: Sample, name: string): ConformanceCase {
  const values = new Map<string, number[]>()
  const draw = uniforms(name)
  // rounded to f32, so that all precisions start from the same numbers
  const number = (dtype: DType, low: number, high: number): number => {
    const value = Math.fround(low + draw() * (high - low))
    return dtype === 'i32' ? Math.floor(value) : value
  }
  const fill = (buffer: string, shape: Shape, dtype: DType = 'f32', low = -1, high = 1): void => {
    values.set(
      buffer,
      Array.from({ length: sizeOf(shape) }, () => number(dtype, low, high)),
    )
  }
  sample.inputs.forEach(({ shape, dtype, low, high, values: given }, k) => {
    if (given) values.set(`${name}.in${k}`, [...given])
    else fill(`${name}.in${k}`, shape, dtype, low, high)
  })
  const forward = traceCase(row, sample, name, 'forward')
  fill(`${name}.projection`, forward.outputs.get('result')!.shape)
  const backward = forward.outputs.has('loss') ? traceCase(row, sample, name, 'backward') : undefined
  return { name, row, sample, forward, backward, values, tolerance: sample.tolerance ?? 1e-5 }
}

function traceCase(row: OpRow, sample: Sample, name: string, direction: 'forward' | 'backward'): Graph {
  return trace(`${name}.${direction}`, (t) => {
    const inputs = sample.inputs.map(({ shape, dtype }, k) => t.state(`${name}.in${k}`, shape, dtype))
    const result = createTensor(row, inputs, sample.attributes)
    const wrt = differentiableInputs(row, inputs, result)
    if (wrt.length === 0) return { outputs: { result } }
    const loss = sum(mul(result, t.state(`${name}.projection`, result.shape)))
    if (direction === 'forward') return { outputs: { result, loss } }
    const gradients = gradient(loss, wrt)
    return { outputs: Object.fromEntries(wrt.map((input, k) => [`d${inputs.indexOf(input)}`, gradients[k]!])) }
  })
}

/** The inputs that the row's rule gives a gradient for. */
function differentiableInputs(row: OpRow, inputs: readonly Tensor[], output: Tensor): Tensor[] {
  if (typeof row.gradient !== 'function') return []
  const results = row.gradient({ inputs, output, gradient: output, attributes: output.attributes })
  return inputs.filter((_, k) => results[k] !== undefined)
}

/** Random numbers in [0, 1) from a key made of the name's characters. */
function uniforms(name: string): () => number {
  const key = [...name].reduce((hash, character) => (Math.imul(hash, 31) + character.charCodeAt(0)) | 0, 7)
  let counter = 0
  return () => philox4x32([counter++, 0, 0, 0], [key, 0])[0] / 2 ** 32
}
