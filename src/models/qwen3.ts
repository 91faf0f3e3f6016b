/**
 * Qwen3 (Yang et al. 2025, arXiv:2505.09388): LLaMA's blocks with heads of any width, and RMSNorm of each head's queries
 * and keys before they turn; the smaller ones are tied.
 */
import { decoder, denseMlp } from './decoder.ts'
import { defineModel, type ConfigOf } from './model.ts'

type Config = ConfigOf<'kvHeads' | 'headDim' | 'feedForward' | 'normEps' | 'ropeTheta' | 'tied'>

/** The architecture `qwen3`, under Qwen3ForCausalLM's names. */
export const qwen3 = defineModel({
  name: 'qwen3',
  reads: ['kvHeads', 'headDim', 'feedForward', 'normEps', 'ropeTheta', 'tied'],
  optional: ['ropeScaling'],
  ...decoder<Config>({ mlp: denseMlp, qkNorm: 'head' }),
})
