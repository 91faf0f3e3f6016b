/** Mixtral's recipes. */
import type { mixtral } from '../models/index.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, published } from './recipe.ts'

const PAPER = 'Jiang et al. 2024, arXiv:2401.04088'
const CONFIG = 'mistralai/Mixtral-8x7B-v0.1 config.json'

export const mixtralNano = defineRecipe<typeof mixtral>(
  'mixtral@nano',
  'Mixtral at 1.3M parameters, of which a token uses 0.4M, under a minute.',
  {
    ...nanoFields,
    'model.architecture': published('mixtral', `${PAPER}, §2`),
    'model.kvHeads': assumed(2, 'chosen here: two heads of queries share one of keys and values, where four do'),
    'model.feedForward': assumed(128, 'chosen here: two experts together are as wide as the MLP of llama@nano'),
    'model.experts': published(8, `${PAPER}, table 1`),
    'model.expertsPerToken': published(2, `${PAPER}, table 1`),
    'model.balanceLoss': code(0.02, `${CONFIG}, router_aux_loss_coef; the paper names no such loss`),
    'model.normEps': code(1e-5, `${CONFIG}, rms_norm_eps`),
    'model.ropeTheta': assumed(10_000, `as Mistral; ${CONFIG} has 1e6, for a context of 32,768`),
    'model.window': code(0, `${CONFIG}, sliding_window: null; ${PAPER}, §2: fully dense context`),
    'model.tied': code(false, `${CONFIG}, tie_word_embeddings`),
  },
)
