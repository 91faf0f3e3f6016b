/** `halflife ledger`: which weights of a recipe or of a run decay, why, and how fast. Nothing is trained. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { readCheckpointMetadata } from '../checkpoint/index.ts'
import {
  diffLedgers,
  findPolicy,
  policies,
  policyNames,
  renderLedger,
  renderLedgerDiff,
  renderTensors,
} from '../optim/index.ts'
import type { ComparableLedger, Ledger, LedgerChange, PolicyName } from '../optim/index.ts'
import { familyHint, recipeNames, type RecipeConfig } from '../recipes/index.ts'
import { modelSetup, recipeLedger } from '../train/index.ts'
import { nearest } from '../optim/nearest.ts'
import { UsageError } from './errors.ts'
import { whole } from './quantity.ts'
import { addRecipeFlags, recipeArgument, recipeFromFlags, recipeList, type RecipeFlags } from './recipeFlags.ts'
import { readSavedRun, type SavedRun } from './savedRun.ts'
import type { Channel, Terminal } from './terminal.ts'
import { vocabularyOf } from './vocabulary.ts'

interface LedgerFlags extends RecipeFlags {
  readonly policy?: string
  readonly diff?: string
  readonly tensors?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  halflife ledger quickstart
  halflife ledger gpt2@124m --policy mingpt        what changes under minGPT's rule
  halflife ledger gpt2@124m --diff olmo-2          the tensors that change sides, with both reasons
  halflife ledger gpt2@124m --tensors | less       every tensor with the rule that matched
  halflife ledger runs/quickstart-… --json         of a run`

export function defineLedger(command: Command, { out, err }: Terminal): void {
  command
    .description(
      'Show which weights of a recipe or a run decay, the half-life that this gives them, and what share of their ' +
        'initial values is left when the run ends. Nothing is trained.',
    )
    .argument('<recipe-or-folder>', `${recipeArgument()}, or the folder of a run`)
    .option('--policy <name>', 'decide by another policy, and compare; they are listed below')
    .option('--diff <other>', 'compare with another policy, recipe or run: the tensors that change sides, and why')
    .option('--tensors', 'list every tensor: λ, half-life, timescale, what survives, and the rule that matched')
  addRecipeFlags(command)
    .option('--json', 'print one JSON document')
    .addHelpText('after', () => `\nRecipes:\n${recipeList()}\n\nPolicies:\n${policyList()}\n${EXAMPLES}`)
    .action(async (subject: string, flags: LedgerFlags) => {
      const { own, asked } = await ledgersOf(subject, flags, err)
      if (flags.diff !== undefined) {
        const other = await otherLedger(subject, flags.diff, flags, err)
        const diff = diffLedgers(asked, other, [flags.policy ?? subject, flags.diff])
        return out.line(
          flags.json === true
            ? JSON.stringify(diff, null, 2)
            : renderLedgerDiff(diff, { color: out.color, width: out.width() }),
        )
      }
      if (flags.json === true) return out.line(JSON.stringify(asked, null, 2))
      out.line(renderLedger(asked, { color: out.color, width: out.width() }))
      for (const line of differences(own, asked)) out.line(line)
      if (flags.tensors === true) out.line(`\n${renderTensors(asked)}`)
    })
}

/** The ledger by the subject's own policy, and by the one asked for. */
async function ledgersOf(subject: string, flags: LedgerFlags, err: Channel): Promise<{ own: Ledger; asked: Ledger }> {
  const policy = flags.policy === undefined ? undefined : (findPolicy(flags.policy).name as PolicyName)
  const saved = recipeNames.includes(subject) ? null : await readLedgerSubject(subject)
  const { config } = recipeFromFlags(saved?.recipe ?? subject, flags, saved?.config)
  const vocab = saved?.tokenizer.vocab ?? (await vocabularyOf(config, err))
  const own = ledgerOf(config, vocab)
  if (policy === undefined) return { own, asked: own }
  return { own, asked: ledgerOf({ ...config, optimizer: { ...config.optimizer, policy } }, vocab) }
}

/** What `--diff` names: a policy, for the same model; a recipe; or a run with the ledger that it was trained by. */
async function otherLedger(
  subject: string,
  other: string,
  flags: LedgerFlags,
  err: Channel,
): Promise<ComparableLedger> {
  if (policyNames.some((name) => name === other)) {
    return (await ledgersOf(subject, { ...flags, policy: other }, err)).asked
  }
  if (recipeNames.includes(other) || !existsSync(other)) {
    const { policy: _, ...rest } = flags
    return (await ledgersOf(other, rest, err)).own
  }
  return readCheckpointMetadata(other).ledger
}

/** A subject that is no recipe: a run, or a name that is neither. */
async function readLedgerSubject(subject: string): Promise<SavedRun> {
  if (existsSync(subject)) return readSavedRun(subject)
  const near = nearest(subject, recipeNames)
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  throw new UsageError(
    `"${subject}" is neither a recipe nor a folder.`,
    `${guess}${familyHint(subject)}halflife recipes lists all.`,
  )
}

function ledgerOf(config: RecipeConfig, vocab: number): Ledger {
  return recipeLedger(config, modelSetup(config, vocab).parameters)
}

/** What changes sides when another policy decides; nothing where the two agree by name. */
function differences(own: Ledger, asked: Ledger): string[] {
  if (own.policy === asked.policy) return []
  const { startDecaying, stopDecaying, otherWeightDecay } = diffLedgers(own, asked)
  const lists: readonly (readonly [string, readonly LedgerChange[]])[] = [
    ['decays only here', startDecaying],
    [`decays only under ${own.policy}`, stopDecaying],
    ['decays with another λ', otherWeightDecay],
  ]
  const lines = lists.filter(([, changes]) => changes.length > 0).map(([what, changes]) => `  ${what}: ${sum(changes)}`)
  return ['', `Compared with ${own.policy}:`, ...(lines.length === 0 ? ['  the same tensors decay'] : lines)]
}

const NAMES_SHOWN = 4

function sum(changes: readonly LedgerChange[]): string {
  const count = changes.reduce((total, { parameters }) => total + parameters, 0)
  const names = changes.slice(0, NAMES_SHOWN).map(({ name }) => name)
  const more = changes.length > NAMES_SHOWN ? ', …' : ''
  const tensors = `${changes.length} tensor${changes.length === 1 ? '' : 's'}`
  return `${tensors}, ${whole(count)} parameters (${names.join(', ')}${more})`
}

function policyList(): string {
  const width = Math.max(...policyNames.map((name) => name.length))
  return policyNames.map((name) => `  ${name.padEnd(width)}  ${policies[name].description}`).join('\n')
}
