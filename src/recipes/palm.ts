/** PaLM's recipes, and the note's, which gives it AdamW with λ = 0.1. */
import type { palm as architecture } from '../models/index.ts'
import { family, type FullSize } from './family.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, note, plainAdamw, published } from './recipe.ts'

const PAPER = 'Chowdhery et al. 2022, arXiv:2204.02311'
const T5X = 'google-research/t5x adafactor.py'
const HELD = `${PAPER}, §5: 0.01 for 10,000 steps, then 1/√k`

const model = {
  'model.architecture': published('palm', `${PAPER}, §2`),
  'model.dropout': published(0, `${PAPER}, §5: none in pre-training`),
  'model.kvHeads': published(1, `${PAPER}, §2, multi-query attention`),
  'model.headDim': assumed(24, 'width / heads; the published sizes have 256'),
  'model.feedForward': assumed(384, '4·width, as all published sizes'),
  'model.normEps': assumed(1e-6, 'the paper does not say; T5X, which it was trained with, has 1e-6'),
  'model.ropeTheta': assumed(10_000, 'the paper does not say; the rotary paper has 10,000'),
  'model.zLoss': published(1e-4, `${PAPER}, §5`),
  'train.clip': published(1, `${PAPER}, §5`),
} as const

const nano = defineRecipe<typeof architecture>(
  'palm@nano',
  'PaLM at 0.5M parameters, with Adafactor and a decay of lr², under a minute.',
  {
    ...nanoFields,
    ...plainAdamw('published', `${PAPER}, §5`),
    ...model,
    'optimizer.name': published('adafactor', `${PAPER}, §5`),
    'optimizer.form': published('lr-squared', `${PAPER}, §5: "a dynamic weight decay of lr^2.0"`),
    'optimizer.options': published(
      { factored: false, beta1: 0.9, decayExponent: 0.8 },
      `${PAPER}, §5: not factored, β1 = 0.9, β2 = 1 − k^−0.8; steps scaled by the parameters’ RMS as ${T5X} does`,
    ),
    'optimizer.learningRate': assumed(2e-2, 'chosen here: the published 0.01 is slow for so short a run'),
    'optimizer.weightDecay': published(1, `${PAPER}, §5: λ = lr², so the factor is 1`),
    'optimizer.betas': code(null, `${T5X} takes β1 alone; β2 follows the step`),
    'optimizer.eps': code(null, `${T5X} has ε1 = 1e-30 and ε2 = 1e-3, its defaults`),
    'optimizer.policy': assumed('all', `${T5X} has no mask; whether PaLM left any out is not published`),
    'schedule.kind': published('inverse-square-root-held', HELD),
    'schedule.warmup': assumed(100, 'chosen here: an eighth of the run at the peak, where the 540B has a 25th'),
    'schedule.floor': assumed(0, 'none is published'),
  },
)

/** Sequences of a batch: of the whole 540B run on average, of the last phase of the others. */
const sequences: Readonly<Record<string, number>> = { '8b': 512, '62b': 1024, '540b': 1486 }
function row(size: string, layers: number, width: number, heads: number): FullSize {
  const batchTokens = sequences[size]! * 2048
  const tokens = size === '540b' ? 255_000 * batchTokens : 780e9
  const shape = { size, layers, width, heads, kvHeads: 1, headDim: 256 }
  return { ...shape, learningRate: 1e-2, batchTokens, tokens }
}
const rows = [row('8b', 32, 4096, 16), row('62b', 64, 8192, 32), row('540b', 118, 18_432, 48)]

const full = {
  vocab: 256_000,
  context: 2048,
  sizes: [published, `${PAPER}, table 1`],
  training: [published, `${PAPER}, §5`],
  rows,
} as const

function length({ size, batchTokens }: FullSize, steps: number) {
  const batch = batchTokens / 2048
  if (size !== '540b') {
    return {
      'schedule.steps': assumed(steps, `${PAPER}, §5: 780 billion tokens, in batches of the last phase throughout`),
      'train.accumulation': published(batch, `${PAPER}, §5: ${batch / 2} sequences, later ${batch}; here throughout`),
    }
  }
  const phases = '512 sequences to step 50,000, 1,024 to 115,000, 2,048 to 255,000'
  return {
    'schedule.steps': published(steps, `${PAPER}, §5: ends at step 255,000`),
    'train.accumulation': published(batch, `${PAPER}, §5: ${phases}; this is their mean`),
  }
}

export const palm = family({
  ...full,
  title: 'PaLM',
  nano,
  warmup: () => 10_000,
  fields: (size, steps) => ({
    'optimizer.learningRate': published(size.learningRate, HELD),
    'schedule.warmup': published(10_000, HELD),
    'schedule.floor': assumed(0, 'none is published'),
    ...length(size, steps),
  }),
})

const noteNano = defineRecipe<typeof architecture>(
  'palm-note@nano',
  'PaLM at 0.5M parameters, with the note’s AdamW, under a minute.',
  {
    ...nanoFields,
    ...plainAdamw('note', 'note.ja.md: AdamW; PaLM published Adafactor'),
    ...model,
    'optimizer.weightDecay': note(0.1, 'note.ja.md; PaLM published lr² with Adafactor'),
    'optimizer.betas': assumed([0.9, 0.95], 'as LLaMA 65B'),
    'optimizer.eps': assumed(1e-8, 'as LLaMA 65B'),
    'optimizer.policy': note('note', 'note.ja.md: norms and biases do not decay'),
    'schedule.kind': assumed('cosine', 'as LLaMA 65B'),
  },
)

export const palmNote = family({
  ...full,
  title: 'PaLM',
  how: 'with the note’s AdamW',
  nano: noteNano,
  training: [assumed, 'as LLaMA 65B; PaLM’s 0.01 is Adafactor’s'],
  fields: length,
  rows: rows.map((size) => Object.assign({}, size, { learningRate: 1.5e-4 })),
})
