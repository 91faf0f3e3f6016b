/** Recipes as typed data, and how a user's changes are applied to them. */
export { parseConfig, readConfigFile, type ConfigFile } from './configFile.ts'
export { recipeDecayRun, recipeForetold } from './decayRun.ts'
export { recipeDecaySchedules, recipeOptimizer, type RecipeDecaySchedules, type RecipeOptimizer } from './optimizer.ts'
export { recipeSchedule } from './learningRate.ts'
export { RecipeError } from './recipeError.ts'
export { defineRecipe, type Evidence, type Evidenced, type Recipe } from './recipe.ts'
export type { Family } from './family.ts'
export { families, familyHint, recipeNames, recipes, singleRecipes } from './recipes.ts'
export {
  checkConfig,
  findRecipe,
  recipePaths,
  resolveRecipe,
  type Override,
  type RecipeChanges,
  type RecipePathHelp,
  type ResolvedField,
  type ResolvedRecipe,
} from './resolve.ts'
export { recipeSchema, type PathValue, type RecipeConfig, type RecipePath } from './schema.ts'
