/** Qwen3's recipes. */
import type { qwen3 as architecture } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields, unpublishedTraining } from './nano.ts'
import { assumed, code, defineRecipe, published } from './recipe.ts'

const PAPER = 'Yang et al. 2025, arXiv:2505.09388'
const CONFIG = 'Qwen/Qwen3-* config.json'

const nano = defineRecipe<typeof architecture>('qwen3@nano', 'Qwen3 at 0.5M parameters, under a minute.', {
  ...nanoFields,
  ...unpublishedTraining('Qwen3'),
  'model.architecture': published('qwen3', `${PAPER}, §2`),
  'model.kvHeads': assumed(2, 'chosen here: two heads of queries share one of keys and values, as in the 0.6B'),
  'model.headDim': assumed(32, 'wider than width / heads, as in the 0.6B'),
  'model.feedForward': assumed(256, '2/3 of 4·width'),
  'model.normEps': code(1e-6, `${CONFIG}, rms_norm_eps`),
  'model.ropeTheta': code(1_000_000, `${CONFIG}, rope_theta`),
  'model.tied': published(true, `${PAPER}, table 1: the models up to 4B are tied`),
})

type Shape = readonly [layers: number, width: number, heads: number, feedForward: number]
const row = (size: string, [layers, width, heads, feedForward]: Shape, tied: boolean): FullSize => ({
  size,
  layers,
  width,
  heads,
  kvHeads: 8,
  headDim: 128,
  feedForward,
  tied,
  learningRate: 3e-4,
  batchTokens: 4e6,
  tokens: 36e12,
})

export const qwen3 = family({
  title: 'Qwen3',
  how: 'its training assumed',
  nano,
  vocab: 151_936,
  context: 40_960,
  sizes: [code, CONFIG],
  training: [assumed, 'as LLaMA 7B; nothing is published about Qwen3’s training'],
  fields: (_, steps) => ({
    'schedule.steps': assumed(steps, `${PAPER}, §3.1: 36 trillion tokens; the batch is assumed as LLaMA’s`),
  }),
  rows: [
    row('0.6b', [28, 1024, 16, 3072], true),
    row('1.7b', [28, 2048, 16, 6144], true),
    row('4b', [36, 2560, 32, 9728], true),
    row('8b', [36, 4096, 32, 12_288], false),
  ],
})
