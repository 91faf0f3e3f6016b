/**
 * Families: an architecture with its smallest recipe, `@nano`, which two cores train in under a minute; `@micro` and
 * `@mini` between; and the published sizes, to plan, explain and compare. What a family publishes about its training
 * stands in its `@nano` recipe and holds at every size; what depends on the size comes from one row of a table.
 */
import { assumed, type Evidenced, type Recipe } from './recipe.ts'
import { scaledSizes } from './scaled.ts'
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
  readonly tied?: boolean
  readonly window?: number
  /** Where the source miscounts or misprints it, in a sentence. */
  readonly remark?: string
  /** Peak learning rate. */
  readonly learningRate: number
  /** Tokens of an optimizer step, and of the whole run; as published, before they are cut into whole sequences. */
  readonly batchTokens: number
  readonly tokens: number
}

export type Fields = Partial<Record<RecipePath, Evidenced<unknown>>>
export type Because = <const T>(value: T, source: string) => Evidenced<T>

export interface FamilyFacts {
  /** What people call it. */
  readonly title: string
  /** Follows the size in descriptions; default `as published`. */
  readonly how?: string
  /** Called NAME@nano; its other values are the family's at every size. */
  readonly nano: Recipe
  readonly vocab: number
  readonly context: number
  /** Evidence for the sizes. */
  readonly sizes: readonly [Because, string]
  /** Evidence for learning rate, warm-up, length, floor and batch, where `fields` has none of its own. */
  readonly training: readonly [Because, string]
  /** Steps of warm-up; default 2000. */
  readonly warmup?: (row: FullSize, steps: number) => number
  /** Lowest learning rate as a share of the peak; default a tenth. */
  readonly floor?: number
  /** What else the family has otherwise than its smallest recipe, or some of its sizes have. */
  readonly fields?: (row: FullSize, steps: number) => Fields
  readonly rows: readonly FullSize[]
}

export interface Family {
  /** Before the @. */
  readonly name: string
  readonly title: string
  /** `@nano`, `@micro`, `@mini`, and the published sizes. */
  readonly recipes: readonly Recipe[]
}

/** All recipes of a family. */
export function family(facts: FamilyFacts): Family {
  const { nano, title, rows } = facts
  const [name = ''] = nano.name.split('@')
  return { name, title, recipes: [nano, ...scaledSizes(nano), ...rows.map((row) => fullSize(name, facts, row))] }
}

function fullSize(name: string, facts: FamilyFacts, row: FullSize): Recipe {
  const { nano, title, how = 'as published' } = facts
  const steps = Math.round(row.tokens / row.batchTokens)
  const fields = {
    ...nano.fields,
    ...shape(facts, row),
    ...run(facts, row, steps),
    ...facts.fields?.(row, steps),
  } as Recipe['fields']
  return {
    name: `${name}@${row.size}`,
    description: `${title} ${row.size.toUpperCase()}, ${how}.`,
    ...(row.remark === undefined ? {} : { remark: row.remark }),
    fields,
  }
}

function shape({ nano, sizes, context, vocab }: FamilyFacts, row: FullSize): Fields {
  const size = <T>(value: T): Evidenced<T> => sizes[0](value, sizes[1])
  const read = (path: RecipePath, value: unknown): Fields => (path in nano.fields ? { [path]: size(value) } : {})
  return {
    'model.layers': size(row.layers),
    'model.heads': size(row.heads),
    'model.width': size(row.width),
    'model.context': size(context),
    'model.vocab': size(row.vocab ?? vocab),
    ...read('model.kvHeads', row.kvHeads ?? row.heads),
    ...read('model.headDim', row.headDim ?? row.width / row.heads),
    ...read('model.feedForward', row.feedForward ?? 4 * row.width),
    ...(row.tied === undefined ? {} : { 'model.tied': size(row.tied) }),
    ...(row.window === undefined ? {} : { 'model.window': size(row.window) }),
  }
}

function run({ context, training, warmup, floor = 0.1 }: FamilyFacts, row: FullSize, steps: number): Fields {
  const train = <T>(value: T): Evidenced<T> => training[0](value, training[1])
  return {
    'optimizer.learningRate': train(row.learningRate),
    'schedule.warmup': train(warmup?.(row, steps) ?? 2000),
    'schedule.steps': train(steps),
    'schedule.floor': train(Number((row.learningRate * floor).toPrecision(6))),
    'train.batchSize': assumed(1, 'one sequence at a time; accumulation makes up the batch'),
    'train.sequenceLength': assumed(null, 'as long as the context'),
    'train.accumulation': train(Math.round(row.batchTokens / context)),
    'train.evalEvery': assumed(1000, 'chosen here; no family says'),
    'train.seed': assumed(1337, 'chosen here; no family says'),
    'data.path': assumed(null, 'the text is not shipped; give one with --data'),
    'data.tokenizer': assumed('byte', 'not shipped; give the model’s own with --tokenizer tokenizer.json'),
  }
}
