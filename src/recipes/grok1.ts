/** Grok-1's recipes. */
import type { grok1 } from '../models/index.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe } from './recipe.ts'

const MODEL = 'xai-org/grok-1 model.py'
const RUN = 'xai-org/grok-1 run.py'

export const grok1Nano = defineRecipe<typeof grok1>(
  'grok-1@nano',
  'Grok-1 at 1.3M parameters, of which a token uses 0.4M, under a minute.',
  {
    ...nanoFields,
    'model.architecture': code('grok-1', MODEL),
    'model.kvHeads': assumed(2, `chosen here: two heads of queries share one of keys and values; ${RUN}: six do`),
    'model.headDim': assumed(24, `width / heads, as in ${RUN}`),
    'model.feedForward': assumed(128, 'chosen here: two experts together are as wide as the MLP of llama@nano'),
    'model.experts': code(8, `${RUN}, num_experts`),
    'model.expertsPerToken': code(2, `${RUN}, num_selected_experts`),
    'model.balanceLoss': assumed(0.02, `as Mixtral; ${MODEL}, being for inference, has no auxiliary loss`),
    'model.softCap': code(30, `${MODEL}, max_attn_val`),
    'model.normEps': code(1e-5, `${MODEL}, hk_rms_norm`),
    'model.ropeTheta': code(10_000, `${MODEL}, base_exponent`),
  },
)
