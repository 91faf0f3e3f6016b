/** `halflife train`: trains a recipe, tells how it goes on stderr, and reports on stdout. */
import type { Command } from 'commander'
import { loadCorpus, unigramEntropy, type Corpus, type Tokenizer } from '../data/index.ts'
import { assertPrecision, createBackend, type Backend } from '../engine/index.ts'
import { openPretrained, type Pretrained } from '../exchange/index.ts'
import type { StepProfileRecord } from '../records/index.ts'
import type { ResolvedRecipe } from '../recipes/index.ts'
import { createSampler, train, type EndEvent, type EvaluationEvent, publishedWeights } from '../train/index.ts'
import { addBackendFlags, backendOptions, type BackendFlags } from './backendFlags.ts'
import { closingReport } from './closingReport.ts'
import { commandName } from './commandName.ts'
import { EXIT, UsageError } from './errors.ts'
import { interruptSignal } from './interrupt.ts'
import { knownTokenizer } from './modelTokenizer.ts'
import { createNarrator, type Narrator } from './narrator.ts'
import { defaultRunFolder } from './outFolder.ts'
import { FINE_TUNING, settingsOf } from './pretrainedRecipe.ts'
import {
  addComputingFlags,
  addRecipeFlags,
  pathList,
  recipeArgument,
  recipeFromFlags,
  recipeList,
  wholeNumber,
  type RecipeFlags,
} from './recipeFlags.ts'
import { profileSteps, stepProfileText, writeStepProfile, type StepProfile } from './stepProfile.ts'
import { TEMPERATURE } from './sample.ts'
import { readSavedRun } from './savedRun.ts'
import type { Channel, Terminal } from './terminal.ts'

interface TrainFlags extends RecipeFlags, BackendFlags {
  readonly out?: string
  readonly from?: string
  readonly resume?: string
  readonly freshOptimizer?: boolean
  readonly sample: number
  readonly lookEvery: number
  readonly profile?: boolean
  readonly profileTo?: string
  readonly json?: boolean
}

/** A look costs some 2 % of its step: every tenth is not felt, and a run of a thousand steps has a hundred points. */
const LOOK_EVERY = 10

const EXAMPLES = `
Examples:
  halflife train                                          Moby-Dick, about a minute
  halflife train shakespeare-char-cpu --data input.txt    nanoGPT's CPU run
  halflife train --data notes/ --tokenizer gpt2 --steps 500
  halflife train --set optimizer.weightDecay=2 --set model.layers=6 --out runs/strong
  halflife train --from gpt2/ --data notes.txt            nanoGPT's fine-tuning of a model of Hugging Face's
  halflife train --resume runs/strong                     go on where it stopped
  halflife train --resume runs/strong --steps 3000        … and further than planned
  halflife train --resume runs/strong --fresh-optimizer --optimizer lion
  halflife train --optimizer adam                         Adam with L2 in the gradient instead of AdamW
  halflife train --set optimizer.form=loss-l2             λ/2·‖w‖² in the loss, reported apart
  halflife train --set 'optimizer.decaySchedule={kind: cosine, to: 0.1}'
  halflife train quickstart --profile                     where its steps spend their time
  halflife train quickstart --json > result.json

Ctrl-C saves a checkpoint and says how to go on; pressed again, it ends the program at once.`

export function defineTrain(command: Command, terminal: Terminal): void {
  const { out } = terminal
  command
    .description('Train a GPT: a recipe, changed by files and flags. Progress goes to stderr, the result to stdout.')
    .argument('[recipe]', `${recipeArgument()}; default: quickstart`)
  addRecipeFlags(command)
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/<recipe>-<time>)')
    .option('--from <path>', 'begin with the weights of a run or of a model of Hugging Face’s (recipe: finetune)')
    .option('--resume <dir>', 'go on with a run from its last checkpoint')
    .option('--fresh-optimizer', "with --resume: start the optimizer's state from zero, as for another optimizer")
  addComputingFlags(addBackendFlags(command))
    .option(
      '--look-every <k>',
      'steps between looks at the forces of weight decay, for halflife report; 0 never looks',
      wholeNumber(0),
      LOOK_EVERY,
    )
    .option('--sample <n>', 'tokens of text to write at the end', wholeNumber(0), 300)
    .option(
      '--profile',
      'show at the end where ten steps after the fifth spent their time, kernel by kernel, on stderr',
    )
    .option('--profile-to <file>', 'write the same to a JSON file')
    .option('--json', 'print one JSON document at the end')
    .addHelpText(
      'after',
      () => `\nRecipes:\n${recipeList()}\n\nPaths for --set and --config:\n${pathList(out)}\n${EXAMPLES}`,
    )
    .action(async (recipe: string | undefined, flags: TrainFlags) => {
      process.exitCode = await runTraining(recipe, flags, terminal)
    })
}

interface Plan {
  readonly recipe: ResolvedRecipe
  readonly folder: string
  readonly data: string
  /** That of the weights or of the run that goes on; undefined where the recipe's is opened. */
  readonly tokenizer: Tokenizer | undefined
  /** Weights to begin with; closed when the training has ended. */
  readonly from: Pretrained | undefined
}

async function runTraining(name: string | undefined, flags: TrainFlags, terminal: Terminal): Promise<number> {
  const from = flags.from === undefined ? undefined : publishedWeights(await openPretrained(flags.from))
  try {
    const plan = await planRun(name, flags, from, terminal.err)
    return await trainPlanned(plan, flags, terminal)
  } finally {
    from?.close()
  }
}

async function trainPlanned(
  { recipe, folder, data, from, tokenizer }: Plan,
  flags: TrainFlags,
  terminal: Terminal,
): Promise<number> {
  const { precision } = recipe.config.train
  const created = createBackend(backendOptions(flags))
  assertPrecision(created, precision)
  const profiles = flags.profile === true || flags.profileTo !== undefined
  const profile = profiles ? profileSteps(created, backendOptions(flags), precision) : null
  const backend = profile?.backend ?? created
  const narrator = createNarrator(terminal.err, process.stderr)
  try {
    const corpus = await loadCorpus({ data, tokenizer: tokenizer ?? recipe.config.data.tokenizer })
    const ending = await follow({ recipe, corpus, backend, folder, from, flags, profile }, narrator, terminal.err)
    if (profile !== null) tellProfile(profile.finish(), flags, terminal.err)
    if (flags.json === true) terminal.out.line(JSON.stringify(ending.end.summary, null, 2))
    if (ending.end.reason === 'interrupted') {
      tellInterrupted(ending.end, terminal.err)
      return EXIT.interrupted
    }
    if (flags.json !== true) terminal.out.line(await report(ending, { recipe, corpus, backend, flags }, terminal.out))
    return EXIT.done
  } finally {
    narrator.close()
    backend.dispose()
  }
}

/** Settles what is trained, on what, and where it is written, before anything is loaded. */
async function planRun(
  name: string | undefined,
  flags: TrainFlags,
  from: Pretrained | undefined,
  err: Channel,
): Promise<Plan> {
  const saved = flags.resume === undefined ? null : await readSavedRun(flags.resume)
  if (saved !== null && name !== undefined && name !== saved.recipe) {
    throw new UsageError(
      `${saved.folder} is a run of the recipe "${saved.recipe}", not of "${name}".`,
      'Leave the recipe out when you resume.',
    )
  }
  if (saved !== null && from !== undefined) {
    throw new UsageError(
      `A run cannot go on from ${saved.folder} and begin with the weights of ${from.path} at once.`,
      'Leave out --from to go on with a run, or --resume to begin a new one.',
    )
  }
  const recipe =
    from === undefined
      ? recipeFromFlags(saved?.recipe ?? name ?? 'quickstart', flags, saved?.config)
      : recipeFromFlags(name ?? FINE_TUNING, flags, settingsOf(from))
  const data = recipe.config.data.path
  if (data === null) {
    throw new UsageError(
      `The recipe "${recipe.name}" comes without a text.`,
      'Give one with --data: a text file, a folder, or a built-in corpus such as moby-dick.',
    )
  }
  const earlier = saved ?? from
  const known = earlier === undefined ? undefined : await knownTokenizer(earlier, recipe.config)
  if (known !== undefined && known.notice !== null) err.line(`${err.style('yellow', 'note:')} ${known.notice}`)
  return {
    recipe,
    data,
    from,
    tokenizer: known?.tokenizer,
    folder: flags.out ?? saved?.folder ?? defaultRunFolder(recipe.name),
  }
}

interface Run {
  readonly recipe: ResolvedRecipe
  readonly corpus: Corpus
  readonly backend: Backend
  readonly folder: string
  readonly from: Pretrained | undefined
  readonly flags: TrainFlags
  readonly profile: StepProfile | null
}

interface Ending {
  readonly end: EndEvent
  readonly before: EvaluationEvent | null
  readonly after: EvaluationEvent | null
}

/** Trains to the end or to Ctrl-C, telling every event. */
async function follow(run: Run, narrator: Narrator, err: Channel): Promise<Ending> {
  const { recipe, corpus, backend, folder, from } = run
  const { resume, freshOptimizer, lookEvery } = run.flags
  const interrupt = interruptSignal(() => {
    narrator.say(err.style('yellow', 'Stopping: saving a checkpoint. Ctrl-C again ends the program at once.'))
  })
  let end: EndEvent | null = null
  let before: EvaluationEvent | null = null
  let after: EvaluationEvent | null = null
  try {
    const { signal } = interrupt
    const options = { recipe, corpus, backend, out: folder, from, resume, freshOptimizer, lookEvery, signal }
    for await (const event of train(options)) {
      narrator.tell(event)
      run.profile?.tell(event)
      if (event.kind === 'end') end = event
      if (event.kind !== 'evaluation') continue
      before ??= event
      after = event
    }
  } finally {
    interrupt.dispose()
  }
  if (end === null) throw new Error('The training ended without saying so.')
  return { end, before, after }
}

function tellProfile(profile: StepProfileRecord | null, flags: TrainFlags, err: Channel): void {
  if (profile === null) return err.line('The run ended before a step could be profiled.')
  if (flags.profile === true) err.line(stepProfileText(profile))
  if (flags.profileTo !== undefined) writeStepProfile(flags.profileTo, profile)
}

function tellInterrupted({ summary, resumeCommand }: EndEvent, err: Channel): void {
  const where = summary.checkpoint === null ? '' : ` The checkpoint is ${summary.checkpoint}.`
  err.line(`Stopped after step ${summary.steps}.${where}`)
  if (resumeCommand !== null) err.line(`To go on: ${resumeCommand.replace(/^halflife\b/, commandName())}`)
}

interface Trained {
  readonly recipe: ResolvedRecipe
  readonly corpus: Corpus
  readonly backend: Backend
  readonly flags: TrainFlags
}

async function report(ending: Ending, { recipe, corpus, backend, flags }: Trained, out: Channel): Promise<string> {
  const { tokenizer, validation } = corpus
  const { seed } = recipe.config.train
  const sample =
    flags.sample === 0
      ? null
      : await createSampler(backend, recipe.config, tokenizer).text({
          tokens: flags.sample,
          temperature: TEMPERATURE,
          seed,
        })
  const { before, after, end } = ending
  const from = flags.from ?? null
  const entropy = unigramEntropy(validation, tokenizer.vocab)
  return closingReport(
    { summary: end.summary, before, after, unigramEntropy: entropy, sample, from, command: commandName() },
    out,
  )
}
