/** The flags that change a recipe, shared by the commands that read one. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { precisions, type Precision } from '../engine/index.ts'
import {
  readConfigFile,
  families,
  recipePaths,
  singleRecipes,
  resolveRecipe,
  type Override,
  type RecipeChanges,
  type RecipeConfig,
  type ResolvedRecipe,
} from '../recipes/index.ts'
import type { Channel } from './terminal.ts'

export interface RecipeFlags {
  readonly data?: string
  readonly tokenizer?: string
  readonly set?: readonly string[]
  readonly config?: string
  readonly steps?: number
  readonly seed?: number
  readonly optimizer?: string
  readonly weightDecay?: number
  readonly decay?: string
  readonly lrScale?: string
  readonly precision?: Precision
  readonly recompute?: boolean
}

/** Adds `--data --tokenizer --set --config --steps --seed --optimizer --weight-decay --decay --lr-scale`. */
export function addRecipeFlags(command: Command): Command {
  return command
    .option(
      '--data <path>',
      'text or .jsonl file, folder, or built-in corpus: moby-dick, sotu; or a folder with train.bin, val.bin',
    )
    .option(
      '--tokenizer <name>',
      'char, byte, gpt2, or the path of a tokenizer.json, a SentencePiece .model or their folder',
    )
    .option('--set <path=value>', 'change one setting of the recipe; may be repeated', append)
    .option('--config <file>', 'change settings from a YAML or JSON file')
    .option('--steps <n>', 'length of the run in optimizer steps', wholeNumber(1))
    .option('--seed <n>', 'seed of weights, batches and dropout', wholeNumber(0))
    .option(
      '--optimizer <name>',
      'which optimizer, with its own defaults for betas, eps and form: adamw, adam, lion, …',
    )
    .option('--weight-decay <λ>', 'λ of the run', finiteNumber(0))
    .option('--decay <patterns>', "λ of single parameters by role or name, as 'embedding=0, *.ln_?.*=0.05'")
    .option('--lr-scale <patterns>', "what their learning rate is multiplied with, as 'embedding=0.1'")
}

/** Adds `--precision --recompute`, for the commands that compute. */
export function addComputingFlags(command: Command): Command {
  const option = new Option('--precision <name>', 'multiply in fp32 or, where the processor can, in bf16')
  return command
    .addOption(option.choices(precisions))
    .option('--recompute', 'compute activations again in the backward pass: less memory, a little more time')
}

/** The recipe as the flags change it; `saved` is the configuration of a run that goes on, or a part of one. */
export function recipeFromFlags(
  name: string,
  flags: RecipeFlags,
  saved?: RecipeConfig | Pick<RecipeChanges, 'config'>['config'],
): ResolvedRecipe {
  const given: readonly (Override | undefined)[] = [
    override('train.precision', flags.precision, '--precision'),
    override('train.recompute', flags.recompute, '--recompute'),
    override('data.path', flags.data, '--data'),
    override('data.tokenizer', flags.tokenizer, '--tokenizer'),
    override('schedule.steps', flags.steps, '--steps'),
    override('train.seed', flags.seed, '--seed'),
    override('optimizer.name', flags.optimizer, '--optimizer'),
    override('optimizer.weightDecay', flags.weightDecay, '--weight-decay'),
    override('optimizer.decay', flags.decay, '--decay'),
    override('optimizer.learningRateScale', flags.lrScale, '--lr-scale'),
  ]
  return resolveRecipe(name, {
    ...(saved === undefined ? {} : { config: saved }),
    ...(flags.config === undefined ? {} : { configFile: readConfigFile(flags.config) }),
    set: flags.set ?? [],
    overrides: given.filter((item) => item !== undefined),
  })
}

function override(path: string, value: unknown, origin: string): Override | undefined {
  return value === undefined ? undefined : { path, value, origin }
}

/** For help texts: recipes of no family one line each, then one line a family. */
export function recipeList(): string {
  const width = Math.max(...[...singleRecipes, ...families].map(({ name }) => name.length))
  const single = singleRecipes.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`)
  const sized = families.map(({ name, recipes }) => {
    return `  ${name.padEnd(width)}  ${recipes.map((recipe) => recipe.name.slice(name.length + 1)).join(' ')}`
  })
  return [
    ...single,
    '',
    'By size, as in llama@nano: nano trains in under a minute, micro in minutes, mini in hours; the published ones are to plan:',
    ...sized,
  ].join('\n')
}

/** For usage lines. */
export function recipeArgument(): string {
  const some = singleRecipes.slice(0, 2).map(({ name }) => name)
  return `a recipe, such as ${some.join(', ')}, gpt2@nano or llama@7b (halflife recipes lists all)`
}

/** For help texts: every path with its type, default and meaning. */
export function pathList({ style }: Pick<Channel, 'style'>): string {
  const rows = recipePaths()
  const width = Math.max(...rows.map(({ path }) => path.length))
  const pad = ' '.repeat(width + 4)
  return rows
    .map(({ path, type, description, default: value }) => {
      const facts = style('dim', `${type}; quickstart: ${show(value)}`)
      return `  ${style('cyan', path.padEnd(width))}  ${description}\n${pad}${facts}`
    })
    .join('\n')
}

function show(value: unknown): string {
  if (value === null) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function append(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value]
}

/** A reader of whole numbers from `least` to `most`, for commander. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`
  return (text) => {
    const value = /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : NaN
    if (value >= least && value <= most) return value
    throw new InvalidArgumentError(`Expected a whole number, ${range}.`)
  }
}

/** A reader of finite numbers from `least` up, for commander. */
export function finiteNumber(least: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text)
    if (!Number.isFinite(value) || value < least) throw new InvalidArgumentError(`Expected a number, ${least} or more.`)
    return value
  }
}
