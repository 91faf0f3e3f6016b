/** The order in which a graph can be computed. */
import type { Op, Tensor } from './node.ts'

/** Every node that an output or update depends on, inputs before users: in order of creation. */
export function topologicalOrder<O extends Op>(graph: {
  readonly outputs: ReadonlyMap<string, Tensor<O>>
  readonly updates: ReadonlyMap<string, Tensor<O>>
}): readonly Tensor<O>[] {
  const known = orders.get(graph.outputs)
  if (known?.updates === graph.updates) return known.order as readonly Tensor<O>[]
  const order = ancestors([...graph.outputs.values(), ...graph.updates.values()])
  orders.set(graph.outputs, { updates: graph.updates, order })
  return order
}

/** Every stage asks for a graph's order, and a graph never changes. */
const orders = new WeakMap<object, { readonly updates: object; readonly order: readonly unknown[] }>()

/** The given nodes and all that they depend on, in order of creation. */
export function ancestors<O extends Op>(tensors: readonly Tensor<O>[]): Tensor<O>[] {
  const seen = new Set<Tensor<O>>()
  const pending = [...tensors]
  for (let tensor = pending.pop(); tensor; tensor = pending.pop()) {
    if (seen.has(tensor)) continue
    seen.add(tensor)
    pending.push(...tensor.inputs)
  }
  return [...seen].toSorted((a, b) => a.id - b.id)
}
