/**
 * Mistral (Jiang et al. 2023, arXiv:2310.06825): LLaMA's blocks with attention over the last `window` positions only, so
 * that layer k sees k · (window − 1) positions back, through those between.
 */
import { decoder, DECODER_OPTIONS, denseMlp } from './decoder.ts'
import { defineModel, type ConfigOf } from './model.ts'

type Config = ConfigOf<'kvHeads' | 'feedForward' | 'normEps' | 'ropeTheta' | 'window' | 'tied'>

/** The architecture `mistral`, under MistralForCausalLM's names. */
export const mistral = defineModel({
  name: 'mistral',
  reads: ['kvHeads', 'feedForward', 'normEps', 'ropeTheta', 'window', 'tied'],
  optional: DECODER_OPTIONS,
  ...decoder<Config>({ mlp: denseMlp, window: ({ window }) => window }),
})
