/** Pythia's recipes. */
import type { gptNeox } from '../models/index.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, published } from './recipe.ts'

const PAPER = 'Biderman et al. 2023, arXiv:2304.01373'
const CONFIG = 'EleutherAI/pythia models/70M/pythia-70m.yml'

export const pythiaNano = defineRecipe<typeof gptNeox>('pythia@nano', 'Pythia at 0.5M parameters, under a minute.', {
  ...nanoFields,
  'model.architecture': published('gpt-neox', `${PAPER}, §2.2`),
  'model.normEps': code(1e-5, `${CONFIG}, by gpt-neox's default of layernorm_epsilon`),
  'model.ropeTheta': code(10_000, `${CONFIG}, by gpt-neox's default of rotary_emb_base`),
  'model.rotaryShare': assumed(0.25, `${CONFIG}, rotary_pct`),
  'model.tied': code(false, `${CONFIG}, no_weight_tying`),
  'optimizer.policy': code(
    'neox',
    'EleutherAI/gpt-neox megatron/model/utils.py, get_params_for_weight_decay_optimization',
  ),
})
