/** `halflife report`: what a run's weight decay did, as one HTML file. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { readRunNumbers, renderReport } from '../lab/report/index.ts'
import { runFolderOf, writeText } from '../checkpoint/index.ts'
import type { Terminal } from './terminal.ts'

interface ReportFlags {
  readonly out?: string
  readonly json?: boolean
}

/** In the run's folder, unless told otherwise. */
const FILE = 'report.html'

const EXAMPLES = `
Examples:
  halflife report runs/quickstart-…                       writes runs/quickstart-…/report.html
  halflife report runs/quickstart-… --out decay.html
  halflife report runs/quickstart-… --json | jq '.looks[-1].roles.matrix'`

export function defineReport(command: Command, { out, err }: Terminal): void {
  command
    .description(
      'Show what the weight decay of a run did: sizes against their equilibrium, the gradient’s part of the updates\n' +
        'against the decay’s, rotation, clipping, and the rows of tokens that were hardly seen. Writes one HTML file that\n' +
        'needs nothing else; it can be written while the run goes on.',
    )
    .argument('<folder>', 'the folder of a run')
    .option('--out <file>', 'where to write (default: report.html in the folder)')
    .option('--json', 'print the numbers as one JSON document instead')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, flags: ReportFlags) => {
      const folder = runFolderOf(path)
      const run = await readRunNumbers(folder)
      if (flags.json === true) return out.line(JSON.stringify(run, null, 2))
      const file = flags.out ?? join(folder, FILE)
      writeText(file, renderReport(run))
      if (run.looks.length === 0)
        err.line('The run did not look at its forces, so the report lacks them: train with --look-every 10.')
      out.line(file)
    })
}
