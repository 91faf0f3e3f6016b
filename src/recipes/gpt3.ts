/** GPT-3's recipes. */
import type { gpt3 as architecture } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields } from './nano.ts'
import { assumed, defineRecipe, plainAdamw, published } from './recipe.ts'

const PAPER = 'Brown et al. 2020, arXiv:2005.14165'
const B = `${PAPER}, appendix B`

const nano = defineRecipe<typeof architecture>('gpt3@nano', 'GPT-3 at 0.5M parameters, under a minute.', {
  ...nanoFields,
  ...plainAdamw('published', `${B}: Adam, with weight decay as Loshchilov and Hutter have it`),
  'model.architecture': published('gpt3', `${PAPER}, §2.1`),
  'model.dropout': assumed(0, 'the paper does not say'),
  'model.bias': assumed(true, `as GPT-2; ${PAPER}, §2.1: "the same model and architecture"`),
  'model.window': assumed(16, 'a quarter of the context; the width of GPT-3’s bands is not published'),
  'optimizer.weightDecay': published(0.1, B),
  'optimizer.betas': published([0.9, 0.95], B),
  'optimizer.eps': published(1e-8, B),
  'optimizer.policy': assumed('note', 'note.ja.md: norms and biases do not decay; the paper does not say which do'),
  'schedule.kind': published('cosine', B),
  'train.clip': published(1, B),
})

const TABLE = `${PAPER}, table 2.1`
const RAMP = `${TABLE}; the batch grows from 32,000 tokens over the first 4 to 12 billion, here it is whole throughout`
/** Where table 2.1 contradicts itself. */
const MISPRINTS: Readonly<Record<string, string>> = {
  '1.3b': `${TABLE} misprints 24 heads, which with heads of 128 do not make 2,048, and 1.52 billion parameters`,
  '13b': `${TABLE} misprints 5,140, which 40 heads of 128 do not make`,
}

const row = (size: string, layers: number, width: number, heads: number, rate: number, batch: number): FullSize => {
  return { size, layers, width, heads, learningRate: rate, batchTokens: batch, tokens: 300e9 }
}

export const gpt3 = family({
  title: 'GPT-3',
  nano,
  vocab: 50_257,
  context: 2048,
  sizes: [published, TABLE],
  training: [published, `${TABLE} and appendix B`],
  warmup: ({ batchTokens }) => Math.round(375e6 / batchTokens),
  fields: ({ size, width, heads, batchTokens }) => ({
    ...(size === '1.3b' ? { 'model.heads': assumed(heads, MISPRINTS[size]!) } : {}),
    ...(size === '13b' ? { 'model.width': assumed(width, MISPRINTS[size]!) } : {}),
    'model.window': assumed(256, 'the width of the bands is not published'),
    'schedule.decaySteps': published(
      Math.round(260e9 / batchTokens) - Math.round(375e6 / batchTokens),
      `${B}: down to a tenth over 260 billion tokens, then level`,
    ),
    'train.accumulation': published(Math.round(batchTokens / 2048), RAMP),
    'data.tokenizer': published('gpt2', `${PAPER}, §2.2`),
  }),
  rows: [
    row('125m', 12, 768, 12, 6e-4, 0.5e6),
    row('350m', 24, 1024, 16, 3e-4, 0.5e6),
    row('760m', 24, 1536, 16, 2.5e-4, 0.5e6),
    {
      ...row('1.3b', 24, 2048, 16, 2e-4, 1e6),
      remark: 'Table 2.1 prints 24 heads; of 128 each, they would make 1,517,123,584 parameters.',
    },
    row('2.7b', 32, 2560, 32, 1.6e-4, 1e6),
    row('6.7b', 32, 4096, 32, 1.2e-4, 2e6),
    {
      ...row('13b', 40, 5120, 40, 1e-4, 2e6),
      remark: 'Table 2.1 prints a width of 5,140, which would make 12,936,488,380 parameters.',
    },
    row('175b', 96, 12_288, 96, 0.6e-4, 3.2e6),
  ],
})
