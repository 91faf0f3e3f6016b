/** GPT-2 with the note's weight decay. What the paper does not say is assumed as GPT-3's, its successor of the next year. */
import type { gpt2 as architecture } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, note, plainAdamw, published } from './recipe.ts'

export const GPT2_PAPER = 'Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"'
const AS_GPT3 = 'as GPT-3; not published'

const nano = defineRecipe<typeof architecture>('gpt2@nano', 'GPT-2 at 0.5M parameters, under a minute.', {
  ...nanoFields,
  ...plainAdamw('note', 'note.ja.md: AdamW; which optimizer is not published'),
  'model.architecture': published('gpt2', `${GPT2_PAPER}, §2.3`),
  'model.bias': code(true, 'openai/gpt-2 src/model.py (conv1d and norm have b)'),
  'model.dropout': assumed(0, 'not published; the config.json of transformers has 0.1, nanoGPT trains with 0'),
  'optimizer.weightDecay': assumed(0.01, 'note.ja.md; never published, 0.01 is GPT-1’s and PyTorch’s default'),
  'optimizer.betas': assumed([0.9, 0.95], AS_GPT3),
  'optimizer.eps': assumed(1e-8, AS_GPT3),
  'optimizer.policy': note('note', 'note.ja.md: norms and biases do not decay'),
  'schedule.kind': assumed('cosine', AS_GPT3),
  'train.clip': assumed(1, AS_GPT3),
})

type Shape = readonly [layers: number, width: number, heads: number]
const row = (size: string, printed: string, [layers, width, heads]: Shape, learningRate: number): FullSize => {
  const remark = `The paper prints ${printed}; "our original parameter counts were wrong", says the repository.`
  return { size, layers, width, heads, learningRate, batchTokens: 512 * 1024, tokens: 300e9, remark }
}

/** What every recipe of GPT-2 has; learning rates, batch and length are those of the note's. */
export const gpt2Sizes = {
  vocab: 50_257,
  context: 1024,
  sizes: [published, `${GPT2_PAPER}, table 2 and §2.3; parameters recounted in openai/gpt-2 README`],
  rows: [
    row('124m', '117M', [12, 768, 12], 6e-4),
    row('355m', '345M', [24, 1024, 16], 3e-4),
    row('774m', '762M', [36, 1280, 20], 2.5e-4),
    row('1558m', '1542M', [48, 1600, 25], 2e-4),
  ],
} as const

export const gpt2 = family({
  ...gpt2Sizes,
  title: 'GPT-2',
  how: 'with the note’s weight decay',
  nano,
  training: [assumed, 'as GPT-3 of the same size; GPT-2’s was "manually tuned" and is not published'],
  warmup: ({ batchTokens }) => Math.round(375e6 / batchTokens),
  fields: ({ heads }, steps) => ({
    'model.heads': code(heads, 'openai/gpt-2 hparams.json of each size, n_head'),
    'schedule.steps': assumed(steps, 'as GPT-3: 300 billion tokens; not published'),
    'train.accumulation': published(512, `${GPT2_PAPER}, §2.3: a batch of 512`),
    'data.tokenizer': published('gpt2', `${GPT2_PAPER}, §2.2`),
  }),
})
