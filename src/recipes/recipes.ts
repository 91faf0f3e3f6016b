/** All recipes, in the order in which help lists them; each family in a file of its own. */
import type { Family } from './family.ts'
import { finetune } from './finetune.ts'
import { gpt2 } from './gpt2.ts'
import { gpt3 } from './gpt3.ts'
import { grok1 } from './grok1.ts'
import { llama, llama2, llama3 } from './llama.ts'
import { mistral, mixtral } from './mistral.ts'
import { gpt2Nanogpt, quickstart, shakespeareCharCpu } from './nanogpt.ts'
import { olmo2 } from './olmo2.ts'
import { palm, palmNote } from './palm.ts'
import { pythia } from './pythia.ts'
import { qwen3 } from './qwen3.ts'
import type { Recipe } from './recipe.ts'

/** Those that belong to no family. */
export const singleRecipes: readonly Recipe[] = [quickstart, shakespeareCharCpu, finetune]
export const families: readonly Family[] = [
  gpt2,
  gpt2Nanogpt,
  gpt3,
  llama,
  llama2,
  llama3,
  palm,
  palmNote,
  grok1,
  mistral,
  mixtral,
  pythia,
  olmo2,
  qwen3,
]
export const recipes: readonly Recipe[] = [...singleRecipes, ...families.flatMap((family) => family.recipes)]
export const recipeNames: readonly string[] = recipes.map((recipe) => recipe.name)

/** Families that had another name. */
const RENAMED: Readonly<Record<string, string>> = { 'gpt2-note': 'gpt2' }

/** What to say where a family's name stands without a size, or an old one; nothing for other names. */
export function familyHint(name: string): string {
  const [first = '', size] = name.split('@')
  const renamed = RENAMED[first]
  if (renamed !== undefined) {
    return `${first} is called ${renamed}: ${size === undefined ? `${renamed}@124m` : `${renamed}@${size}`}. `
  }
  const found = families.find((candidate) => candidate.name === name)
  return found === undefined ? '' : `Its sizes are ${found.recipes.map((recipe) => recipe.name).join(', ')}. `
}
