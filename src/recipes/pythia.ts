/** Pythia's recipes. */
import type { gptNeox } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields } from './nano.ts'
import { code, defineRecipe, plainAdamw, published } from './recipe.ts'

const PAPER = 'Biderman et al. 2023, arXiv:2304.01373'
const CONFIG = 'EleutherAI/pythia models/*.yml'

const nano = defineRecipe<typeof gptNeox>('pythia@nano', 'Pythia at 0.5M parameters, under a minute.', {
  ...nanoFields,
  ...plainAdamw('code', `${CONFIG}: Adam, which gpt-neox runs in its AdamW mode`),
  'model.architecture': published('gpt-neox', `${PAPER}, §2.2`),
  'model.dropout': code(0, `${CONFIG}, attention-dropout and hidden-dropout`),
  'model.normEps': code(1e-5, `${CONFIG}, by gpt-neox's default of layernorm_epsilon`),
  'model.ropeTheta': code(10_000, `${CONFIG}, by gpt-neox's default of rotary_emb_base`),
  'model.rotaryShare': code(0.25, `${CONFIG}, rotary-pct`),
  'model.tied': code(false, `${CONFIG}, no-weight-tying`),
  'optimizer.weightDecay': code(0.1, `${CONFIG}, weight-decay`),
  'optimizer.betas': code([0.9, 0.95], `${CONFIG}, optimizer`),
  'optimizer.eps': code(1e-8, `${CONFIG}, optimizer`),
  'optimizer.policy': code(
    'neox',
    'EleutherAI/gpt-neox megatron/model/utils.py, get_params_for_weight_decay_optimization',
  ),
  'schedule.kind': code('cosine', `${CONFIG}, lr-decay-style`),
  'train.clip': code(1, `${CONFIG}, gradient_clipping`),
})

function row(size: string, layers: number, width: number, heads: number, rate: number, vocab = 50_304): FullSize {
  const batchTokens = 1024 * 2048
  return { size, layers, width, heads, vocab, learningRate: rate, batchTokens, tokens: 143_000 * batchTokens }
}

export const pythia = family({
  title: 'Pythia',
  nano,
  vocab: 50_304,
  context: 2048,
  sizes: [code, CONFIG],
  training: [code, CONFIG],
  warmup: (_, steps) => Math.round(steps / 100),
  fields: ({ size, learningRate }) =>
    size === '1b'
      ? { 'optimizer.learningRate': code(learningRate, `${CONFIG}; the README of the same repository has 3e-4`) }
      : {},
  rows: [
    row('14m', 6, 128, 4, 1e-3),
    row('31m', 6, 256, 8, 1e-3),
    row('70m', 6, 512, 8, 1e-3),
    row('160m', 12, 768, 12, 6e-4),
    row('410m', 24, 1024, 16, 3e-4),
    row('1b', 16, 2048, 8, 2.5e-4),
    row('1.4b', 24, 2048, 16, 2e-4),
    row('2.8b', 32, 2560, 32, 1.6e-4),
    row('6.9b', 32, 4096, 32, 1.2e-4, 50_432),
    row('12b', 36, 5120, 40, 1.2e-4, 50_688),
  ],
})
