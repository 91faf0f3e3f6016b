import { z } from 'zod'
import type { Immutable } from './immutable.ts'

/** The recipe of a run: its name and every value by path, as src/recipes checks them. */
export const recipeRecord = z.object({
  name: z.string().min(1),
  /** Sections with keys, such as `{ optimizer: { weightDecay: 0.1 } }`. */
  config: z.record(z.string(), z.record(z.string(), z.unknown())),
})

export type RecipeRecord = Immutable<z.infer<typeof recipeRecord>>
