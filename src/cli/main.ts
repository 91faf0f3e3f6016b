#!/usr/bin/env node
/** The entry of the `halflife` command. */
import { reportFailure } from './errors.ts'
import { runProgram } from './program.ts'
import { processTerminal } from './terminal.ts'

const terminal = processTerminal()

// A reader that went away, as in `halflife ledger gpt2@124m | head`, is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })
}
process.on('uncaughtException', (error) => process.exit(reportFailure(error, terminal.err)))

process.exitCode = await runProgram(process.argv.slice(2), terminal)
