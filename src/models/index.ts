/** The architectures, by name. */
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import type { Model } from './model.ts'

export { gpt2 } from './gpt2.ts'
export { llama } from './llama.ts'
export {
  logitsOf,
  ownPaths,
  type CommonPath,
  type ConfigOf,
  type Model,
  type ModelConfig,
  type ModelValues,
  type OutputLayer,
  type OwnPath,
} from './model.ts'

const all = [gpt2, llama] as const
export type ArchitectureName = (typeof all)[number]['name']

export const models: ReadonlyMap<string, Model> = new Map(all.map((model) => [model.name, model]))
/** In the order in which help lists them. */
export const architectureNames = all.map(({ name }) => name) as readonly ArchitectureName[]

/** The architecture of that name; throws with the known ones. */
export function findModel(name: string): Model {
  const model = models.get(name)
  if (model) return model
  throw new Error(`Unknown architecture "${name}". The architectures are: ${architectureNames.join(', ')}.`)
}
