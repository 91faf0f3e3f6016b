/**
 * Layers as plain functions of traced tensors; `name` is the module's, so its weights are `${name}.weight` and so on.
 *
 * Letters in the shape comments: B sequences of T tokens, N = B·T rows, C = width.
 * Activations stay [N, C] from the embedding to the head.
 */
import { add, gather, gelu, layerNorm, matmul, mul, rmsNorm, scope, silu, type Tensor } from '../engine/index.ts'
import type { TracedParameters } from './traced.ts'

/** y = x·W + b. x [N, in], W [in, out], b [out] where the model has one -> [N, out] */
export function linear(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  return scope(name, () => {
    const y = matmul(x, parameters.get(`${name}.weight`))
    const bias = parameters.find(`${name}.bias`)
    return bias ? add(y, bias) : y
  })
}

/** Rows of the table `${name}.weight` [V, C]; ids i32 [...] -> [..., C] */
export function embedding(parameters: TracedParameters, name: string, ids: Tensor): Tensor {
  return scope(name, () => gather(parameters.get(`${name}.weight`), ids))
}

/** (x − μ)/√(σ² + ε) · gain + bias over the last axis, gain being `${name}.weight`, ε 1e-5 unless told. */
export function layerNormed(parameters: TracedParameters, name: string, x: Tensor, epsilon = 1e-5): Tensor {
  return scope(name, () => {
    return layerNorm(x, parameters.get(`${name}.weight`), parameters.find(`${name}.bias`), { epsilon })
  })
}

/** x/√(mean x² + ε) · gain over the last axis, gain being `${name}.weight`. */
export function rmsNormed(parameters: TracedParameters, name: string, x: Tensor, epsilon: number): Tensor {
  return scope(name, () => rmsNorm(x, parameters.get(`${name}.weight`), { epsilon }))
}

/** The two linear maps of an MLP without a gate, and what lies between them. */
export interface MlpParts {
  readonly first: string
  readonly second: string
  readonly activation: (x: Tensor) => Tensor
}

/** GPT-2's, with GELU's tanh form. */
const GPT2_MLP: MlpParts = { first: 'c_fc', second: 'c_proj', activation: gelu }

/** second(activation(first(x))), with GPT-2's names and activation unless told. x [N, C] -> [N, C] */
export function mlp(parameters: TracedParameters, name: string, x: Tensor, parts = GPT2_MLP): Tensor {
  const hidden = linear(parameters, `${name}.${parts.first}`, x) // [N, 4C]
  const active = scope(name, () => parts.activation(hidden))
  return linear(parameters, `${name}.${parts.second}`, active)
}

/** SwiGLU (Shazeer 2020, arXiv:2002.05202): down_proj(silu(gate_proj(x)) · up_proj(x)). x [N, C] -> [N, C] */
export function gatedMlp(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  const gate = linear(parameters, `${name}.gate_proj`, x) // [N, F]
  const up = linear(parameters, `${name}.up_proj`, x) // [N, F]
  const active = scope(name, () => mul(silu(gate), up))
  return linear(parameters, `${name}.down_proj`, active)
}
