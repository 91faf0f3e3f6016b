/** All recipes, in the order in which help lists them; each family in a file of its own. */
import { gpt2Small, quickstart, shakespeareCharCpu } from './gpt2.ts'
import { grok1Nano } from './grok1.ts'
import { llamaNano } from './llama.ts'
import { mixtralNano } from './mixtral.ts'
import type { Recipe } from './recipe.ts'

export const recipes: readonly Recipe[] = [quickstart, shakespeareCharCpu, gpt2Small, llamaNano, grok1Nano, mixtralNano]
export const recipeNames: readonly string[] = recipes.map((recipe) => recipe.name)
