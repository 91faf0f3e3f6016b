/** From a recipe's name and what the user changed to a checked configuration, with the evidence for each value. */
import { z } from 'zod'
import { parse as parseYaml } from 'yaml'
import { findModel } from '../models/index.ts'
import { nearest } from '../optim/nearest.ts'
import type { OptimizerName } from '../optim/optimizers.ts'
import type { ConfigFile } from './configFile.ts'
import { checkModel, checkReads } from './modelRules.ts'
import { OTHER_NAMES } from './otherNames.ts'
import { optimizerDefaults, recipeDecaySchedules, recipeOptimizer } from './optimizer.ts'
import type { Evidence, Recipe } from './recipe.ts'
import { RecipeError } from './recipeError.ts'
import { families, familyHint, recipeNames, recipes, singleRecipes } from './recipes.ts'
import {
  FIELDS,
  modelPathsOf,
  OWN_MODEL_PATHS,
  recipeSchema,
  SECTIONS,
  type OwnModelPath,
  type RecipeConfig,
  type RecipeField,
  type RecipePath,
} from './schema.ts'

/** A value given by the user; `origin` says where, as in "--steps" or "run.yaml:3". */
export interface Override {
  readonly path: string
  readonly value: unknown
  readonly origin: string
}

/** What changes a recipe, weakest first; within a list, the last one wins. */
export interface RecipeChanges {
  /** Sections with keys, such as `{ optimizer: { weightDecay: 0.2 } }`. */
  readonly config?: Readonly<Record<string, unknown>>
  /** The same, read from a file. */
  readonly configFile?: ConfigFile
  /** `path=value`, as after `--set`. */
  readonly set?: readonly string[]
  /** Values from flags of their own, such as `--steps`. */
  readonly overrides?: readonly Override[]
}

export interface ResolvedField {
  readonly value: unknown
  /** `given`: by the user, and different from the recipe's value. */
  readonly evidence: Evidence | 'given'
  readonly source: string
}

export interface ResolvedRecipe {
  readonly name: string
  readonly description: string
  /** Where the source miscounts or misprints this size; null elsewhere. */
  readonly remark: string | null
  /** Plain and complete. */
  readonly config: RecipeConfig
  /** Every path but those that the architecture does not read, which hold null. */
  readonly fields: ResolvedFields
}

export type ResolvedFields = Readonly<
  Record<Exclude<RecipePath, OwnModelPath>, ResolvedField> & Partial<Record<OwnModelPath, ResolvedField>>
>

/** The recipe of that name; throws RecipeError with the known names. */
export function findRecipe(name: string): Recipe {
  const recipe = recipes.find((candidate) => candidate.name === name)
  if (recipe !== undefined) return recipe
  const known = familyHint(name)
  const near = nearest(name, recipeNames)
  const guess = near === undefined || known !== '' ? '' : `Did you mean "${near}"? `
  const all = [...singleRecipes, ...families].map((one) => one.name).join(', ')
  throw new RecipeError(
    `Unknown recipe "${name}".`,
    `${guess}${known}The recipes are: ${all}, most with sizes after an @ that \`halflife recipes\` lists.`,
  )
}

/**
 * The recipe with the changes applied, checked as a whole.
 * Throws RecipeError for an unknown recipe or path (with the nearest one), a wrong type, a negative or NaN rate, and
 * for values that do not fit together; the message says where the value was given.
 */
export function resolveRecipe(name: string, changes: RecipeChanges = {}): ResolvedRecipe {
  const recipe = findRecipe(name)
  const fields = new Map<string, ResolvedField>(Object.entries(recipe.fields))
  const { config: base, ...given } = changes
  applyOverrides(recipe, fields, listOverrides(base === undefined ? {} : { config: base }))
  applyOverrides(recipe, fields, listOverrides(given))
  const model = findModel(String(fields.get('model.architecture')?.value))
  checkReads(model, fields)
  const read = new Set<string>(modelPathsOf(model))
  for (const path of OWN_MODEL_PATHS) if (!read.has(path)) fields.delete(path)
  const config = assemble(new Map([...fields].map(([path, { value }]) => [path, value])))
  checkTogether(config)
  const { description, remark = null } = recipe
  const inOrder = [...FIELDS.keys()].flatMap((path) => (fields.has(path) ? [[path, fields.get(path)] as const] : []))
  return { name, description, remark, config, fields: Object.fromEntries(inOrder) as ResolvedFields }
}

/** Writes the given values over the fields. Another optimizer comes first, with its own defaults. */
function applyOverrides(recipe: Recipe, fields: Map<string, ResolvedField>, overrides: readonly Override[]): void {
  const read = overrides.map(({ path, value, origin }) => {
    const field = findField(path, origin)
    return { path: field.path, value: checkValue(field, value, origin), origin }
  })
  const name = read.findLast(({ path }) => path === OPTIMIZER_NAME)?.value as OptimizerName | undefined
  if (name !== undefined && name !== fields.get(OPTIMIZER_NAME)?.value) {
    for (const [path, value] of Object.entries(optimizerDefaults(name))) {
      fields.set(path, { value, evidence: 'assumed', source: `default of ${name}` })
    }
  }
  for (const { path, value, origin } of read) {
    const own = recipe.fields[path]
    const same = JSON.stringify(own?.value) === JSON.stringify(value)
    fields.set(path, own && same ? own : { value, evidence: 'given', source: origin })
  }
}

const OPTIMIZER_NAME: RecipePath = 'optimizer.name'

/** What runs did before the path was there; the paths that an architecture does not read may lack as well. */
const ADDED_LATER: Readonly<Partial<Record<RecipePath, unknown>>> = {
  'model.architecture': 'gpt2',
  'model.stochasticDepth': 0,
  'optimizer.name': 'adamw',
  'optimizer.form': 'decoupled',
  'optimizer.decaySchedule': { kind: 'constant' },
  'optimizer.decaySchedules': {},
  'optimizer.options': {},
  'train.precision': 'fp32',
  'train.recompute': false,
}

/**
 * A configuration read back from a run: every path present, nothing unknown, all values right. Of paths that the run's
 * version did not know, those are filled in that mean what it did.
 */
export function checkConfig(config: unknown, origin: string): RecipeConfig {
  const values = new Map(
    flatten(config, () => origin).map(({ path, value }) => {
      const field = findField(path, origin)
      return [field.path as string, checkValue(field, value, origin)]
    }),
  )
  for (const [path, value] of Object.entries(ADDED_LATER)) if (!values.has(path)) values.set(path, value)
  const model = findModel(String(values.get('model.architecture')))
  const needed = new Set<string>(model.reads.map((path) => `model.${path}`))
  for (const path of OWN_MODEL_PATHS) if (!needed.has(path) && !values.has(path)) values.set(path, null)
  const missing = [...FIELDS.keys()].filter((path) => !values.has(path))
  if (missing.length > 0) {
    throw new RecipeError(
      `${missing.join(', ')} missing (${origin}).`,
      'The configuration was not saved by this program whole.',
    )
  }
  const checked = assemble(values)
  checkTogether(checked)
  return checked
}

export interface RecipePathHelp {
  readonly path: RecipePath
  readonly description: string
  /** The type and limits, in words. */
  readonly type: string
  /** The value in the recipe asked about. */
  readonly default: unknown
}

/** Every path that `--set` and configuration files know, in order; defaults are those of `name`. */
export function recipePaths(name = 'quickstart'): readonly RecipePathHelp[] {
  const recipe = findRecipe(name)
  return [...FIELDS.values()].map(({ path, description, expects }) => ({
    path,
    description,
    type: expects,
    default: recipe.fields[path]?.value ?? null,
  }))
}

function listOverrides({ config, configFile, set = [], overrides = [] }: RecipeChanges): Override[] {
  return [
    ...(config === undefined ? [] : flatten(config, () => 'configuration')),
    ...(configFile === undefined ? [] : flatten(configFile.values, (path) => whereIn(configFile, path))),
    ...set.map(parseSet),
    ...overrides,
  ]
}

function whereIn({ file, lines }: ConfigFile, path: string): string {
  const line = lines.get(path)
  return line === undefined ? file : `${file}:${line}`
}

/** `path=value` -> its parts. The value is text, or a YAML or JSON value, as its path wants it. */
function parseSet(text: string): Override {
  const equals = text.indexOf('=')
  const path = (equals < 0 ? text : text.slice(0, equals)).trim()
  const raw = equals < 0 ? '' : text.slice(equals + 1).trim()
  const origin = '--set'
  if (equals < 0 || raw === '') {
    throw new RecipeError(`--set ${text} gives no value.`, 'Write path=value, as in --set optimizer.weightDecay=0.2.')
  }
  if (findField(path, origin).reads === 'text') return { path, value: raw, origin }
  try {
    return { path, value: parseYaml(raw) as unknown, origin }
  } catch {
    return { path, value: raw, origin }
  }
}

/** Sections to paths. A key at the top that is no section stays as it is, so that dotted paths work too. */
function flatten(config: unknown, originOf: (path: string) => string): Override[] {
  if (!isRecord(config)) {
    throw new RecipeError(
      `The configuration is ${show(config)} (${originOf('')}).`,
      `It has the sections ${SECTIONS.join(', ')}.`,
    )
  }
  const found = Object.entries(config).flatMap(([section, content]): Override[] => {
    if (!SECTIONS.includes(section)) return [{ path: section, value: content, origin: originOf(section) }]
    if (content === null || content === undefined) return []
    if (!isRecord(content)) {
      throw new RecipeError(`${section} is ${show(content)} (${originOf(section)}).`, sectionHint(section))
    }
    return Object.entries(content).map(([key, value]) => {
      const path = `${section}.${key}`
      return { path, value, origin: originOf(path) }
    })
  })
  const paths = new Set<string>()
  for (const { path, origin } of found) {
    if (paths.has(path)) throw new RecipeError(`${path} is given twice (${origin}).`, 'Keep one of the two.')
    paths.add(path)
  }
  return found
}

function findField(path: string, origin: string): RecipeField {
  const field = FIELDS.get(path)
  if (field !== undefined) return field
  if (SECTIONS.includes(path))
    throw new RecipeError(`${path} is a section, not a value (${origin}).`, sectionHint(path))
  const last = path.slice(path.lastIndexOf('.') + 1).replaceAll('-', '_')
  const near = OTHER_NAMES.get(last) ?? nearest(path, [...FIELDS.keys()])
  const guess = near === undefined ? '' : `Did you mean ${near}? `
  throw new RecipeError(`Unknown key "${path}" (${origin}).`, `${guess}The keys are: ${[...FIELDS.keys()].join(', ')}.`)
}

function checkValue(field: RecipeField, value: unknown, origin: string): unknown {
  const read = field.reads === 'list' && typeof value === 'string' ? splitList(value) : value
  const result = field.schema.safeParse(read)
  if (result.success) return result.data
  const options = field.schema instanceof z.ZodEnum ? field.schema.options.map(String) : []
  const near = typeof value === 'string' ? nearest(value, options) : undefined
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  throw new RecipeError(
    `${field.path} is ${show(value)} (${origin}); expected ${field.expects}.`,
    `${guess}${field.path}: ${field.description}`,
  )
}

function splitList(text: string): unknown[] {
  return text.split(',').map((item) => (item.trim() === '' ? item : Number(item)))
}

/** Paths that are all known and checked -> the nested configuration. */
function assemble(values: ReadonlyMap<string, unknown>): RecipeConfig {
  const nested: Record<string, Record<string, unknown>> = {}
  for (const path of FIELDS.keys()) {
    const [section = '', key = ''] = path.split('.')
    ;(nested[section] ??= {})[key] = values.get(path) ?? null
  }
  return recipeSchema.parse(nested)
}

function checkTogether(config: RecipeConfig): void {
  const { model, optimizer, schedule } = config
  checkModel(model)
  if (schedule.kind !== 'constant' && schedule.floor > optimizer.learningRate) {
    throw new RecipeError(
      `schedule.floor (${schedule.floor}) is above optimizer.learningRate (${optimizer.learningRate}), so the rate would rise.`,
      `Lower it as well, for example schedule.floor=${Number((optimizer.learningRate / 10).toPrecision(6))}.`,
    )
  }
  if (schedule.kind === 'warmup-stable-decay' && schedule.warmup + schedule.decaySteps > schedule.steps) {
    throw new RecipeError(
      `schedule.warmup (${schedule.warmup}) and schedule.decaySteps (${schedule.decaySteps}) are longer than schedule.steps (${schedule.steps}).`,
      'Shorten one of them or lengthen the run.',
    )
  }
  recipeOptimizer(config)
  recipeDecaySchedules(config)
}

function sectionHint(section: string): string {
  const keys = [...FIELDS.keys()].filter((path) => path.startsWith(`${section}.`))
  return `Its values are ${keys.join(', ')}.`
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(value)
  return JSON.stringify(value) ?? String(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
