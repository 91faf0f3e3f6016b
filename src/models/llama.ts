/**
 * LLaMA 1, 2 and 3 (Touvron et al. 2023, arXiv:2302.13971 and 2307.09288; Dubey et al. 2024, arXiv:2407.21783): pre-norm
 * transformer with RMSNorm, rotary positions, SwiGLU, no biases; the larger ones share keys and values between heads.
 *
 *     x = embed_tokens[ids]
 *     for each block:  x = x + attention(norm(x));  x = x + swiglu(norm(x))
 *     logits = norm(x) · lm_headᵀ
 */
import { decoder, DECODER_OPTIONS, denseMlp } from './decoder.ts'
import { defineModel, type ConfigOf } from './model.ts'

type Config = ConfigOf<'kvHeads' | 'feedForward' | 'normEps' | 'ropeTheta' | 'tied'>

/** The architecture `llama`, under LlamaForCausalLM's names. */
export const llama = defineModel({
  name: 'llama',
  reads: ['kvHeads', 'feedForward', 'normEps', 'ropeTheta', 'tied'],
  optional: DECODER_OPTIONS,
  ...decoder<Config>({ mlp: denseMlp }),
})
