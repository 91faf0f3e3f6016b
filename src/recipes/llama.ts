/** LLaMA's recipes, and those of the architectures that keep its blocks: Mistral and Qwen3. */
import type { llama, mistral, qwen3 } from '../models/index.ts'
import { nanoFields } from './nano.ts'
import { assumed, code, defineRecipe, published } from './recipe.ts'

const LLAMA = 'Touvron et al. 2023, arXiv:2302.13971'
const MISTRAL = 'Jiang et al. 2023, arXiv:2310.06825'
const QWEN3 = 'Yang et al. 2025, arXiv:2505.09388'
const SHARED = 'chosen here: two heads of queries share one of keys and values'
const TWO_THIRDS = `2/3 of 4·width, as ${LLAMA}, §2.2`

export const llamaNano = defineRecipe<typeof llama>('llama@nano', 'LLaMA at 0.5M parameters, under a minute.', {
  ...nanoFields,
  'model.architecture': published('llama', `${LLAMA}, §2.2`),
  'model.kvHeads': assumed(2, SHARED),
  'model.feedForward': assumed(256, TWO_THIRDS),
  'model.normEps': code(1e-5, 'meta-llama/llama llama/model.py, ModelArgs.norm_eps'),
  'model.ropeTheta': code(10_000, 'meta-llama/llama llama/model.py, precompute_freqs_cis; LLaMA-3 has 500,000'),
  'model.tied': code(false, 'meta-llama/llama llama/model.py, Transformer.output is a layer of its own'),
})

export const mistralNano = defineRecipe<typeof mistral>('mistral@nano', 'Mistral at 0.5M parameters, under a minute.', {
  ...nanoFields,
  'model.architecture': published('mistral', `${MISTRAL}, §2`),
  'model.kvHeads': assumed(2, SHARED),
  'model.feedForward': assumed(256, TWO_THIRDS),
  'model.normEps': code(1e-5, 'mistralai/Mistral-7B-v0.1 config.json, rms_norm_eps'),
  'model.ropeTheta': code(10_000, 'mistralai/Mistral-7B-v0.1 config.json, rope_theta'),
  'model.window': assumed(16, 'a quarter of the context; the 7B has 4,096'),
  'model.tied': code(false, 'mistralai/Mistral-7B-v0.1 config.json, tie_word_embeddings'),
})

export const qwen3Nano = defineRecipe<typeof qwen3>('qwen3@nano', 'Qwen3 at 0.5M parameters, under a minute.', {
  ...nanoFields,
  'model.architecture': published('qwen3', `${QWEN3}, §2`),
  'model.kvHeads': assumed(2, SHARED),
  'model.headDim': assumed(32, 'wider than width / heads, as in the 0.6B'),
  'model.feedForward': assumed(256, TWO_THIRDS),
  'model.normEps': code(1e-6, 'Qwen/Qwen3-0.6B config.json, rms_norm_eps'),
  'model.ropeTheta': code(1_000_000, 'Qwen/Qwen3-0.6B config.json, rope_theta'),
  'model.tied': published(true, `${QWEN3}, table 1: the models up to 4B are tied`),
})
