/** OLMo-2's recipes. */
import type { olmo2 } from '../models/index.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, published } from './recipe.ts'

const PAPER = 'OLMo team 2025, arXiv:2501.00656'
const CONFIG = 'allenai/OLMo configs/official-1124/OLMo2-7B-stage1.yaml'

export const olmo2Nano = defineRecipe<typeof olmo2>('olmo2@nano', 'OLMo-2 at 0.5M parameters, under a minute.', {
  ...nanoFields,
  'model.architecture': published('olmo2', `${PAPER}, §3.2`),
  'model.kvHeads': assumed(4, 'as many as heads, as all sizes but the 32B'),
  'model.feedForward': assumed(256, '2/3 of 4·width, as the published sizes'),
  'model.normEps': code(1e-6, `${CONFIG}, layer_norm_eps`),
  'model.ropeTheta': code(500_000, `${CONFIG}, rope_theta`),
  'model.tied': code(false, `${CONFIG}, weight_tying`),
  'model.zLoss': code(1e-5, `${CONFIG}, softmax_auxiliary_loss`),
  'optimizer.policy': code('olmo-2', `${CONFIG}, decay_embeddings and decay_norm_and_bias`),
})
