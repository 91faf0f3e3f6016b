/** The tensor-level interpreter: runs each row's plain meaning, in order. Slow; the definition that the rest is held to. */
import { sameShape, sizeOf, type DType, type Shape, type TensorType } from '../../ir/node.ts'
import type { NdArray, Tensor } from '../../ops/row.ts'
import { describeType } from '../../ir/describe.ts'
import { topologicalOrder } from '../../ir/order.ts'
import { nodeFlops } from '../../trace/flops.ts'
import { bufferName, graphBuffers, leafBuffer, type Graph } from '../../trace/trace.ts'
import type { Backend, Executable, LaunchTime, NumberArray } from '../backend.ts'

export interface InterpreterOptions {
  /** How f32 tensors are held: as Float32Array (f32), or as Float64Array for finite differences and reference values. */
  readonly precision: 'f32' | 'f64'
}

/** A backend that evaluates graphs row by row on one thread. Sums inside one op are made in float64. */
export function createInterpreterBackend({ precision }: InterpreterOptions): Backend {
  const buffers = new Map<string, { readonly type: TensorType; readonly data: NumberArray }>()
  const allocate = ({ dtype, shape }: TensorType): NumberArray => {
    if (dtype === 'i32') return new Int32Array(sizeOf(shape))
    return precision === 'f64' ? new Float64Array(sizeOf(shape)) : new Float32Array(sizeOf(shape))
  }
  const buffer = (name: string, dtype: DType, shape: Shape): NumberArray => {
    const known = buffers.get(name)
    if (!known) {
      const made = { type: { dtype, shape }, data: allocate({ dtype, shape }) }
      buffers.set(name, made)
      return made.data
    }
    if (known.type.dtype === dtype && sameShape(known.type.shape, shape)) return known.data
    throw new Error(
      `the buffer ${name} is ${describeType(known.type)}, but was asked for as ${describeType({ dtype, shape })}; ` +
        'use another name for the other type',
    )
  }
  return {
    name: 'interpreter',
    description: `interpreter, ${precision}, 1 thread`,
    threads: 1,
    compile: (graph) => new InterpretedGraph(graph, allocate, buffer),
    buffer,
    dispose: () => buffers.clear(),
  }
}

class InterpretedGraph implements Executable {
  readonly report: Executable['report']
  readonly #graph: Graph
  readonly #order: readonly Tensor[]
  /** For each node, those whose values are not needed after it. */
  readonly #lastUses: ReadonlyMap<Tensor, readonly Tensor[]>
  readonly #allocate: (type: TensorType) => NumberArray
  readonly #buffer: Backend['buffer']

  constructor(graph: Graph, allocate: (type: TensorType) => NumberArray, buffer: Backend['buffer']) {
    const start = performance.now()
    this.#graph = graph
    this.#allocate = allocate
    this.#buffer = buffer
    this.#order = topologicalOrder(graph)
    this.#lastUses = findLastUses(this.#order, graph)
    for (const { buffer: name, dtype, shape } of graphBuffers(graph)) buffer(name, dtype, shape)
    const computed = this.#order.filter((tensor) => !this.#isNamed(tensor))
    this.report = {
      arenaBytes: this.#peakBytes(),
      flops: computed.reduce((sum, tensor) => sum + nodeFlops(tensor), 0),
      launches: computed.length,
      kernels: computed.length,
      codeBytes: 0,
      compileMilliseconds: performance.now() - start,
    }
  }

  run(): void {
    this.#execute(() => {})
  }

  profile(): readonly LaunchTime[] {
    const times: LaunchTime[] = []
    let before = performance.now()
    this.#execute((tensor) => {
      const now = performance.now()
      const bytes = 4 * [tensor, ...tensor.inputs].reduce((sum, { shape }) => sum + sizeOf(shape), 0)
      const label = `${tensor.scope === '' ? '' : `${tensor.scope} `}${tensor.op.name} ${describeType(tensor)}`
      times.push({ label, milliseconds: now - before, flops: nodeFlops(tensor), bytes })
      before = now
    })
    return times
  }

  /** All new values are computed before any named buffer changes. */
  #execute(done: (tensor: Tensor) => void): void {
    const values = new Map<Tensor, NdArray>()
    for (const tensor of this.#order) {
      const leaf = leafBuffer(this.#graph.name, tensor)
      if (leaf !== undefined) {
        values.set(tensor, { shape: tensor.shape, data: this.#buffer(leaf, tensor.dtype, tensor.shape) })
        continue
      }
      const output: NdArray = { shape: tensor.shape, data: this.#allocate(tensor) }
      const inputs = tensor.inputs.map((input) => values.get(input)!)
      try {
        tensor.op.evaluate(inputs, tensor.attributes, output)
      } catch (error) {
        throw withScope(error, tensor)
      }
      values.set(tensor, output)
      for (const dead of this.#lastUses.get(tensor) ?? []) values.delete(dead)
      done(tensor)
    }
    this.#writeBack(values)
  }

  /** Values are copied first: an update may be another state itself, as in a swap. */
  #writeBack(values: ReadonlyMap<Tensor, NdArray>): void {
    const { name, outputs, updates } = this.#graph
    const results = [
      ...[...outputs].map(([output, tensor]) => ({ buffer: bufferName(name, output), tensor })),
      ...[...updates].map(([state, tensor]) => ({ buffer: state, tensor })),
    ].map(({ buffer, tensor }) => ({
      to: this.#buffer(buffer, tensor.dtype, tensor.shape),
      data: this.#isNamed(tensor) ? values.get(tensor)!.data.slice() : values.get(tensor)!.data,
    }))
    for (const { to, data } of results) to.set(data)
  }

  /** The most bytes of temporary values alive at once. */
  #peakBytes(): number {
    const bytes = (tensor: Tensor): number => (this.#isNamed(tensor) ? 0 : this.#allocatedBytes(tensor))
    let [live, peak] = [0, 0]
    for (const tensor of this.#order) {
      live += bytes(tensor)
      peak = Math.max(peak, live)
      for (const dead of this.#lastUses.get(tensor) ?? []) live -= bytes(dead)
    }
    return peak
  }

  #isNamed(tensor: Tensor): boolean {
    return leafBuffer(this.#graph.name, tensor) !== undefined
  }

  #allocatedBytes(tensor: Tensor): number {
    return this.#allocate({ dtype: tensor.dtype, shape: [] }).BYTES_PER_ELEMENT * sizeOf(tensor.shape)
  }
}

function findLastUses(order: readonly Tensor[], graph: Graph): Map<Tensor, Tensor[]> {
  const kept = new Set([...graph.outputs.values(), ...graph.updates.values()])
  const seen = new Set<Tensor>()
  const lastUses = new Map<Tensor, Tensor[]>()
  for (const tensor of order.toReversed()) {
    const ending = [...new Set(tensor.inputs)].filter((input) => !seen.has(input) && !kept.has(input))
    for (const input of ending) seen.add(input)
    if (ending.length > 0) lastUses.set(tensor, ending)
  }
  return lastUses
}

/** Adds the op's scope to an error from its evaluation. */
function withScope(error: unknown, tensor: Tensor): unknown {
  if (error instanceof Error && tensor.scope !== '') error.message = `${error.message} (in scope ${tensor.scope})`
  return error
}
