/** `halflife explain`: what the weight decay of a recipe or a run will do, from arithmetic alone. Nothing is trained. */
import { existsSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { readCheckpointMetadata } from '../checkpoint/index.ts'
import { loadCorpus } from '../data/index.ts'
import { createBackend, inspections, type Inspection } from '../engine/index.ts'
import { explain, renderExplanation, type Explanation } from '../optim/index.ts'
import { nearest } from '../optim/nearest.ts'
import { familyHint, recipeDecayRun, recipeNames, type RecipeConfig } from '../recipes/index.ts'
import { inspectStep, modelSetup } from '../train/index.ts'
import { addBackendFlags, backendOptions, type BackendFlags } from './backendFlags.ts'
import { UsageError } from './errors.ts'
import {
  addComputingFlags,
  addRecipeFlags,
  recipeArgument,
  recipeFromFlags,
  recipeList,
  type RecipeFlags,
} from './recipeFlags.ts'
import { readSavedRun } from './savedRun.ts'
import type { Channel, Terminal } from './terminal.ts'
import { vocabularyOf } from './vocabulary.ts'

interface ExplainFlags extends RecipeFlags, BackendFlags {
  readonly json?: boolean
  readonly inspect?: Inspection
}

const EXAMPLES = `
Examples:
  halflife explain quickstart
  halflife explain quickstart --set optimizer.weightDecay=2
  halflife explain gpt2@124m --set 'optimizer.decay=embedding=0, gain=0.1'
  halflife explain runs/quickstart-… --steps 3000    of a run, were it longer
  halflife explain quickstart --json
  halflife explain quickstart --inspect times        where a training step spends its time
  halflife explain quickstart --inspect plan         its launches, barriers and memory`

export function defineExplain(command: Command, { out, err }: Terminal): void {
  command
    .description(
      'Say what the weight decay of a recipe or a run will do before anything is trained: how much of the initial\n' +
        'weights it leaves, over how many steps the weights average, how large they settle, what published rules\n' +
        'would choose, and what to make of it.',
    )
    .argument('<recipe-or-folder>', `${recipeArgument()}, or the folder of a run`)
  addRecipeFlags(command)
    .option('--json', 'print one JSON document')
    .addOption(
      new Option('--inspect <what>', 'show what the engine makes of the training step instead').choices(inspections),
    )
  addComputingFlags(addBackendFlags(command))
    .addHelpText('after', () => `\nRecipes:\n${recipeList()}\n${EXAMPLES}`)
    .action(async (subject: string, flags: ExplainFlags) => {
      if (flags.inspect !== undefined) return out.line(await inspectSubject(subject, flags, flags.inspect, err))
      const explanation = await explainSubject(subject, flags, err)
      if (flags.json === true) return out.line(JSON.stringify(explanation, null, 2))
      out.line(renderExplanation(explanation, { color: out.color, width: out.width() }))
    })
}

interface Text {
  readonly vocab: number
  /** Of the training split; undefined where no text is known. */
  readonly corpusTokens: number | undefined
}

/** The graph, plan, kernels, code or times of a recipe's or a run's training step on the backend of the flags. */
async function inspectSubject(subject: string, flags: ExplainFlags, what: Inspection, err: Channel): Promise<string> {
  const backend = createBackend(backendOptions(flags))
  try {
    if (recipeNames.includes(subject)) {
      const { config } = recipeFromFlags(subject, flags)
      return inspectStep(config, await vocabularyOf(config, err), backend, what)
    }
    if (!existsSync(subject)) throw unknownSubject(subject)
    const saved = await readSavedRun(subject)
    const { config } = recipeFromFlags(saved.recipe, flags, saved.config)
    return inspectStep(config, saved.tokenizer.vocab, backend, what)
  } finally {
    backend.dispose()
  }
}

async function explainSubject(subject: string, flags: ExplainFlags, err: Channel): Promise<Explanation> {
  if (recipeNames.includes(subject)) {
    const { config } = recipeFromFlags(subject, flags)
    return explainConfig(config, await readText(config, err))
  }
  if (!existsSync(subject)) throw unknownSubject(subject)
  const saved = await readSavedRun(subject)
  const { config } = recipeFromFlags(saved.recipe, flags, saved.config)
  const { corpus } = readCheckpointMetadata(subject)
  return explainConfig(config, { vocab: saved.tokenizer.vocab, corpusTokens: corpus?.trainTokens })
}

function explainConfig(config: RecipeConfig, { vocab, corpusTokens }: Text): Explanation {
  const { parameters } = modelSetup(config, vocab)
  return explain(parameters, config.optimizer.policy, {
    ...recipeDecayRun(config),
    ...(corpusTokens === undefined ? {} : { corpusTokens }),
  })
}

/** Where the recipe has a text it is read, so that passes over it can be counted. */
async function readText(config: RecipeConfig, err: Channel): Promise<Text> {
  const { path, tokenizer } = config.data
  if (path === null) return { vocab: await vocabularyOf(config, err), corpusTokens: undefined }
  const corpus = await loadCorpus({ data: path, tokenizer })
  return { vocab: corpus.tokenizer.vocab, corpusTokens: corpus.train.length }
}

function unknownSubject(subject: string): UsageError {
  const near = nearest(subject, recipeNames)
  const guess = near === undefined ? '' : `Did you mean "${near}"? `
  return new UsageError(
    `"${subject}" is neither a recipe nor a folder.`,
    `${guess}${familyHint(subject)}halflife recipes lists all.`,
  )
}
