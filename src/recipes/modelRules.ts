/** Which of a model's values its architecture reads, and which do not fit together. */
import type { Model } from '../models/index.ts'
import { RecipeError } from './recipeError.ts'
import { modelPathsOf, OWN_MODEL_PATHS, type RecipeConfig } from './schema.ts'

/** What checking needs of a resolved field. */
interface Field {
  readonly value: unknown
  readonly evidence: string
  readonly source: string
}

/**
 * Throws RecipeError where a value is given that the architecture does not read, and where one is missing that it reads,
 * as after a change of `model.architecture`.
 */
export function checkReads(model: Model, fields: ReadonlyMap<string, Field>): void {
  const read = modelPathsOf(model)
  const hint = `${model.name} reads ${read.join(', ')}.`
  for (const path of OWN_MODEL_PATHS) {
    const field = fields.get(path)
    const given = field?.evidence === 'given' && field.value !== null
    if (!given || read.some((known) => known === path)) continue
    throw new RecipeError(
      `${path} is given (${field.source}), but the architecture ${model.name} does not read it.`,
      hint,
    )
  }
  const missing = model.reads
    .map((path) => `model.${path}`)
    .filter((path) => (fields.get(path)?.value ?? null) === null)
  if (missing.length === 0) return
  throw new RecipeError(
    `The architecture ${model.name} needs ${missing.join(', ')}, which nothing gives.`,
    `Give ${missing.length === 1 ? 'it' : 'them'} with --set, or start from a recipe of ${model.name}.`,
  )
}

/** Throws RecipeError where heads, widths and shares do not fit. */
export function checkModel(model: RecipeConfig['model']): void {
  const { heads, width, kvHeads, headDim, rotaryShare, ropeTheta, experts, expertsPerToken } = model
  if (headDim === null && width % heads !== 0) {
    throw new RecipeError(
      `model.width is ${width}, which model.heads (${heads}) does not divide.`,
      `Each head takes width / heads numbers; try model.width=${Math.ceil(width / heads) * heads}.`,
    )
  }
  if (kvHeads !== null && heads % kvHeads !== 0) {
    throw new RecipeError(
      `model.heads is ${heads}, which model.kvHeads (${kvHeads}) does not divide.`,
      'Each head of keys and values serves as many heads of queries: make model.heads a multiple of model.kvHeads.',
    )
  }
  if (experts !== null && expertsPerToken !== null && expertsPerToken > experts) {
    throw new RecipeError(
      `model.expertsPerToken is ${expertsPerToken}, but model.experts is ${experts}.`,
      'Each token goes to different experts: choose as many as there are, or fewer.',
    )
  }
  const rotated = ((headDim ?? width / heads) * (rotaryShare ?? 1)) / 2
  if (ropeTheta === null || Number.isInteger(rotated)) return
  throw new RecipeError(
    `${2 * rotated} numbers of each head would be rotated (head width ${headDim ?? width / heads}` +
      `${rotaryShare === null ? '' : `, model.rotaryShare ${rotaryShare}`}), but they are rotated in pairs.`,
    'Choose heads whose rotated width is even.',
  )
}
