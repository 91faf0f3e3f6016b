/** The commands of halflife, put together. */
import { Command } from 'commander'
import { packageVersion } from '../records/ownPackage.ts'
import { EXIT, reportFailure } from './errors.ts'
import type { Terminal } from './terminal.ts'

const INTRODUCTION = `Train GPTs in TypeScript, with weight decay done right and made visible.
Under AdamW every weight that decays has a half-life: ln 2 / (lr · λ) steps.`

const FIRST_STEPS = `
Examples:
  halflife train                          a GPT on Moby-Dick, in about a minute
  halflife train --help                   every recipe, flag and setting
  halflife ledger gpt2@124m               which of GPT-2's weights decay, and how fast
  halflife explain quickstart             what its weight decay will do, before training
  halflife convert 0.1 --lr 3e-4          what that λ is in Composer, optax, t5x, …
  halflife sample runs/quickstart-…       text from a trained model
  halflife report runs/quickstart-…       what its weight decay did, as a page

Environment: NO_COLOR=1 turns colours off; HALFLIFE_DEBUG=1 shows where an error came from.`

interface CommandRow {
  readonly name: string
  /** Its arguments, as in its own help. */
  readonly usage: string
  readonly summary: string
  /** Imports the command with all that it needs: only the command that is asked for pays for that. */
  readonly load: () => Promise<(command: Command, terminal: Terminal) => void>
}

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'train',
    usage: '[options] [recipe]',
    summary: 'train a GPT',
    load: async () => (await import('./train.ts')).defineTrain,
  },
  {
    name: 'sample',
    usage: '[options] <dir>',
    summary: 'write text with a trained model',
    load: async () => (await import('./sample.ts')).defineSample,
  },
  {
    name: 'ledger',
    usage: '[options] <recipe-or-folder>',
    summary: 'show which weights decay, why and how fast',
    load: async () => (await import('./ledger.ts')).defineLedger,
  },
  {
    name: 'explain',
    usage: '[options] <recipe-or-folder>',
    summary: 'say what a weight decay will do, before training',
    load: async () => (await import('./explain.ts')).defineExplain,
  },
  {
    name: 'convert',
    usage: '[options] <weight-decay>',
    summary: "say what a weight decay is called in other frameworks' terms",
    load: async () => (await import('./convert.ts')).defineConvert,
  },
  {
    name: 'import',
    usage: '[options] <path>',
    summary: 'take over a model of transformers or llama2.c',
    load: async () => (await import('./import.ts')).defineImport,
  },
  {
    name: 'export',
    usage: '[options] <dir>',
    summary: 'write a model for transformers or llama.cpp',
    load: async () => (await import('./export.ts')).defineExport,
  },
  {
    name: 'report',
    usage: '[options] <folder>',
    summary: 'show what the weight decay of a run did',
    load: async () => (await import('./report.ts')).defineReport,
  },
  {
    name: 'plan',
    usage: '[options] <recipe>',
    summary: 'plan a run on paper: parameters, memory, work, time, decay',
    load: async () => (await import('./plan.ts')).definePlan,
  },
  {
    name: 'recipes',
    usage: '[options] [name]',
    summary: 'list recipes, what they say and why, and how two differ',
    load: async () => (await import('./recipes.ts')).defineRecipes,
  },
  {
    name: 'bench',
    usage: '[options] [name...]',
    summary: 'measure this machine, and halflife and PyTorch on it',
    load: async () => (await import('./bench.ts')).defineBench,
  },
  {
    name: 'info',
    usage: '[options]',
    summary: 'show the CPU, the backends and what would run',
    load: async () => (await import('./info.ts')).defineInfo,
  },
]

/**
 * The program for a command line: the commands that it names in full, the others as its help shows them. Errors are thrown
 * as CommanderError instead of printed.
 */
export async function buildProgram(args: readonly string[], terminal: Terminal): Promise<Command> {
  const program = new Command('halflife')
    .description(INTRODUCTION)
    .version(packageVersion(), '-v, --version', 'Show the version.')
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand('help [command]', 'Show the help of a command.')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeErr: (text) => void terminal.err.line(text.trimEnd()),
      // Errors are written once, by reportFailure.
      outputError: () => {},
    })
    .configureHelp({
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`,
      styleTitle: (text) => terminal.out.style('bold', text),
      styleCommandText: (text) => terminal.out.style('cyan', text),
      styleOptionText: (text) => terminal.out.style('cyan', text),
    })
    .addHelpText('after', FIRST_STEPS)
  for (const { name, usage, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary)
    if (args.includes(name)) (await load())(command, terminal)
    else command.usage(usage)
  }
  return program
}

/** Runs one command line (without node and script) and returns the exit code; never throws. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await buildProgram(args, terminal)
    await program.parseAsync([...args], { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.done
  } catch (error) {
    return reportFailure(error, terminal.err)
  }
}
