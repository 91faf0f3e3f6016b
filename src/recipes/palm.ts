/** PaLM's recipes. */
import type { palm } from '../models/index.ts'
import { nanoFields } from './nano.ts'
import { assumed, defineRecipe, published } from './recipe.ts'

const PAPER = 'Chowdhery et al. 2022, arXiv:2204.02311'

export const palmNano = defineRecipe<typeof palm>('palm@nano', 'PaLM at 0.5M parameters, with AdamW, under a minute.', {
  ...nanoFields,
  'model.architecture': published('palm', `${PAPER}, §2`),
  'model.kvHeads': published(1, `${PAPER}, §2, multi-query attention`),
  'model.headDim': assumed(24, 'width / heads; the published sizes have 256'),
  'model.feedForward': assumed(384, '4·width, as all published sizes'),
  'model.normEps': assumed(1e-6, 'the paper does not say; T5X, which it was trained with, has 1e-6'),
  'model.ropeTheta': assumed(10_000, 'the paper does not say; the rotary paper has 10,000'),
  'model.zLoss': published(1e-4, `${PAPER}, §5`),
})
