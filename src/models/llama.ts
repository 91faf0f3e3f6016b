/**
 * LLaMA 1, 2 and 3 (Touvron et al. 2023, arXiv:2302.13971 and 2307.09288; Dubey et al. 2024, arXiv:2407.21783): pre-norm
 * transformer with RMSNorm, rotary positions, SwiGLU, no biases; the larger ones share keys and values between heads.
 *
 *     x = embed_tokens[ids]
 *     for each block:  x = x + attention(norm(x));  x = x + swiglu(norm(x))
 *     logits = norm(x) · lm_headᵀ
 */
import type { Tensor } from '../engine/index.ts'
import { gatedMlp } from '../nn/layers.ts'
import type { ParameterSpec } from '../nn/parameter.ts'
import { declareDecoder, decoder, declareGatedMlp, tableOrHead } from './decoder.ts'
import { defineModel } from './model.ts'

/** The architecture `llama`, under LlamaForCausalLM's names. */
export const llama = defineModel({
  name: 'llama',
  reads: ['kvHeads', 'feedForward', 'normEps', 'ropeTheta', 'tied'],
  declareParameters: (config): readonly ParameterSpec[] => declareDecoder(config, declareGatedMlp),
  hidden: (parameters, config, ids, pass): Tensor => decoder(parameters, config, ids, pass, { mlp: gatedMlp }),
  outputLayer: tableOrHead,
})
