/** The architectures, by name. */
import { gpt2 } from './gpt2.ts'
import { gpt3 } from './gpt3.ts'
import { gptNeox } from './gptNeox.ts'
import { grok1 } from './grok1.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { mixtral } from './mixtral.ts'
import type { Model } from './model.ts'
import { olmo2 } from './olmo2.ts'
import { palm } from './palm.ts'
import { qwen3 } from './qwen3.ts'

export { gpt2, gpt3, gptNeox, grok1, llama, mistral, mixtral, olmo2, palm, qwen3 }
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

const all = [gpt2, gpt3, llama, palm, grok1, mistral, mixtral, gptNeox, olmo2, qwen3] as const
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
