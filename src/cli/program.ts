/** The commands of halflife, put together. */
import { Command } from 'commander'
import { EXIT, reportFailure } from './errors.ts'
import { addBench } from './bench.ts'
import { addConvert } from './convert.ts'
import { addExplain } from './explain.ts'
import { addExport } from './export.ts'
import { addImport } from './import.ts'
import { addInfo } from './info.ts'
import { addLedger } from './ledger.ts'
import { addRecipes } from './recipes.ts'
import { addReport } from './report.ts'
import { addPlan } from './plan.ts'
import { addSample } from './sample.ts'
import { addTrain } from './train.ts'
import type { Terminal } from './terminal.ts'
import { version } from './version.ts'

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

/** All commands, with errors thrown as CommanderError instead of printed. */
export function buildProgram(terminal: Terminal): Command {
  const program = new Command('halflife')
    .description(INTRODUCTION)
    .version(version(), '-v, --version', 'Show the version.')
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
      styleTitle: (text) => terminal.out.style('bold', text),
      styleCommandText: (text) => terminal.out.style('cyan', text),
      styleOptionText: (text) => terminal.out.style('cyan', text),
    })
    .addHelpText('after', FIRST_STEPS)
  addTrain(program, terminal)
  addSample(program, terminal)
  addLedger(program, terminal)
  addExplain(program, terminal)
  addConvert(program, terminal)
  addImport(program, terminal)
  addExport(program, terminal)
  addReport(program, terminal)
  addPlan(program, terminal)
  addRecipes(program, terminal)
  addBench(program, terminal)
  addInfo(program, terminal)
  return program
}

/** Runs one command line (without node and script) and returns the exit code; never throws. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await buildProgram(terminal).parseAsync([...args], { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.done
  } catch (error) {
    return reportFailure(error, terminal.err)
  }
}
