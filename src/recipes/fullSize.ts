/**
 * Recipes of published sizes: a family's architecture, as its `@nano` recipe has it, with the sizes of one row of a table
 * and the training that was published. They are for `plan`, `explain` and `ledger`; two cores do not train them.
 */
import { assumed, type Evidenced, type Recipe } from './recipe.ts'
import type { RecipePath } from './schema.ts'

/** One published size. */
export interface FullSize {
  /** After the @. */
  readonly size: string
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly kvHeads?: number
  readonly headDim?: number
  readonly feedForward?: number
  readonly vocab?: number
  readonly context?: number
  readonly tied?: boolean
  readonly window?: number
  /** Peak learning rate. */
  readonly learningRate: number
  /** Tokens of an optimizer step, and of the whole run; as published, before they are cut into whole sequences. */
  readonly batchTokens: number
  readonly tokens: number
}

type Fields = Partial<Record<RecipePath, Evidenced<unknown>>>
type Because = <const T>(value: T, source: string) => Evidenced<T>

export interface Family {
  /** Before the @. */
  readonly name: string
  /** What people call it. */
  readonly title: string
  /** A recipe of the architecture, whose other values are the family's. */
  readonly base: Recipe
  readonly vocab: number
  readonly context: number
  /** Evidence for the sizes, and for learning rate, batch and length. */
  readonly sizes: readonly [Because, string]
  readonly training: readonly [Because, string]
  /** Steps of warm-up, from the steps of the run and the tokens of a step. */
  readonly warmup: (steps: number, batchTokens: number) => number
  /** What else the family has otherwise than its base, or some of its sizes have. */
  readonly fields?: (row: FullSize, steps: number) => Fields
}

/** The recipe of one size, called `${family.name}@${row.size}`. */
export function fullSize(family: Family, row: FullSize): Recipe {
  const { base, title, sizes, training } = family
  const context = row.context ?? family.context
  const steps = Math.round(row.tokens / row.batchTokens)
  const size = <T>(value: T): Evidenced<T> => sizes[0](value, sizes[1])
  const train = <T>(value: T): Evidenced<T> => training[0](value, training[1])
  const own: Fields = {
    'model.layers': size(row.layers),
    'model.heads': size(row.heads),
    'model.width': size(row.width),
    'model.context': size(context),
    'model.vocab': size(row.vocab ?? family.vocab),
    ...optional('model.kvHeads', base, size(row.kvHeads ?? row.heads)),
    ...optional('model.headDim', base, size(row.headDim ?? row.width / row.heads)),
    ...optional('model.feedForward', base, size(row.feedForward ?? 4 * row.width)),
    ...(row.tied === undefined ? {} : { 'model.tied': size(row.tied) }),
    ...(row.window === undefined ? {} : { 'model.window': size(row.window) }),
    'optimizer.learningRate': train(row.learningRate),
    'schedule.warmup': train(family.warmup(steps, row.batchTokens)),
    'schedule.steps': train(steps),
    'schedule.floor': train(Number((row.learningRate / 10).toPrecision(6))),
    'train.batchSize': assumed(1, 'one sequence at a time; accumulation makes up the batch'),
    'train.accumulation': train(Math.round(row.batchTokens / context)),
    'train.evalEvery': assumed(1000, 'chosen here'),
    'data.path': assumed(null, 'the text is not shipped; give one with --data'),
    'data.tokenizer': assumed('byte', 'not shipped; give the model’s own with --tokenizer tokenizer.json'),
  }
  const fields = { ...base.fields, ...own, ...family.fields?.(row, steps) } as Recipe['fields']
  return {
    name: `${family.name}@${row.size}`,
    description: `${title} ${row.size.toUpperCase()}, as published.`,
    fields,
  }
}

/** For paths that only some architectures read. */
function optional(path: RecipePath, base: Recipe, field: Evidenced<unknown>): Fields {
  return path in base.fields ? { [path]: field } : {}
}
