/** Where a run is written unless `--out` says otherwise. */
import { twoDigits } from './quantity.ts'

/** `runs/quickstart-20250131-142530`: the recipe and the local time, so that names sort by age. */
export function defaultRunFolder(recipe: string, now: Date = new Date()): string {
  const date = `${now.getFullYear()}${twoDigits(now.getMonth() + 1)}${twoDigits(now.getDate())}`
  const time = `${twoDigits(now.getHours())}${twoDigits(now.getMinutes())}${twoDigits(now.getSeconds())}`
  return `runs/${recipe.replaceAll(/[^\w.-]+/g, '-')}-${date}-${time}`
}
