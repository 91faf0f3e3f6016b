/** `halflife recipes`: the recipes, what each says and where it has it from, and how two differ. */
import type { Command } from 'commander'
import { families, recipes, resolveRecipe, type Family, type ResolvedRecipe } from '../recipes/index.ts'
import { UsageError } from './errors.ts'
import { recipeList } from './recipeFlags.ts'
import type { Channel, Terminal } from './terminal.ts'

interface RecipesFlags {
  readonly diff?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  halflife recipes                              all of them
  halflife recipes palm@540b                    every value, with its evidence and source
  halflife recipes palm@540b --diff palm-note@540b
  halflife recipes llama2                       the sizes of a family
  halflife recipes gpt3@175b --json`

export function defineRecipes(command: Command, { out }: Terminal): void {
  command
    .description(
      'List the recipes; show every value of one with the kind of evidence for it (published, code, note, assumed) and\n' +
        'its source; or compare two.',
    )
    .argument('[name]', 'a recipe, or a family')
    .option('--diff <other>', 'the values in which another recipe differs')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((name: string | undefined, flags: RecipesFlags) => {
      const json = flags.json === true
      if (name === undefined) {
        if (flags.diff !== undefined) {
          throw new UsageError('--diff compares two recipes, and one is given.', 'Name the other before --diff.')
        }
        const list = recipes.map((recipe) => ({ name: recipe.name, description: recipe.description }))
        return out.line(json ? JSON.stringify(list, null, 2) : recipeList())
      }
      const family = families.find((candidate) => candidate.name === name)
      if (family !== undefined && flags.diff === undefined) return showFamily(family, json, out)
      const recipe = resolveRecipe(name)
      if (flags.diff === undefined) return showRecipe(recipe, json, out)
      showDifference(recipe, resolveRecipe(flags.diff), json, out)
    })
}

function showFamily({ recipes: sizes }: Family, json: boolean, out: Channel): void {
  if (json) {
    const names = sizes.map((recipe) => recipe.name)
    return out.line(JSON.stringify(names, null, 2))
  }
  const width = widest(sizes.map((recipe) => recipe.name))
  out.line(sizes.map((recipe) => `${recipe.name.padEnd(width)}  ${recipe.description}`).join('\n'))
}

function showRecipe({ name, description, remark, fields }: ResolvedRecipe, json: boolean, out: Channel): void {
  if (json) return out.line(JSON.stringify({ name, description, remark, fields }, null, 2))
  const rows = Object.entries(fields)
  const [paths, values] = [widest(rows.map(([path]) => path)), widest(rows.map(([, field]) => show(field.value)))]
  out.line(`${out.style('bold', name)}: ${description}${remark === null ? '' : ` ${remark}`}`)
  for (const [path, { value, evidence, source }] of rows) {
    out.line(
      `${out.style('cyan', path.padEnd(paths))}  ${show(value).padEnd(values)}  ${evidence.padEnd(9)}  ${out.style('dim', source)}`,
    )
  }
}

interface Difference {
  readonly path: string
  readonly before: Side
  readonly after: Side
}

/** Null where the architecture does not read the path. */
type Side = { readonly value: unknown; readonly evidence: string; readonly source: string } | null

function showDifference(before: ResolvedRecipe, after: ResolvedRecipe, json: boolean, out: Channel): void {
  const sides = [new Map(Object.entries(before.fields)), new Map(Object.entries(after.fields))] as const
  const paths = [...new Set([...sides[0].keys(), ...sides[1].keys()])]
  const differences = paths
    .map((path): Difference => ({ path, before: sides[0].get(path) ?? null, after: sides[1].get(path) ?? null }))
    .filter((pair) => JSON.stringify(pair.before?.value) !== JSON.stringify(pair.after?.value))
  if (json) return out.line(JSON.stringify({ before: before.name, after: after.name, differences }, null, 2))
  out.line(out.style('bold', `From ${before.name} to ${after.name}: ${differences.length} values differ`))
  const width = widest(paths)
  for (const pair of differences) {
    out.line(`${out.style('cyan', pair.path.padEnd(width))}  ${side(pair.before)} → ${side(pair.after)}`)
  }
}

function side(found: Side): string {
  return found === null ? 'not read' : `${show(found.value)} (${found.evidence})`
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length))
}

function show(value: unknown): string {
  if (value === null) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
