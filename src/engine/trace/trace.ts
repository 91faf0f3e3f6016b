/** A traced program: named inputs, state that it reads and replaces, and outputs. */
import { topologicalOrder } from '../ir/order.ts'
import { atScope } from '../ir/scope.ts'
import { sameShape, type DType, type Shape, type TensorType } from '../ir/node.ts'
import { createTensor } from '../ops/create.ts'
import { inputRow, stateRow } from '../ops/leaf.ts'
import type { Tensor } from '../ops/row.ts'
import { describeTensor, describeType } from '../ir/describe.ts'

export interface Graph {
  readonly name: string
  /** Results that the caller reads after a run, by name. Their buffers are called `${graph.name}/${name}`. */
  readonly outputs: ReadonlyMap<string, Tensor>
  /** New values of state buffers, by name; written in place when the run ends. */
  readonly updates: ReadonlyMap<string, Tensor>
  /** Whether the backward pass computes activations again instead of keeping them; false unless told. */
  readonly recomputes?: boolean
}

/** What a traced function declares its outside world with. */
export interface TraceContext {
  /** A tensor that the caller fills before each run, in the buffer `${program}/${name}`. */
  input(name: string, dtype: DType, shape: Shape): Tensor
  /** A buffer that persists between runs and is shared by all programs under its name; f32 unless told. */
  state(name: string, shape: Shape, dtype?: DType): Tensor
}

export interface TraceResult {
  readonly outputs?: Readonly<Record<string, Tensor>>
  /** New values of declared states, by state name. */
  readonly updates?: Readonly<Record<string, Tensor>>
}

/**
 * Runs `program` once with traced tensors and returns the graph of what it computed.
 *
 * Throws where a name is declared twice with different types, a declared input is never used, an update does not have
 * its state's type, or a tensor of another trace is used.
 */
export function trace(name: string, program: (context: TraceContext) => TraceResult): Graph {
  const inputs = new Map<string, Tensor>()
  const states = new Map<string, Tensor>()
  const declare = (kind: 'input' | 'state', known: Map<string, Tensor>, leafName: string, type: TensorType): Tensor => {
    const existing = known.get(leafName)
    if (existing && (existing.dtype !== type.dtype || !sameShape(existing.shape, type.shape))) {
      throw new Error(
        `${name}: ${kind} ${leafName} is declared as ${describeType(type)}, but was declared as ` +
          `${describeType(existing)} before; give one of them another name`,
      )
    }
    const tensor = existing ?? createTensor(kind === 'input' ? inputRow : stateRow, [], { name: leafName, ...type })
    known.set(leafName, tensor)
    return tensor
  }
  const result = atScope('', () =>
    program({
      input: (leafName, dtype, shape) => declare('input', inputs, leafName, { dtype, shape }),
      state: (leafName, shape, dtype = 'f32') => declare('state', states, leafName, { dtype, shape }),
    }),
  )
  const graph: Graph = {
    name,
    outputs: new Map(Object.entries(result.outputs ?? {})),
    updates: new Map(Object.entries(result.updates ?? {})),
  }
  checkUpdates(graph, states)
  checkLeaves(graph, inputs, states)
  graphBuffers(graph)
  return graph
}

function checkUpdates(graph: Graph, states: ReadonlyMap<string, Tensor>): void {
  for (const [name, value] of graph.updates) {
    const state = states.get(name)
    if (!state) throw new Error(`${graph.name}: there is an update for ${name}, which is not a declared state`)
    if (value.dtype === state.dtype && sameShape(value.shape, state.shape)) continue
    throw new Error(
      `${graph.name}: the update of ${name} is ${describeType(value)}, but the state is ${describeType(state)}`,
    )
  }
}

function checkLeaves(graph: Graph, inputs: ReadonlyMap<string, Tensor>, states: ReadonlyMap<string, Tensor>): void {
  const used = new Set(topologicalOrder(graph))
  const declared = new Set([...inputs.values(), ...states.values()])
  for (const tensor of used) {
    if (leafBuffer(graph.name, tensor) === undefined || declared.has(tensor)) continue
    throw new Error(`${graph.name}: ${describeTensor(tensor)} belongs to another trace; declare it in this one`)
  }
  for (const [name, tensor] of inputs) {
    if (!used.has(tensor)) throw new Error(`${graph.name}: input ${name} is declared but nothing depends on it`)
  }
}

/** A named buffer that a graph uses. */
export interface GraphBuffer extends TensorType {
  /** The backend's name for it: a state's own, or `${program}/${name}`. */
  readonly buffer: string
  readonly kind: 'input' | 'state' | 'output'
}

/** The backend's name for an input or output of a program. */
export function bufferName(program: string, name: string): string {
  return `${program}/${name}`
}

/** The name of the buffer that holds an input or state, undefined for all other nodes. */
export function leafBuffer(program: string, tensor: Tensor): string | undefined {
  const isInput = tensor.op === inputRow
  if (!isInput && tensor.op !== stateRow) return undefined
  const name = String(tensor.attributes['name'])
  return isInput ? bufferName(program, name) : name
}

/** All named buffers that a graph reads or writes, each once. Throws where one name has two types or uses. */
export function graphBuffers(graph: Graph): GraphBuffer[] {
  const found = new Map<string, GraphBuffer>()
  const note = (kind: GraphBuffer['kind'], buffer: string, { dtype, shape }: TensorType): void => {
    const other = found.get(buffer)
    if (!other) found.set(buffer, { kind, buffer, dtype, shape })
    else if (other.kind !== kind || other.dtype !== dtype || !sameShape(other.shape, shape)) {
      throw new Error(
        `${graph.name}: the buffer ${buffer} is both ${other.kind} ${describeType(other)} and ` +
          `${kind} ${describeType({ dtype, shape })}; rename one`,
      )
    }
  }
  for (const tensor of topologicalOrder(graph)) {
    const buffer = leafBuffer(graph.name, tensor)
    if (buffer !== undefined) note(tensor.op === inputRow ? 'input' : 'state', buffer, tensor)
  }
  for (const [name, tensor] of graph.updates) note('state', name, tensor)
  for (const [name, tensor] of graph.outputs) note('output', bufferName(graph.name, name), tensor)
  return [...found.values()]
}
