/**
 * What a recipe can say: one line per path, with its type, its limits and its meaning.
 * Help texts, `--set`, configuration files and error messages all read this table.
 */
import { z } from 'zod'
import { precisions } from '../engine/index.ts'
import { isTokenizer, TOKENIZER_NAMES } from '../data/tokenizerNames.ts'
import { architectureNames, ownPaths, type Model, type OwnPath } from '../models/index.ts'
import { decayFormNames, resolveForm, type DecayFormSpec } from '../optim/decayForms.ts'
import { optimizerNames, type OptimizerName } from '../optim/optimizers.ts'
import { readPatterns } from '../optim/patterns.ts'
import { policyNames } from '../optim/policy.ts'
import { DECAY_SCHEDULE_EXPECTS, decayScheduleSchema } from './decaySchedules.ts'

/** What people are told about a path, and how `--set` reads its text. */
export interface FieldNote {
  readonly description: string
  /** The type in words, after "expected". */
  readonly expects: string
  /** `text` takes the characters as they are; `value` reads a YAML or JSON value; `list` also splits at commas. */
  readonly reads: 'text' | 'value' | 'list'
}

const notes = new WeakMap<z.ZodType, FieldNote>()

function field<S extends z.ZodType>(
  schema: S,
  expects: string,
  description: string,
  reads: FieldNote['reads'] = 'value',
): S {
  notes.set(schema, { description, expects, reads })
  return schema
}

const count = (description: string) => field(z.int().min(1), 'a whole number, 1 or more', description)
const steps = (description: string) => field(z.int().min(0), 'a whole number of steps, 0 or more', description)
const rate = (description: string) => field(z.number().min(0), 'a finite number, 0 or more', description)
const fraction = (description: string) => field(z.number().min(0).lt(1), 'a number from 0 to less than 1', description)

const beta = z.number().min(0).lt(1)

/** A value that only some architectures read; null in the recipes of the others. */
const own = <S extends z.ZodType>(schema: S, expects: string, description: string) =>
  field(schema.nullable(), expects, `${description} Not read by every architecture.`)
const ownCount = (description: string) => own(z.int().min(1), 'a whole number, 1 or more', description)

export const SCHEDULE_KINDS = [
  'cosine',
  'linear',
  'constant',
  'inverse-square-root',
  'inverse-square-root-held',
  'warmup-stable-decay',
] as const

/** Text such as `embedding=0, *.ln_?.weight=0.05`, or a map; either way it becomes the map. */
const patterns = (what: string, description: string) =>
  field(
    z.union([z.string(), z.record(z.string(), z.number())]).transform((source, context) => {
      try {
        return Object.fromEntries(readPatterns(what, source).map(({ pattern, value }) => [pattern, value]))
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
        return z.NEVER
      }
    }),
    'roles or globs over parameter names with finite numbers, 0 or more, like embedding=0, *.ln_?.weight=0.05',
    description,
  )

/** A form's name, or a map with its settings; it stays as it is written. */
const decayForm = z.custom<DecayFormSpec>().superRefine((value, context) => {
  try {
    resolveForm(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
  }
})

/** RopeScaling of src/nn/rotary.ts. */
const ropeScaling = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('linear'), factor: z.number().min(1) }),
  z
    .strictObject({
      kind: z.literal('llama3'),
      factor: z.number().min(1),
      lowFactor: z.number().gt(0),
      highFactor: z.number().gt(0),
      originalContext: z.int().min(1),
    })
    .refine(({ lowFactor, highFactor }) => lowFactor < highFactor, 'lowFactor must be below highFactor'),
])

export const recipeSchema = z.strictObject({
  model: z.strictObject({
    architecture: field(
      z.enum(architectureNames),
      `one of ${architectureNames.join(', ')}`,
      'Which model; it decides which of the other values are read.',
      'text',
    ),
    layers: count('Transformer blocks.'),
    heads: count('Attention heads per block.'),
    width: count('Width of the residual stream (d_model).'),
    context: count('Tokens that the model sees at once (block size).'),
    vocab: field(
      z.union([z.int().min(1), z.literal('auto')]),
      'a whole number, 1 or more, or auto',
      'Rows of the token table; auto takes the tokenizer’s.',
    ),
    dropout: fraction('Dropout on embeddings, attention weights and residual branches.'),
    stochasticDepth: fraction(
      'Share of samples that skip a branch of the last block in training; earlier blocks linearly less.',
    ),
    bias: own(z.boolean(), 'true or false', 'Biases in the linear layers and norms.'),
    kvHeads: ownCount('Heads of keys and values; must divide the heads.'),
    headDim: ownCount('Width of a head.'),
    feedForward: ownCount('Hidden width of the MLP, or of each expert.'),
    experts: ownCount('MLPs among which a router chooses for each token.'),
    expertsPerToken: ownCount('How many of the experts compute each token.'),
    balanceLoss: own(
      z.number().min(0),
      'a finite number, 0 or more',
      'Weight of the loss that keeps experts in use alike, E · Σ (share assigned · mean probability); with 0 it is told, not learnt.',
    ),
    softCap: own(
      z.number().min(0),
      'a finite number, 0 or more',
      'Largest attention score, approached as softCap · tanh(score / softCap); 0 for none.',
    ),
    normEps: own(z.number().gt(0), 'a number above 0', 'ε of the norms.'),
    ropeTheta: own(z.number().gt(1), 'a number above 1', 'Base of the rotary wavelengths.'),
    ropeScaling: own(
      ropeScaling,
      'a map such as {kind: linear, factor: 4}, or {kind: llama3, factor: 8, lowFactor: 1, highFactor: 4, originalContext: 8192}',
      'How rotary wavelengths are stretched for longer texts than the model was first trained on.',
    ),
    rotaryShare: own(
      z.number().gt(0).max(1),
      'a number above 0, at most 1',
      'Share of a head’s width that is rotated by position.',
    ),
    window: own(
      z.int().min(0),
      'a whole number, 0 or more',
      'How many positions each sees, its own included; 0 sees all before it.',
    ),
    tied: own(z.boolean(), 'true or false', 'Whether the output layer is the token table.'),
    zLoss: own(z.number().min(0), 'a finite number, 0 or more', 'Weight of the z-loss, mean (ln Σ e^logit)².'),
  }),
  optimizer: z.strictObject({
    name: field(
      z.enum(optimizerNames as [OptimizerName, ...OptimizerName[]]),
      `one of ${optimizerNames.join(', ')}`,
      'Which optimizer; another one brings its own defaults for betas, eps, form and options.',
      'text',
    ),
    learningRate: rate('Peak learning rate.'),
    weightDecay: rate('λ; by the form decoupled each step multiplies decayed weights by 1 − lr·λ.'),
    form: field(
      decayForm,
      `one of ${decayFormNames.join(', ')}, or a map such as {kind: cautious, mask: ">", of: independent}`,
      'How λ acts on the weights.',
    ),
    decaySchedule: field(decayScheduleSchema, DECAY_SCHEDULE_EXPECTS, 'What λ is multiplied with over the run.'),
    decaySchedules: field(
      z.record(z.string().min(1), decayScheduleSchema),
      'a map from roles or globs over parameter names to schedules, like {embedding: linear}',
      'Schedules of λ of single parameters, in place of decaySchedule.',
    ),
    betas: field(
      z.tuple([beta, beta]).nullable(),
      'two numbers from 0 to less than 1, like 0.9,0.95',
      'β1 and β2 of optimizers that have both.',
      'list',
    ),
    eps: field(z.number().gt(0).nullable(), 'a number above 0', 'ε of optimizers that have one; AdamW adds it to √v̂.'),
    options: field(
      z.record(z.string().min(1), z.union([z.number(), z.boolean(), z.string()])),
      'a map such as {momentum: 0.9, nesterov: true}',
      'What else the optimizer can be told.',
    ),
    policy: field(z.enum(policyNames), `one of ${policyNames.join(', ')}`, 'Which parameters decay.', 'text'),
    decay: patterns('decay', 'λ of single parameters by role or name, in place of the policy’s.'),
    learningRateScale: patterns(
      'learning-rate scale',
      'What the learning rate of single parameters is multiplied with.',
    ),
  }),
  schedule: z.strictObject({
    kind: field(
      z.enum(SCHEDULE_KINDS),
      `one of ${SCHEDULE_KINDS.join(', ')}`,
      'Shape of the learning rate after the warm-up.',
      'text',
    ),
    warmup: steps('Steps of linear warm-up; of inverse-square-root-held, steps at the peak.'),
    steps: field(z.int().min(1), 'a whole number of steps, 1 or more', 'Length of the run; the floor is reached here.'),
    floor: rate('Lowest learning rate after the warm-up.'),
    decaySteps: steps(
      'Steps of the descent: of the final one of warmup-stable-decay, of that of cosine and linear, where 0 is all the run.',
    ),
  }),
  train: z.strictObject({
    batchSize: count('Sequences per forward pass.'),
    sequenceLength: field(
      z.int().min(1).nullable(),
      'a whole number of tokens, 1 or more',
      'Tokens per sequence, at most model.context, which it is unless told.',
      'value',
    ),
    accumulation: count('Forward passes per optimizer step.'),
    clip: rate('Largest global gradient norm; 0 never clips.'),
    precision: field(
      z.enum(precisions),
      `one of ${precisions.join(', ')}`,
      'What matrix products and attention multiply in; sums, weights, experts and the optimizer are fp32 in any case.',
      'text',
    ),
    recompute: field(
      z.boolean(),
      'true or false',
      'Whether the backward pass computes activations again instead of keeping them: less memory, a little more time.',
    ),
    evalEvery: count('Steps between evaluations on the whole validation split.'),
    seed: field(
      z
        .int()
        .min(0)
        .max(2 ** 32 - 1),
      'a whole number from 0 to 4294967295',
      'Seed of initialisation, batches and dropout.',
    ),
  }),
  data: z.strictObject({
    path: field(
      z.string().min(1).nullable(),
      'a file, a folder, or the name of a built-in corpus',
      'Text to train on.',
      'text',
    ),
    tokenizer: field(
      z.string().refine(isTokenizer),
      `one of ${TOKENIZER_NAMES.join(', ')}, or the path of a tokenizer.json, a SentencePiece .model or their folder`,
      'How text becomes tokens.',
      'text',
    ),
  }),
})

/** A complete, plain configuration of a run. */
export type RecipeConfig = z.infer<typeof recipeSchema>

type Section = keyof RecipeConfig & string
/** `model.layers`, `optimizer.weightDecay`, … */
export type RecipePath = { [S in Section]: `${S}.${keyof RecipeConfig[S] & string}` }[Section]
/** The type of the value at a path. */
export type PathValue<P extends RecipePath> = P extends `${infer S extends Section}.${infer K}`
  ? K extends keyof RecipeConfig[S]
    ? RecipeConfig[S][K]
    : never
  : never

/** A path with its check and its notes. */
export interface RecipeField extends FieldNote {
  readonly path: RecipePath
  readonly schema: z.ZodType
}

/** Every path in order, by name. */
export const FIELDS: ReadonlyMap<string, RecipeField> = new Map(
  Object.entries(recipeSchema.shape).flatMap(([section, { shape }]) =>
    Object.entries(shape as Readonly<Record<string, z.ZodType>>).map(([key, schema]) => {
      const note = notes.get(schema)
      if (note === undefined) throw new Error(`Recipe field ${section}.${key} has no note.`)
      const path = `${section}.${key}` as RecipePath
      return [path, { path, schema, ...note }] as const
    }),
  ),
)

/** Paths that hold null where the architecture does not read them. */
export type OwnModelPath = `model.${OwnPath}`
export const OWN_MODEL_PATHS: ReadonlySet<string> = new Set(ownPaths.map((path): OwnModelPath => `model.${path}`))

/** The paths under `model.` that an architecture reads, in order, those included that may be null. */
export function modelPathsOf({ reads, optional }: Pick<Model, 'reads' | 'optional'>): readonly RecipePath[] {
  const read = new Set<string>([...reads, ...optional].map((path) => `model.${path}`))
  return [...FIELDS.values()]
    .map(({ path }) => path)
    .filter((path) => path.startsWith('model.') && (!OWN_MODEL_PATHS.has(path) || read.has(path)))
}

export const SECTIONS: readonly string[] = Object.keys(recipeSchema.shape)
