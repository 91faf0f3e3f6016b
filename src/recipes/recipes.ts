/** All recipes, in the order in which help lists them; each family in a file of its own. */
import { finetune } from './finetune.ts'
import { gpt2Nano, gpt2Small, gpt3Nano, quickstart, shakespeareCharCpu } from './gpt2.ts'
import { grok1Nano } from './grok1.ts'
import { llamaNano, mistralNano, qwen3Nano } from './llama.ts'
import { mixtralNano } from './mixtral.ts'
import { olmo2Nano } from './olmo2.ts'
import { palmNano } from './palm.ts'
import { publishedSizes } from './published.ts'
import { pythiaNano } from './pythia.ts'
import type { Recipe } from './recipe.ts'
import { scaledSizes } from './scaled.ts'

/** Those that two cores train in about a minute, and nanoGPT's. */
export const smallRecipes: readonly Recipe[] = [
  quickstart,
  shakespeareCharCpu,
  gpt2Nano,
  gpt2Small,
  finetune,
  gpt3Nano,
  llamaNano,
  palmNano,
  grok1Nano,
  mistralNano,
  mixtralNano,
  pythiaNano,
  olmo2Nano,
  qwen3Nano,
]
const trainable: readonly Recipe[] = smallRecipes.filter(({ name }) => name.endsWith('@nano')).flatMap(scaledSizes)
const withSizes: readonly Recipe[] = [...trainable, ...publishedSizes]
export const recipes: readonly Recipe[] = [...smallRecipes, ...withSizes]
export const recipeNames: readonly string[] = recipes.map((recipe) => recipe.name)

export interface PublishedFamily {
  readonly name: string
  /** What follows the @, in the order of the table. */
  readonly sizes: readonly string[]
}

/** The larger sizes by family: micro and mini, which two cores train in hours, then the published ones. */
export function publishedFamilies(): readonly PublishedFamily[] {
  const families = new Map<string, string[]>()
  for (const { name } of withSizes) {
    const [family = '', size = ''] = name.split('@')
    families.set(family, [...(families.get(family) ?? []), size])
  }
  return [...families].map(([name, sizes]) => ({ name, sizes }))
}

/** What to say where a family's name stands without a size; nothing for other names. */
export function familyHint(name: string): string {
  const family = publishedFamilies().find((candidate) => candidate.name === name)
  return family === undefined ? '' : `Its sizes are ${family.sizes.map((size) => `${name}@${size}`).join(', ')}. `
}
