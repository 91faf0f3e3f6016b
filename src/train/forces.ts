/**
 * The forces of a step, as outputs that a program has beside its updates. Such a program runs in place of the plain one
 * in the steps that are looked at; its updates are the same operations, so that the weights are the same to the bit.
 *
 * The program sums along rows, in the passes that it makes over the weights anyway; the rows are added up here. To add
 * them up in the program too would take a wait of all threads for each tensor.
 */
import {
  bufferName,
  mul,
  square,
  sum,
  type Backend,
  type NumberArray,
  type Shape,
  type Tensor,
  type TraceContext,
} from '../engine/index.ts'
import { parameterCount, type ParameterSpec } from '../nn/parameter.ts'
import type { ForceSums, Optimizer, ParameterUpdate } from '../optim/index.ts'
import type { ModelSetup } from './step.ts'

/** What a look at one step saw. */
export interface Forces {
  /** By name, for every tensor that is trained. */
  readonly sums: ReadonlyMap<string, ForceSums>
  /** ‖row‖² after the step [rows], for the tables with a row for each token. */
  readonly rows: ReadonlyMap<string, Float64Array>
}

/** The sums of forces, by the name that its output has after the tensor's. */
const ALWAYS = ['weight', 'gradient', 'gradientAlong', 'gradientPart', 'gradientPartAlong'] as const
const DECAYING = ['part', 'along', 'product'] as const

function sumName(tensor: string, what: string): string {
  return `${tensor}:${what}`
}

/** Whether a tensor has one row for each token of the vocabulary. */
export function isTokenTable(
  { role, shape }: Pick<ParameterSpec, 'role' | 'shape'>,
  { config }: Pick<ModelSetup, 'config'>,
): boolean {
  return role === 'embedding' && shape.length === 2 && shape[0] === config.vocab
}

/** Outputs for `readForces`; `scale` multiplies the gradients as they enter the optimizer, which gave `updates`. */
export function traceForces(
  context: TraceContext,
  setup: ModelSetup & { readonly optimizer: Optimizer },
  step: {
    readonly parameters: ReadonlyMap<string, ParameterUpdate>
    readonly scale: Tensor | undefined
    readonly updates: Readonly<Record<string, Tensor>>
  },
): Readonly<Record<string, Tensor>> {
  const outputs: Record<string, Tensor> = {}
  for (const [name, { gradient: part, decay }] of setup.optimizer.parts(context, step.parameters, step.scale)) {
    const { parameter, gradient } = step.parameters.get(name)!
    const products = {
      weight: square(parameter),
      gradient: square(gradient),
      gradientAlong: mul(gradient, parameter),
      gradientPart: square(part),
      gradientPartAlong: mul(part, parameter),
      ...(decay && { part: square(decay), along: mul(decay, parameter), product: mul(part, decay) }),
    }
    for (const [what, product] of Object.entries(products)) outputs[sumName(name, what)] = rowSums(product)
  }
  for (const spec of setup.parameters) {
    const after = step.updates[spec.name]
    if (after && isTokenTable(spec, setup)) outputs[sumName(spec.name, 'rows')] = rowSums(square(after))
  }
  return outputs
}

/** [..., C] -> [..., 1]: in this shape a row's sum is stored by the pass that computes it. */
function rowSums(values: Tensor): Tensor {
  return values.shape.length === 0 ? values : sum(values, -1, { keepDims: true })
}

function rowSumsShape(shape: Shape): Shape {
  return shape.length === 0 ? shape : [...shape.slice(0, -1), 1]
}

/** The outputs of the program that ran last. `declared` are the names of its outputs. */
export function readForces(
  backend: Backend,
  program: string,
  setup: Pick<ModelSetup, 'parameters'>,
  declared: ReadonlySet<string>,
): Forces {
  const sums = new Map<string, ForceSums>()
  const rows = new Map<string, Float64Array>()
  for (const { name, shape } of setup.parameters) {
    if (!declared.has(sumName(name, 'weight'))) continue // frozen
    const read = (what: string): NumberArray => {
      return backend.buffer(bufferName(program, sumName(name, what)), 'f32', rowSumsShape(shape))
    }
    const total = (what: string): number => totalOf(read(what))
    const entries = (all: readonly string[]) => all.map((what) => [what, total(what)] as const)
    sums.set(name, {
      count: parameterCount(shape),
      ...(Object.fromEntries(entries(ALWAYS)) as Record<(typeof ALWAYS)[number], number>),
      decay: declared.has(sumName(name, 'part'))
        ? (Object.fromEntries(entries(DECAYING)) as Record<(typeof DECAYING)[number], number>)
        : null,
    })
    if (declared.has(sumName(name, 'rows'))) rows.set(name, Float64Array.from(read('rows')))
  }
  return { sums, rows }
}

function totalOf(values: NumberArray): number {
  let total = 0
  for (let k = 0; k < values.length; k++) total += values[k]!
  return total
}
