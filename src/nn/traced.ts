/** A model's parameters inside a trace: states of the program, found by name. */
import type { Tensor, TraceContext } from '../engine/index.ts'
import type { ParameterSpec } from './parameter.ts'

/** Traced parameters by name; a tied name finds the tensor that it is tied to. */
export interface TracedParameters {
  /** Throws, naming the parameter, where the model declared none of that name. */
  get(name: string): Tensor
  /** The same for parameters that a model may leave out, such as biases. */
  find(name: string): Tensor | undefined
}

/** Declares each parameter as a state of the program under its own name. */
export function traceParameters(context: TraceContext, specs: readonly ParameterSpec[]): TracedParameters {
  const tensors = new Map<string, Tensor>()
  for (const { name, aliases, shape } of specs) {
    const tensor = context.state(name, shape)
    for (const label of [name, ...aliases]) tensors.set(label, tensor)
  }
  return parametersOf(tensors)
}

/** The same parameters with other tensors for some of them, by name; a tied name finds the replacement too. */
export function replaceParameters(
  specs: readonly ParameterSpec[],
  traced: TracedParameters,
  replacements: ReadonlyMap<string, Tensor>,
): TracedParameters {
  const tensors = new Map<string, Tensor>()
  for (const { name, aliases } of specs) {
    const tensor = replacements.get(name) ?? traced.get(name)
    for (const label of [name, ...aliases]) tensors.set(label, tensor)
  }
  return parametersOf(tensors)
}

function parametersOf(tensors: ReadonlyMap<string, Tensor>): TracedParameters {
  return {
    find: (name) => tensors.get(name),
    get: (name) => {
      const tensor = tensors.get(name)
      if (tensor) return tensor
      throw new Error(`There is no parameter "${name}"; declare it with the model's others before it is used.`)
    },
  }
}
