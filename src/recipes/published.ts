/**
 * The published sizes. Rows: layers, width, heads and so on from each paper's table or configuration; parameter counts
 * follow from them to the digit (src/models/counts.test.ts). What nobody published about training is assumed, as LLaMA.
 */
import { gpt2Small, gpt3Nano } from './gpt2.ts'
import { fullSize, type Family, type FullSize } from './fullSize.ts'
import { grok1Nano } from './grok1.ts'
import { llamaNano, mistralNano, qwen3Nano } from './llama.ts'
import { mixtralNano } from './mixtral.ts'
import { olmo2Nano } from './olmo2.ts'
import { palmNano } from './palm.ts'
import { pythiaNano } from './pythia.ts'
import { assumed, code, note, plainAdamw, published, type Recipe } from './recipe.ts'

const LLAMA = 'Touvron et al. 2023, arXiv:2302.13971'
const UNPUBLISHED = 'as LLaMA 7B; its training was never published'
const WARM = () => 2000

const gpt2: Family = {
  name: 'gpt2',
  title: 'GPT-2',
  base: gpt2Small,
  vocab: 50_257,
  context: 1024,
  sizes: [published, 'Radford et al. 2019, table 2; parameters recounted in openai/gpt-2 README'],
  training: [code, 'karpathy/nanoGPT config/train_gpt2.py, which trains the 124M; GPT-2’s own was never published'],
  warmup: WARM,
  fields: () => ({ 'data.tokenizer': published('gpt2', 'Radford et al. 2019, §2.2') }),
}
const gpt2Rows: readonly FullSize[] = [
  { size: '355m', layers: 24, width: 1024, heads: 16, learningRate: 6e-4, batchTokens: 491_520, tokens: 294_912e6 },
  { size: '774m', layers: 36, width: 1280, heads: 20, learningRate: 6e-4, batchTokens: 491_520, tokens: 294_912e6 },
  { size: '1558m', layers: 48, width: 1600, heads: 25, learningRate: 6e-4, batchTokens: 491_520, tokens: 294_912e6 },
]
/** The note's row, 0.01, which is GPT-1's value and PyTorch's default. */
const gpt2Note: Family = {
  ...gpt2,
  name: 'gpt2-note',
  title: 'GPT-2 with the note’s weight decay, 0.01,',
  fields: () => ({
    'data.tokenizer': published('gpt2', 'Radford et al. 2019, §2.2'),
    'optimizer.weightDecay': note(0.01, 'note.ja.md; GPT-2’s was never published, 0.01 is GPT-1’s'),
    'optimizer.policy': note('note', 'note.ja.md: norms, biases and vectors do not decay'),
  }),
}
const gpt2Small124: FullSize = { ...gpt2Rows[0]!, size: '124m', layers: 12, width: 768, heads: 12 }

const GPT3 = 'Brown et al. 2020, arXiv:2005.14165, table 2.1 and appendix B'
const gpt3: Family = {
  name: 'gpt3',
  title: 'GPT-3',
  base: gpt3Nano,
  vocab: 50_257,
  context: 2048,
  sizes: [published, `${GPT3}; 16 heads for XL and a width of 5,120 for 13B, where the table misprints 24 and 5,140`],
  training: [published, GPT3],
  warmup: (_, batch) => Math.round(375e6 / batch),
  fields: ({ batchTokens }) => ({
    'model.window': assumed(256, 'the width of the bands is not published'),
    'schedule.decaySteps': published(
      Math.round(260e9 / batchTokens) - Math.round(375e6 / batchTokens),
      `${GPT3}: down to a tenth over 260 billion tokens, then level`,
    ),
    'optimizer.betas': published([0.9, 0.95], GPT3),
    'optimizer.eps': published(1e-8, GPT3),
    'optimizer.weightDecay': published(0.1, GPT3),
    'train.clip': published(1, GPT3),
    'data.tokenizer': published('gpt2', GPT3),
  }),
}
const gpt3Row = (size: string, layers: number, width: number, heads: number, rate: number, batch: number): FullSize => {
  return { size, layers, width, heads, learningRate: rate, batchTokens: batch, tokens: 300e9 }
}
const gpt3Rows = [
  gpt3Row('125m', 12, 768, 12, 6e-4, 0.5e6),
  gpt3Row('350m', 24, 1024, 16, 3e-4, 0.5e6),
  gpt3Row('760m', 24, 1536, 16, 2.5e-4, 0.5e6),
  gpt3Row('1.3b', 24, 2048, 16, 2e-4, 1e6),
  gpt3Row('2.7b', 32, 2560, 32, 1.6e-4, 1e6),
  gpt3Row('6.7b', 32, 4096, 32, 1.2e-4, 2e6),
  gpt3Row('13b', 40, 5120, 40, 1e-4, 2e6),
  gpt3Row('175b', 96, 12_288, 96, 0.6e-4, 3.2e6),
]

const llama: Family = {
  name: 'llama',
  title: 'LLaMA',
  base: llamaNano,
  vocab: 32_000,
  context: 2048,
  sizes: [published, `${LLAMA}, table 2`],
  training: [published, `${LLAMA}, table 2 and §2.3`],
  warmup: WARM,
}
const llamaRow = (
  size: string,
  [layers, width, heads, feedForward, kvHeads = heads]: readonly [number, number, number, number, number?],
  [learningRate, tokens, batchTokens = 4e6]: readonly [number, number, number?],
): FullSize => ({ size, layers, width, heads, feedForward, kvHeads, learningRate, tokens, batchTokens })
const llamaRows = [
  llamaRow('7b', [32, 4096, 32, 11_008], [3e-4, 1e12]),
  llamaRow('13b', [40, 5120, 40, 13_824], [3e-4, 1e12]),
  llamaRow('33b', [60, 6656, 52, 17_920], [1.5e-4, 1.4e12]),
  llamaRow('65b', [80, 8192, 64, 22_016], [1.5e-4, 1.4e12]),
]
const LLAMA2 = 'Touvron et al. 2023, arXiv:2307.09288'
const llama2: Family = {
  ...llama,
  name: 'llama2',
  title: 'LLaMA-2',
  context: 4096,
  sizes: [published, `${LLAMA2}, table 1 and appendix A.2.1`],
  training: [published, `${LLAMA2}, table 1 and §2.2`],
  fields: () => ({ 'optimizer.eps': published(1e-5, `${LLAMA2}, §2.2`) }),
}
const llama2Rows = [
  llamaRow('7b', [32, 4096, 32, 11_008], [3e-4, 2e12]),
  llamaRow('13b', [40, 5120, 40, 13_824], [3e-4, 2e12]),
  llamaRow('70b', [80, 8192, 64, 28_672, 8], [1.5e-4, 2e12]),
]
const LLAMA3 = 'Grattafiori et al. 2024, arXiv:2407.21783'
const llama3: Family = {
  ...llama,
  name: 'llama3',
  title: 'LLaMA-3',
  vocab: 128_256,
  context: 8192,
  sizes: [published, `${LLAMA3}, table 3`],
  training: [
    published,
    `${LLAMA3}, table 3 and §3.4.1; the batch is that of the longest phase, cosine to a tenth assumed`,
  ],
  warmup: () => 8000,
  fields: () => ({
    'model.ropeTheta': published(500_000, `${LLAMA3}, §3.2`),
    'optimizer.weightDecay': assumed(0.1, `as LLaMA-2; ${LLAMA3}, §3.2.1 has 0.1·lr in its scaling runs alone`),
  }),
}
const llama3Rows = [
  llamaRow('8b', [32, 4096, 32, 14_336, 8], [3e-4, 15e12, 16e6]),
  llamaRow('70b', [80, 8192, 64, 28_672, 8], [1.5e-4, 15e12, 16e6]),
  llamaRow('405b', [126, 16_384, 128, 53_248, 8], [8e-5, 15.6e12, 16e6]),
]

const PALM = 'Chowdhery et al. 2022, arXiv:2204.02311'
const palm: Family = {
  name: 'palm',
  title: 'PaLM',
  base: palmNano,
  vocab: 256_000,
  context: 2048,
  sizes: [published, `${PALM}, table 1`],
  training: [published, `${PALM}, §5; the batch is that of the last phase, the steps are all 255,000`],
  warmup: () => 10_000,
  fields: () => ({
    'optimizer.name': published('adafactor', `${PALM}, §5`),
    'optimizer.form': published('lr-squared', `${PALM}, §5: "a dynamic weight decay of lr^2.0"`),
    'optimizer.weightDecay': published(1, `${PALM}, §5: λ = lr², so the factor is 1`),
    'optimizer.betas': code(null, 'google-research/t5x adafactor.py takes β1 alone'),
    'optimizer.eps': code(null, 'google-research/t5x adafactor.py has ε1 and ε2, at their defaults'),
    'optimizer.options': published({ factored: false, beta1: 0.9 }, `${PALM}, §5`),
    'optimizer.policy': assumed('all', 't5x’s Adafactor has no mask; whether PaLM left any out is not published'),
    'schedule.kind': published('inverse-square-root-held', `${PALM}, §5: 0.01 for 10,000 steps, then 1/√k`),
    'schedule.floor': assumed(0, 'none is published'),
  }),
}
const palmRow = (size: string, layers: number, width: number, heads: number): FullSize => {
  const batchTokens = 2048 * 2048
  return {
    size,
    layers,
    width,
    heads,
    kvHeads: 1,
    headDim: 256,
    learningRate: 1e-2,
    batchTokens,
    tokens: 255_000 * batchTokens,
  }
}
const palmRows = [palmRow('8b', 32, 4096, 16), palmRow('62b', 64, 8192, 32), palmRow('540b', 118, 18_432, 48)]
/** The note's row: AdamW with 0.1. */
const palmNote: Family = {
  ...palm,
  name: 'palm-note',
  title: 'PaLM with the note’s AdamW and 0.1,',
  warmup: WARM,
  fields: () => ({
    ...plainAdamw('note', 'note.ja.md: AdamW'),
    'optimizer.weightDecay': note(0.1, 'note.ja.md; PaLM published lr² with Adafactor'),
    'optimizer.learningRate': assumed(1.5e-4, 'as LLaMA 65B; PaLM’s 0.01 is Adafactor’s'),
    'schedule.warmup': assumed(2000, 'as LLaMA 65B'),
    'schedule.floor': assumed(1.5e-5, 'a tenth of the peak'),
  }),
}

const assumedTraining = [assumed, UNPUBLISHED] as const
const grok1: Family = {
  name: 'grok-1',
  title: 'Grok-1',
  base: grok1Nano,
  vocab: 131_072,
  context: 8192,
  sizes: [code, 'xai-org/grok-1 run.py'],
  training: assumedTraining,
  warmup: WARM,
}
const grok1Rows = [{ ...llamaRow('314b', [64, 6144, 48, 32_768, 8], [1.5e-4, 1e12]), headDim: 128 }]
const mistral: Family = {
  name: 'mistral',
  title: 'Mistral',
  base: mistralNano,
  vocab: 32_000,
  context: 8192,
  sizes: [published, 'Jiang et al. 2023, arXiv:2310.06825, table 1'],
  training: assumedTraining,
  warmup: WARM,
}
const mistralRows = [{ ...llamaRow('7b', [32, 4096, 32, 14_336, 8], [3e-4, 1e12]), window: 4096 }]
const mixtral: Family = {
  name: 'mixtral',
  title: 'Mixtral',
  base: mixtralNano,
  vocab: 32_000,
  context: 32_768,
  sizes: [published, 'Jiang et al. 2024, arXiv:2401.04088, table 1; 8x22B from its config.json'],
  training: assumedTraining,
  warmup: WARM,
  fields: () => ({ 'model.ropeTheta': code(1_000_000, 'mistralai/Mixtral-8x7B-v0.1 config.json, rope_theta') }),
}
const mixtralRows = [
  llamaRow('8x7b', [32, 4096, 32, 14_336, 8], [3e-4, 1e12]),
  llamaRow('8x22b', [56, 6144, 48, 16_384, 8], [3e-4, 1e12]),
]

const PYTHIA = 'EleutherAI/pythia models/*.yml (its README has 3e-4 for the 1B)'
const pythia: Family = {
  name: 'pythia',
  title: 'Pythia',
  base: pythiaNano,
  vocab: 50_304,
  context: 2048,
  sizes: [code, PYTHIA],
  training: [code, PYTHIA],
  warmup: (steps) => Math.round(steps / 100),
}
const pythiaRow = (
  size: string,
  layers: number,
  width: number,
  heads: number,
  rate: number,
  vocab = 50_304,
): FullSize => {
  const batchTokens = 1024 * 2048
  return { size, layers, width, heads, vocab, learningRate: rate, batchTokens, tokens: 143_000 * batchTokens }
}
const pythiaRows = [
  pythiaRow('14m', 6, 128, 4, 1e-3),
  pythiaRow('31m', 6, 256, 8, 1e-3),
  pythiaRow('70m', 6, 512, 8, 1e-3),
  pythiaRow('160m', 12, 768, 12, 6e-4),
  pythiaRow('410m', 24, 1024, 16, 3e-4),
  pythiaRow('1b', 16, 2048, 8, 2.5e-4),
  pythiaRow('1.4b', 24, 2048, 16, 2e-4),
  pythiaRow('2.8b', 32, 2560, 32, 1.6e-4),
  pythiaRow('6.9b', 32, 4096, 32, 1.2e-4, 50_432),
  pythiaRow('12b', 36, 5120, 40, 1.2e-4, 50_688),
]

const olmo2: Family = {
  name: 'olmo2',
  title: 'OLMo-2',
  base: olmo2Nano,
  vocab: 100_352,
  context: 4096,
  sizes: [code, 'allenai/OLMo configs/official-1124 and OLMo-core OLMo2-0325-32B'],
  training: [code, 'allenai/OLMo configs/official-1124 and the model cards: stage 1'],
  warmup: WARM,
  fields: ({ size, batchTokens }) => ({
    'schedule.decaySteps': code(
      Math.round((size === '32b' ? 6.5e12 : 5e12) / batchTokens) - 2000,
      'the same: a cosine sized for 5T tokens (32B: 6.5T), of which the run may see less',
    ),
  }),
}
const olmo2Rows = [
  llamaRow('1b', [16, 2048, 16, 8192], [4e-4, 4e12, 512 * 4096]),
  llamaRow('7b', [32, 4096, 32, 11_008], [3e-4, 4e12, 1024 * 4096]),
  llamaRow('13b', [40, 5120, 40, 13_824], [3e-4, 5e12, 2048 * 4096]),
  llamaRow('32b', [64, 5120, 40, 27_648, 8], [6e-4, 6.5e12, 2048 * 4096]),
]

const qwen3: Family = {
  name: 'qwen3',
  title: 'Qwen3',
  base: qwen3Nano,
  vocab: 151_936,
  context: 40_960,
  sizes: [code, 'Qwen/Qwen3-* config.json'],
  training: assumedTraining,
  warmup: WARM,
  fields: () => ({ 'model.ropeTheta': code(1_000_000, 'Qwen/Qwen3-* config.json, rope_theta') }),
}
const qwen3Row = (size: string, shape: Parameters<typeof llamaRow>[1], tied: boolean): FullSize => {
  return { ...llamaRow(size, shape, [3e-4, 1e12]), headDim: 128, tied }
}
const qwen3Rows = [
  qwen3Row('0.6b', [28, 1024, 16, 3072, 8], true),
  qwen3Row('1.7b', [28, 2048, 16, 6144, 8], true),
  qwen3Row('4b', [36, 2560, 32, 9728, 8], true),
  qwen3Row('8b', [36, 4096, 32, 12_288, 8], false),
]

const all: readonly (readonly [Family, readonly FullSize[]])[] = [
  [gpt2, gpt2Rows],
  [gpt2Note, [gpt2Small124, ...gpt2Rows]],
  [gpt3, gpt3Rows],
  [llama, llamaRows],
  [llama2, llama2Rows],
  [llama3, llama3Rows],
  [palm, palmRows],
  [palmNote, palmRows],
  [grok1, grok1Rows],
  [mistral, mistralRows],
  [mixtral, mixtralRows],
  [pythia, pythiaRows],
  [olmo2, olmo2Rows],
  [qwen3, qwen3Rows],
]

/** Every published size, family by family. */
export const publishedSizes: readonly Recipe[] = all.flatMap(([family, rows]) =>
  rows.map((row) => fullSize(family, row)),
)
