/** Grok-1's recipes. */
import type { grok1 as architecture } from '../models/index.ts'
import { family } from './family.ts'
import { nanoFields, unpublishedTraining } from './nano.ts'
import { assumed, code, defineRecipe, note } from './recipe.ts'

const MODEL = 'xai-org/grok-1 model.py'
const RUN = 'xai-org/grok-1 run.py'

const nano = defineRecipe<typeof architecture>(
  'grok-1@nano',
  'Grok-1 at 1.3M parameters, of which a token uses 0.4M, under a minute.',
  {
    ...nanoFields,
    ...unpublishedTraining('Grok-1'),
    'optimizer.weightDecay': note(0.1, 'note.ja.md, "from the release’s config"; the release has no training settings'),
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

export const grok1 = family({
  title: 'Grok-1',
  how: 'its training assumed',
  nano,
  vocab: 131_072,
  context: 8192,
  sizes: [code, RUN],
  training: [assumed, 'as LLaMA 65B; nothing is published about Grok-1’s training'],
  rows: [
    {
      size: '314b',
      layers: 64,
      width: 6144,
      heads: 48,
      kvHeads: 8,
      headDim: 128,
      feedForward: 32_768,
      remark: 'Announced as 314B, which leaves the token table out: 314,879,514,624.',
      learningRate: 1.5e-4,
      batchTokens: 4e6,
      tokens: 1.4e12,
    },
  ],
})
