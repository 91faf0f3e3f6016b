/** Training on from weights that are there already. Commit read: karpathy/nanoGPT 3adf61e1. */
import type { gpt2 } from '../models/index.ts'
import { gpt2Nanogpt } from './nanogpt.ts'
import { assumed, code, defineRecipe, type Recipe } from './recipe.ts'

const CONFIG = 'karpathy/nanoGPT config/finetune_shakespeare.py'

const base = gpt2Nanogpt.recipes.find(({ name }) => name === 'gpt2-nanogpt@124m')!
const settings = {
  ...base.fields,
  'optimizer.learningRate': code(3e-5, `${CONFIG} (learning_rate)`),
  'schedule.kind': code('constant', `${CONFIG} (decay_lr = False)`),
  'schedule.warmup': code(0, `${CONFIG} (decay_lr = False leaves the warm-up out as well)`),
  'schedule.steps': code(20, `${CONFIG} (max_iters)`),
  'schedule.floor': assumed(0, 'not read by the constant schedule'),
  'train.batchSize': code(1, `${CONFIG} (batch_size)`),
  'train.accumulation': code(32, `${CONFIG} (gradient_accumulation_steps)`),
  'train.evalEvery': assumed(20, `${CONFIG} evaluates every 5 steps, on a sample; here it is the whole split`),
  'data.path': assumed(null, `${CONFIG}: Shakespeare, which is not shipped; give a text with --data`),
} satisfies Partial<Recipe['fields']>

export const finetune = defineRecipe<typeof gpt2>(
  'finetune',
  "nanoGPT's settings for training on from weights that are there; the model is that of `--from`.",
  settings as Parameters<typeof defineRecipe<typeof gpt2>>[2],
)
