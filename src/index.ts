/**
 * halflife as a library: train a GPT, or take the parts.
 *
 *     const recipe = resolveRecipe('quickstart', { set: ['schedule.steps=200'] })
 *     const corpus = await loadCorpus({ data: 'moby-dick', tokenizer: 'char' })
 *     const backend = createBackend()
 *     for await (const event of train({ recipe, corpus, backend, out: 'runs/first' })) console.log(event)
 *
 * Or weight decay alone, on parameters and a loss of your own (examples/01-weight-decay-in-twenty-lines.ts):
 *
 *     const book = ledger(parameters, policies.nanogpt, { weightDecay: 0.1, learningRates, steps })
 *     const optimizer = adamw(ledgerGroups(book, parameters), { learningRate: 1e-3 })
 *     const step = compileStep({ backend, parameters, optimizer, loss: (weights, input) => … })
 *
 * All optimizers, forms of decay and schedules are in `halflife/optim`; tracing, differentiating and compiling functions
 * of tensors in `halflife/engine`.
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
  compileStep,
  createSampler,
  initialiseParameters,
  modelSetup,
  recipeLedger,
  train,
  TrainingError,
  type CompiledStep,
  type CompileStepOptions,
  type Sampler,
  type SampleOptions,
  type TrainEvent,
  type TrainOptions,
  type TrainSummary,
} from './train/index.ts'

// Parameters of a model of one's own.
export {
  normal,
  ones,
  parameterList,
  ROLES,
  traceParameters,
  truncatedNormal,
  zeros,
  type Init,
  type ParameterList,
  type ParameterSpec,
  type Role,
  type TracedParameters,
} from './nn/index.ts'

// Weight decay.
export {
  adamw,
  buildLedger as ledger,
  createOptimizer,
  diffLedgers,
  explain,
  findPolicy,
  ledgerGroups,
  policies,
  PolicyError,
  policyNames,
  renderExplanation,
  renderLedger,
  type Explanation,
  type Ledger,
  type LedgerRun,
  type Optimizer,
  type ParameterGroup,
  type Policy,
  type PolicyParameter,
} from './optim/index.ts'
