/** OLMo-2's recipes: the first stage of its training. */
import type { olmo2 as architecture } from '../models/index.ts'
import { family, type Fields, type FullSize } from './family.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, plainAdamw, published } from './recipe.ts'

const PAPER = 'OLMo team 2025, arXiv:2501.00656'
const CONFIG = 'allenai/OLMo configs/official-1124/OLMo2-7B-stage1.yaml and the others'
const CORE = 'allenai/OLMo-core src/scripts/official/OLMo2/OLMo-2-0325-32B-train.py'

const nano = defineRecipe<typeof architecture>('olmo2@nano', 'OLMo-2 at 0.5M parameters, under a minute.', {
  ...nanoFields,
  ...plainAdamw('code', `${CONFIG}, optimizer`),
  'model.architecture': published('olmo2', `${PAPER}, §3.2`),
  'model.dropout': code(0, `${CONFIG}, attention_dropout, residual_dropout and embedding_dropout`),
  'model.kvHeads': assumed(4, 'as many as heads, as all sizes but the 32B'),
  'model.feedForward': assumed(256, '2/3 of 4·width, as the published sizes'),
  'model.normEps': code(1e-6, `${CONFIG}, layer_norm_eps`),
  'model.ropeTheta': code(500_000, `${CONFIG}, rope_theta`),
  'model.tied': code(false, `${CONFIG}, weight_tying`),
  'model.zLoss': code(1e-5, `${CONFIG}, auxiliary_loss_multiplier`),
  'optimizer.weightDecay': code(0.1, `${CONFIG}, weight_decay`),
  'optimizer.betas': code([0.9, 0.95], `${CONFIG}, betas`),
  'optimizer.eps': code(1e-8, `${CONFIG}, eps`),
  'optimizer.policy': code('olmo-2', `${CONFIG}, decay_embeddings: false and decay_norm_and_bias: true`),
  'schedule.kind': code('cosine', `${CONFIG}, cosine_with_warmup`),
  'train.clip': code(1, `${CONFIG}, max_grad_norm`),
})

type Shape = readonly [layers: number, width: number, heads: number, feedForward: number, kvHeads?: number]
type Training = readonly [learningRate: number, tokens: number, sequences: number]
function row(size: string, shape: Shape, [learningRate, tokens, sequences]: Training): FullSize {
  const [layers, width, heads, feedForward, kvHeads = heads] = shape
  return { size, layers, width, heads, feedForward, kvHeads, learningRate, tokens, batchTokens: sequences * 4096 }
}

/** 8,388,608,000 tokens; the 32B says 2,000 steps. */
const warmup = ({ size, batchTokens }: FullSize): number => (size === '32b' ? 2000 : 8_388_608_000 / batchTokens)
const SEEN = 'model cards: the tokens of stage 1'

function fields(row: FullSize, steps: number): Fields {
  const { size, learningRate, batchTokens } = row
  const sizedFor = size === '32b' ? 6.5e12 : 5e12
  return {
    'schedule.steps': code(steps, `${size === '32b' ? `${CORE}, max_duration` : `${CONFIG} and ${SEEN}`}`),
    'schedule.decaySteps': code(
      Math.round(sizedFor / batchTokens) - warmup(row),
      'the same: a cosine sized for 5T tokens (32B: 6.5T), of which the run may see less',
    ),
    ...(size === '13b'
      ? {
          'optimizer.learningRate': code(
            learningRate,
            'allenai/OLMo configs/official-1124/OLMo2-13B-stage1.yaml; in doubt: the paper may have 9e-4, not verified',
          ),
        }
      : {}),
    ...(size === '32b' ? ofCore(row) : {}),
  }
}

/** The 32B was trained with another program. */
function ofCore(row: FullSize): Fields {
  const { learningRate, batchTokens } = row
  const adamw = `${CORE}: SkipStepAdamW, AdamW that leaves out steps of outlying losses and gradients, which we do not`
  return {
    ...plainAdamw('code', adamw),
    'optimizer.learningRate': code(learningRate, CORE),
    'optimizer.weightDecay': code(0.1, CORE),
    'optimizer.betas': code([0.9, 0.95], CORE),
    'optimizer.eps': code(1e-8, `${CORE}, by the default of SkipStepAdamWConfig`),
    'optimizer.policy': code('olmo-2', `${CORE}: embeddings.weight alone has λ 0`),
    'schedule.kind': code('cosine', `${CORE}, CosWithWarmup`),
    'schedule.warmup': code(warmup(row), `${CORE}, warmup_steps`),
    'schedule.floor': code(learningRate / 10, `${CORE}, by the default alpha_f of CosWithWarmup`),
    'train.accumulation': code(batchTokens / 4096, `${CORE}, global_batch_size`),
    'train.clip': code(1, `${CORE}, max_grad_norm`),
    'model.zLoss': code(1e-5, `${CORE}, z_loss_multiplier`),
  }
}

export const olmo2 = family({
  title: 'OLMo-2',
  nano,
  vocab: 100_352,
  context: 4096,
  sizes: [code, 'allenai/OLMo configs/official-1124 and official-0425, OLMo-core TransformerConfig.olmo2_32B'],
  training: [code, 'allenai/OLMo configs/official-1124 and official-0425, stage 1'],
  warmup,
  fields,
  rows: [
    row('1b', [16, 2048, 16, 8192], [4e-4, 4e12, 512]),
    row('7b', [32, 4096, 32, 11_008], [3e-4, 4e12, 1024]),
    row('13b', [40, 5120, 40, 13_824], [3e-4, 5e12, 2048]),
    row('32b', [64, 5120, 40, 27_648, 8], [6e-4, 6.5e12, 2048]),
  ],
})
