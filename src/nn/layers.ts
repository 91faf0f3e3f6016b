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

/** c_proj(gelu(c_fc(x))) with GELU's tanh form. x [N, C] -> [N, C] */
export function mlp(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  const hidden = linear(parameters, `${name}.c_fc`, x) // [N, 4C]
  const active = scope(name, () => gelu(hidden))
  return linear(parameters, `${name}.c_proj`, active)
}

/** SwiGLU (Shazeer 2020, arXiv:2002.05202): down_proj(silu(gate_proj(x)) · up_proj(x)). x [N, C] -> [N, C] */
export function gatedMlp(parameters: TracedParameters, name: string, x: Tensor): Tensor {
  const gate = linear(parameters, `${name}.gate_proj`, x) // [N, F]
  const up = linear(parameters, `${name}.up_proj`, x) // [N, F]
  const active = scope(name, () => mul(silu(gate), up))
  return linear(parameters, `${name}.down_proj`, active)
}
