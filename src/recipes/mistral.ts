/** Recipes of Mistral and Mixtral, of whose training nothing is published. */
import type { mistral as mistralModel, mixtral as mixtralModel } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields, unpublishedTraining } from './nano.ts'
import { assumed, code, defineRecipe, note, published } from './recipe.ts'

const MISTRAL = 'Jiang et al. 2023, arXiv:2310.06825'
const MISTRAL_CONFIG = 'mistralai/Mistral-7B-v0.1 config.json'
const MIXTRAL = 'Jiang et al. 2024, arXiv:2401.04088'
const MIXTRAL_CONFIG = 'mistralai/Mixtral-8x7B-v0.1 config.json'
const NOTE = 'note.ja.md; neither Mistral’s nor Mixtral’s is published'

/** The same learning rate, batch and length for all three, which are LLaMA 7B's. */
const row = (size: string, layers: number, width: number, heads: number, feedForward: number): FullSize => ({
  size,
  layers,
  width,
  heads,
  kvHeads: 8,
  feedForward,
  learningRate: 3e-4,
  batchTokens: 4e6,
  tokens: 1e12,
})

const mistralNano = defineRecipe<typeof mistralModel>('mistral@nano', 'Mistral at 0.5M parameters, under a minute.', {
  ...nanoFields,
  ...unpublishedTraining('Mistral'),
  'optimizer.weightDecay': note(0.1, NOTE),
  'model.architecture': published('mistral', `${MISTRAL}, §2`),
  'model.kvHeads': assumed(2, 'chosen here: two heads of queries share one of keys and values, where four do'),
  'model.feedForward': assumed(256, '2/3 of 4·width'),
  'model.normEps': code(1e-5, `${MISTRAL_CONFIG}, rms_norm_eps`),
  'model.ropeTheta': code(10_000, `${MISTRAL_CONFIG}, rope_theta`),
  'model.window': assumed(16, 'a quarter of the context; the 7B has 4,096'),
  'model.tied': code(false, `${MISTRAL_CONFIG}, tie_word_embeddings`),
})

export const mistral = family({
  title: 'Mistral',
  how: 'its training assumed',
  nano: mistralNano,
  vocab: 32_000,
  context: 8192,
  sizes: [published, `${MISTRAL}, table 1`],
  training: [assumed, 'as LLaMA 7B; nothing is published about Mistral’s training'],
  rows: [{ ...row('7b', 32, 4096, 32, 14_336), window: 4096 }],
})

const mixtralNano = defineRecipe<typeof mixtralModel>(
  'mixtral@nano',
  'Mixtral at 1.3M parameters, of which a token uses 0.4M, under a minute.',
  {
    ...nanoFields,
    ...unpublishedTraining('Mixtral'),
    'optimizer.weightDecay': note(0.1, NOTE),
    'model.architecture': published('mixtral', `${MIXTRAL}, §2`),
    'model.kvHeads': assumed(2, 'chosen here: two heads of queries share one of keys and values, where four do'),
    'model.feedForward': assumed(128, 'chosen here: two experts together are as wide as the MLP of llama@nano'),
    'model.experts': published(8, `${MIXTRAL}, table 1`),
    'model.expertsPerToken': published(2, `${MIXTRAL}, table 1`),
    'model.balanceLoss': code(0.02, `${MIXTRAL_CONFIG}, router_aux_loss_coef; the paper names no such loss`),
    'model.normEps': code(1e-5, `${MIXTRAL_CONFIG}, rms_norm_eps`),
    'model.ropeTheta': assumed(10_000, `as Mistral; ${MIXTRAL_CONFIG} has 1e6, for a context of 32,768`),
    'model.window': code(0, `${MIXTRAL_CONFIG}, sliding_window: null; ${MIXTRAL}, §2: fully dense context`),
    'model.tied': code(false, `${MIXTRAL_CONFIG}, tie_word_embeddings`),
  },
)

const BIG = 'mistralai/Mixtral-8x22B-v0.1 config.json'
const V3 = 'Version 0.3, with 32,768 tokens, has 140,630,071,296 parameters.'

export const mixtral = family({
  title: 'Mixtral',
  how: 'its training assumed',
  nano: mixtralNano,
  vocab: 32_000,
  context: 32_768,
  sizes: [published, `${MIXTRAL}, table 1`],
  training: [assumed, 'as LLaMA 7B; nothing is published about Mixtral’s training'],
  fields: ({ size, layers, width, heads, kvHeads, feedForward }) => ({
    'model.ropeTheta': code(1_000_000, `${MIXTRAL_CONFIG}, rope_theta`),
    ...(size !== '8x22b'
      ? {}
      : {
          'model.layers': code(layers, BIG),
          'model.width': code(width, BIG),
          'model.heads': code(heads, BIG),
          'model.kvHeads': code(kvHeads, BIG),
          'model.feedForward': code(feedForward, BIG),
          'model.context': code(65_536, BIG),
          'model.vocab': code(32_000, BIG),
          'train.accumulation': assumed(61, 'as LLaMA 7B: 4 million tokens'),
        }),
  }),
  rows: [row('8x7b', 32, 4096, 32, 14_336), { ...row('8x22b', 56, 6144, 48, 16_384), remark: V3 }],
})
