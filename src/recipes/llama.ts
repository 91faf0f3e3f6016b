/** Recipes of LLaMA 1, 2 and 3. */
import type { llama as architecture } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, plainAdamw, published, type Recipe } from './recipe.ts'

const ONE = 'Touvron et al. 2023, arXiv:2302.13971'
const TWO = 'Touvron et al. 2023, arXiv:2307.09288'
const THREE = 'Grattafiori et al. 2024, arXiv:2407.21783'
const META = 'meta-llama/llama llama/model.py'
const TWO_THIRDS = `2/3 of 4·width, as ${ONE}, §2.2`
const POLICY = 'note.ja.md: norms do not decay; the paper excludes nothing, and its training code was not released'

/** What both of the first papers say in the same words. */
const training = (source: string) =>
  ({
    ...plainAdamw('published', source),
    'model.dropout': assumed(0, `not stated; ${META} has none`),
    'optimizer.weightDecay': published(0.1, source),
    'optimizer.betas': published([0.9, 0.95], source),
    'optimizer.policy': assumed('note', POLICY),
    'schedule.kind': published('cosine', `${source}: down to a tenth of the peak`),
    'train.clip': published(1, source),
  }) satisfies Partial<Recipe['fields']>
const blocks = {
  'model.architecture': published('llama', `${ONE}, §2.2`),
  'model.feedForward': assumed(256, TWO_THIRDS),
  'model.normEps': code(1e-5, `${META}, ModelArgs.norm_eps`),
  'model.ropeTheta': code(10_000, `${META}, precompute_freqs_cis`),
  'model.tied': code(false, `${META}, Transformer.output is a layer of its own`),
} as const
const GROUPED = 'chosen here: two heads of queries share one of keys and values'

type Shape = readonly [layers: number, width: number, heads: number, feedForward: number, kvHeads?: number]
type Training = readonly [learningRate: number, tokens: number, batchTokens?: number]
function row(size: string, shape: Shape, [learningRate, tokens, batchTokens = 4e6]: Training): FullSize {
  const [layers, width, heads, feedForward, kvHeads = heads] = shape
  return { size, layers, width, heads, feedForward, kvHeads, learningRate, tokens, batchTokens }
}

export const llama = family({
  title: 'LLaMA',
  nano: defineRecipe<typeof architecture>('llama@nano', 'LLaMA at 0.5M parameters, under a minute.', {
    ...nanoFields,
    ...training(`${ONE}, §2.3`),
    ...blocks,
    'model.kvHeads': assumed(4, 'as many as heads, as in all sizes of the first LLaMA'),
    'optimizer.eps': assumed(1e-8, 'not stated; PyTorch’s default, LLaMA-2 has 1e-5'),
  }),
  vocab: 32_000,
  context: 2048,
  sizes: [published, `${ONE}, table 2`],
  training: [published, `${ONE}, table 2 and §2.3`],
  rows: [
    row('7b', [32, 4096, 32, 11_008], [3e-4, 1e12]),
    row('13b', [40, 5120, 40, 13_824], [3e-4, 1e12]),
    row('33b', [60, 6656, 52, 17_920], [1.5e-4, 1.4e12]),
    row('65b', [80, 8192, 64, 22_016], [1.5e-4, 1.4e12]),
  ],
})

export const llama2 = family({
  title: 'LLaMA-2',
  nano: defineRecipe<typeof architecture>('llama2@nano', 'LLaMA-2 at 0.5M parameters, under a minute.', {
    ...nanoFields,
    ...training(`${TWO}, §2.2`),
    ...blocks,
    'model.architecture': published('llama', `${TWO}, §2.2`),
    'model.kvHeads': assumed(2, `${GROUPED}, as only the 70B has it (eight)`),
    'optimizer.eps': published(1e-5, `${TWO}, §2.2`),
  }),
  vocab: 32_000,
  context: 4096,
  sizes: [published, `${TWO}, table 1 and appendix A.2.1`],
  training: [published, `${TWO}, table 1 and §2.2`],
  rows: [
    row('7b', [32, 4096, 32, 11_008], [3e-4, 2e12]),
    row('13b', [40, 5120, 40, 13_824], [3e-4, 2e12]),
    row('70b', [80, 8192, 64, 28_672, 8], [1.5e-4, 2e12]),
  ],
})

const UNSTATED = `as LLaMA-2; ${THREE} does not state it`
const COSINE = `${THREE}, §3.4.1, of the 405B`
/** 15.6 trillion tokens over the 1.2 million steps of the 405B. */
const MEAN_BATCH = 13e6

export const llama3 = family({
  title: 'LLaMA-3',
  nano: defineRecipe<typeof architecture>('llama3@nano', 'LLaMA-3 at 0.5M parameters, under a minute.', {
    ...nanoFields,
    ...training(UNSTATED),
    ...plainAdamw('published', `${THREE}, §3.4.1`),
    ...blocks,
    'model.architecture': published('llama', `${THREE}, §3.2`),
    'model.kvHeads': assumed(2, `${GROUPED}, where four to sixteen do`),
    'model.ropeTheta': published(500_000, `${THREE}, §3.2`),
    'optimizer.weightDecay': assumed(0.1, `as LLaMA-2; ${THREE}, §3.2.1 has 0.1·lr in its scaling runs alone`),
    'optimizer.betas': assumed([0.9, 0.95], UNSTATED),
    'optimizer.eps': assumed(1e-5, UNSTATED),
    'schedule.kind': published('cosine', COSINE),
    'train.clip': assumed(1, UNSTATED),
  }),
  vocab: 128_256,
  context: 8192,
  sizes: [published, `${THREE}, table 3`],
  training: [assumed, `as ${COSINE}; not stated for this size`],
  warmup: () => 8000,
  floor: 0.01,
  fields: ({ size, learningRate, batchTokens }, steps) => ({
    'optimizer.learningRate': published(learningRate, `${THREE}, table 3`),
    'train.accumulation': assumed(
      Math.round(batchTokens / 8192),
      'the mean over the run of the 405B, whose batches grow from 4 to 8 and 16 million tokens',
    ),
    ...(size !== '405b'
      ? { 'schedule.steps': assumed(steps, 'some 15 trillion tokens, in batches as those of the 405B') }
      : {
          'schedule.warmup': published(8000, COSINE),
          'schedule.steps': published(steps, `${COSINE}; the last 40M tokens, down to 0, are left out`),
          'schedule.floor': published(8e-7, COSINE),
        }),
  }),
  rows: [
    row('8b', [32, 4096, 32, 14_336, 8], [3e-4, 15e12, MEAN_BATCH]),
    row('70b', [80, 8192, 64, 28_672, 8], [1.5e-4, 15e12, MEAN_BATCH]),
    row('405b', [126, 16_384, 128, 53_248, 8], [8e-5, 15.6e12, MEAN_BATCH]),
  ],
})
