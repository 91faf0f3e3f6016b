/** The architectures, by name. */
import { gpt2 } from './gpt2.ts'
import type { Model } from './model.ts'

export { gpt2 } from './gpt2.ts'
export type { Model, ModelConfig } from './model.ts'

export const models: ReadonlyMap<string, Model> = new Map([gpt2].map((model) => [model.name, model]))

/** The architecture of that name; throws with the known ones. */
export function findModel(name: string): Model {
  const model = models.get(name)
  if (model) return model
  throw new Error(`Unknown architecture "${name}". The architectures are: ${[...models.keys()].join(', ')}.`)
}
