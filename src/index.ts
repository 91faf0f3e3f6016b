/**
 * halflife as a library: train a GPT, or take the parts.
 *
 *     const recipe = resolveRecipe('quickstart', { set: ['schedule.steps=200'] })
 *     const corpus = await loadCorpus({ data: 'moby-dick', tokenizer: 'char' })
 *     const backend = createBackend()
 *     for await (const event of train({ recipe, corpus, backend, out: 'runs/first' })) console.log(event)
 *
 * Optimizers, decay policies, schedules and the ledger are all in `halflife/optim`; tracing, differentiating and
 * compiling functions of tensors in `halflife/engine`.
 */

// What to train.
export {
  readConfigFile,
  RecipeError,
  recipeNames,
  recipePaths,
  recipes,
  resolveRecipe,
  type Recipe,
  type RecipeChanges,
  type RecipeConfig,
  type ResolvedRecipe,
} from './recipes/index.ts'

// On which text.
export {
  BUILT_IN_NAMES,
  DataError,
  loadCorpus,
  tokenizerFromDescription,
  unigramEntropy,
  type Corpus,
  type CorpusRequest,
  type Tokenizer,
} from './data/index.ts'

// On what it runs.
export { availableBackends, BackendError, createBackend, type Backend, type BackendOptions } from './engine/index.ts'

// Training and writing.
export {
  createSampler,
  modelSetup,
  recipeLedger,
  train,
  TrainingError,
  type Sampler,
  type SampleOptions,
  type TrainEvent,
  type TrainOptions,
  type TrainSummary,
} from './train/index.ts'

// Weight decay.
export {
  adamw,
  buildLedger,
  diffLedgers,
  explain,
  findPolicy,
  policies,
  PolicyError,
  policyNames,
  renderExplanation,
  renderLedger,
  type Explanation,
  type Ledger,
  type Policy,
  type PolicyParameter,
} from './optim/index.ts'
