/** What a recipe is: for each path a value, the kind of evidence for it, and where it was read. */
import type { Model, OwnPath } from '../models/index.ts'
import type { OwnModelPath, PathValue, RecipePath } from './schema.ts'

/**
 * `published`: in a paper. `code`: in the authors' code or configuration. `note`: in note.ja.md.
 * `assumed`: chosen here, because nobody says or because the size is our own.
 */
export type Evidence = 'published' | 'code' | 'note' | 'assumed'

export interface Evidenced<T> {
  readonly value: T
  readonly evidence: Evidence
  readonly source: string
}

type Fields<P extends RecipePath> = { readonly [K in P]: Evidenced<NonNullable<PathValue<K>> | NullOf<K>> }
/** Null where it is a value of its own, as a text that nobody chose; not where it says that a path is not read. */
type NullOf<P extends RecipePath> = P extends OwnModelPath ? never : Extract<PathValue<P>, null>

export interface Recipe {
  readonly name: string
  /** One line for lists. */
  readonly description: string
  /** Where the source miscounts or misprints this size, in a sentence. */
  readonly remark?: string
  /** Every path but those that its architecture does not read. */
  readonly fields: Fields<Exclude<RecipePath, OwnModelPath>> & Partial<Fields<OwnModelPath>>
}

const because =
  (evidence: Evidence) =>
  <const T>(value: T, source: string): Evidenced<T> => ({ value, evidence, source })
export const published = because('published')
export const code = because('code')
export const note = because('note')
export const assumed = because('assumed')

/** What a recipe need not say. */
const USUAL = {
  'train.precision': assumed('fp32', 'the default: faster only where the processor multiplies bf16 numbers'),
  'train.recompute': assumed(false, 'the default: only memory depends on it'),
} as const
type UsualPath = keyof typeof USUAL

/** The paths of a recipe whose architecture reads `K`. */
type PathsOf<K extends OwnPath> = Exclude<RecipePath, OwnModelPath> | `model.${K}`
type FieldsOf<Name extends string, K extends OwnPath> = Fields<Exclude<PathsOf<K>, UsualPath>> & {
  readonly 'model.architecture': Evidenced<Name>
} & Partial<Fields<UsualPath>> & { readonly [P in Exclude<OwnModelPath, `model.${K}`>]?: never }

/** A recipe of the architecture `M`, as in `defineRecipe<typeof llama>(…)`: it has exactly the paths that `M` reads. */
export function defineRecipe<M extends Model>(
  name: string,
  description: string,
  fields: FieldsOf<M['name'], M['reads'][number]>,
): Recipe {
  return { name, description, fields: { ...USUAL, ...fields } as Recipe['fields'] }
}

/** The optimizer of nearly every recipe: AdamW with decoupled decay by one λ throughout; spread it among the fields. */
export function plainAdamw<E extends Evidence>(evidence: E, source: string) {
  const field = because(evidence)
  return {
    'optimizer.name': field('adamw', source),
    'optimizer.form': field('decoupled', source),
    'optimizer.decaySchedule': field({ kind: 'constant' }, source),
    'optimizer.decaySchedules': field({}, source),
    'optimizer.options': field({}, source),
  } as const
}
