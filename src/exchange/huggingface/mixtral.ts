/**
 * MixtralForCausalLM. The file holds w1, w2 and w3 of each expert as matrices of their own, [out, in]; here those of all
 * experts are one tensor [E, in, out].
 */
import { mixtral } from '../../models/index.ts'
import { parameterCount, type ParameterSpec } from '../../nn/parameter.ts'
import { flag, weight, wholeNumber } from './configReader.ts'
import { DECODER_FILES, readDecoder, readHeadDim, writeDecoder } from './llama.ts'
import type { ModelClass, Piece } from './modelClass.ts'

const EXPERT_TENSOR = /^(layers\.\d+\.block_sparse_moe\.experts)\.(w[123]\.weight)$/

export const mixtralClass: ModelClass = {
  name: 'MixtralForCausalLM',
  modelType: 'mixtral',
  architecture: mixtral.name,
  readConfig(config) {
    config.expect('router_jitter_noise', 0, 0)
    // transformers adds the balancing loss only where it is asked for the router's logits
    const balances = config.read('output_router_logits', flag, false)
    return {
      architecture: mixtral.name,
      ...readDecoder(config, { eps: 1e-5, theta: 1e6, kvHeads: 8 }),
      ...readHeadDim(config),
      experts: config.read('num_local_experts', wholeNumber, 8),
      expertsPerToken: config.read('num_experts_per_tok', wholeNumber, 2),
      balanceLoss: balances ? config.read('router_aux_loss_coef', weight, 0.001) : 0,
      window: config.read('sliding_window', wholeNumber.nullable(), null) ?? 0,
    }
  },
  writeConfig: (model) => ({
    ...writeDecoder(model),
    ...(model.headDim ? { head_dim: model.headDim } : {}),
    num_local_experts: model.experts,
    num_experts_per_tok: model.expertsPerToken,
    output_router_logits: (model.balanceLoss ?? 0) > 0,
    ...((model.balanceLoss ?? 0) > 0 ? { router_aux_loss_coef: model.balanceLoss } : {}),
    router_jitter_noise: 0,
    sliding_window: (model.window ?? 0) === 0 ? null : model.window,
  }),
  ...DECODER_FILES,
  split,
}

/** The experts' matrices one by one. */
function split({ name, shape }: ParameterSpec): readonly Piece[] | undefined {
  const [, module, part] = EXPERT_TENSOR.exec(name) ?? []
  if (module === undefined || part === undefined) return undefined
  const [count, from, to] = shape as readonly [number, number, number]
  return Array.from({ length: count }, (_, expert) => ({
    name: `model.${module}.${expert}.${part}`,
    shape: [to, from],
    begin: expert * parameterCount([from, to]),
    transposed: true,
  }))
}
