/** `halflife bench`: how much of this machine its work reaches, and how PyTorch does the same on it. */
import { Option, type Command } from 'commander'
import {
  assertPrecision,
  createBackend,
  precisions,
  renderProfile,
  type BackendOptions,
  type Precision,
} from '../engine/index.ts'
import { benchCases, renderBench, runBench, selectCases, torchVersion, type BenchCase } from '../lab/bench/index.ts'
import type { BenchRecord } from '../records/index.ts'
import { addBackendFlags, backendOptions, type BackendFlags } from './backendFlags.ts'
import { EXIT, UsageError } from './errors.ts'
import { interruptSignal } from './interrupt.ts'
import { bar } from './progress.ts'
import { wholeNumber } from './recipeFlags.ts'
import { statusLine } from './statusLine.ts'
import type { Channel, Terminal } from './terminal.ts'
import { packageVersion } from '../records/ownPackage.ts'

interface BenchFlags extends Omit<BackendFlags, 'threads'> {
  readonly threads?: readonly number[]
  readonly precision: Precision
  readonly rounds: number
  readonly steps?: number
  readonly python?: string
  readonly pytorch: boolean
  readonly compile?: boolean
  readonly profile?: boolean
  readonly list?: boolean
  readonly json?: boolean
}

const THREADS = 'threads to compute with; several counts with commas between them take turns (default: one per core)'
const DEFAULT_PYTHON = 'python3'

const EXAMPLES = `
Examples:
  halflife bench                                    the quick cases
  halflife bench gpt2-124m nanogpt-cpu              whole training steps
  halflife bench all --compile --python /opt/venv/bin/python
  halflife bench six-layers --profile --no-pytorch  where a step spends its time
  halflife bench tiny --backend wasm --threads 1
  halflife bench nanogpt-cpu --threads 1,2          what the second core brings
  halflife bench nanogpt-cpu --precision bf16 --json > result.json

Ctrl-C ends it after the turn that runs and prints the cases that are done.`

export function defineBench(command: Command, { out, err }: Terminal): void {
  command
    .description(
      'Measure how fast this machine multiplies and moves memory, how much of that halflife’s work reaches, and, where\n' +
        'there is a Python with torch, how fast PyTorch does the same work. All take turns in rounds of one run.',
    )
    .argument('[name...]', 'cases to run, or all (default: the quick ones; --list shows them)')
    .addOption(new Option('--precision <name>', 'what products multiply in').choices(precisions).default('fp32'))
  addBackendFlags(command, new Option('--threads <n>', THREADS).argParser(threadCounts))
    .option('--rounds <n>', 'turns of each contender', wholeNumber(1), 5)
    .option('--steps <n>', 'steps in a turn (default: a quarter of a second, at least 10 in all)', wholeNumber(1))
    .option('--python <path>', `a Python with torch (default: ${DEFAULT_PYTHON}, if it has torch)`)
    .option('--no-pytorch', 'leave PyTorch out')
    .option('--compile', 'run torch.compile beside eager PyTorch; the faster one counts')
    .option('--profile', 'show where a step of each case spends its time, on stderr')
    .option('--list', 'list the cases instead')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action(async (names: readonly string[], flags: BenchFlags) => {
      const cases = selectCases(names)
      if (flags.list === true) return out.line(listing(names.length === 0 ? benchCases : cases, flags))
      const { record, interrupted } = await follow(casesOn(cases, flags, err), flags, err)
      if (record !== null) out.line(flags.json === true ? JSON.stringify(record, null, 2) : renderBench(record))
      if (interrupted) process.exitCode = EXIT.interrupted
    })
}

interface Outcome {
  /** Null where no case was done. */
  readonly record: BenchRecord | null
  readonly interrupted: boolean
}

/** Runs the cases to their end or to Ctrl-C, showing on stderr how far it is. */
async function follow(cases: readonly BenchCase[], flags: BenchFlags, err: Channel): Promise<Outcome> {
  const { python, torch } = findTorch(flags, err)
  const { precision, rounds, steps, threads, compile = false, profile = false } = flags
  const options = { cases, precision, rounds, steps, threads, python, torch, compile, profile }
  const status = statusLine(err, process.stderr)
  const { signal, dispose } = interruptSignal(() => {
    status.line(err.style('yellow', 'Stopping after this turn. Ctrl-C again ends the program at once.'))
  })
  try {
    for await (const event of runBench({ ...options, backend: backendOf(flags), version: packageVersion(), signal })) {
      if (event.kind === 'end') return { record: event.record, interrupted: signal.aborted }
      if (event.kind === 'note') status.line(`note: ${event.text}`)
      if (event.kind === 'round') {
        const where = event.round === 0 ? 'compiling and warming up' : `round ${event.round} of ${rounds}`
        const percent = `${Math.floor(100 * event.share)} %`.padStart(5)
        status.show(`${err.style('green', bar(event.share))}${percent}  ${event.name} · ${where}`)
      }
      if (event.kind === 'result') {
        const { name, medianMs, ratio, threads: count, profile: rows } = event.result
        const on = threads === undefined || threads.length === 1 ? '' : ` on ${count} thread${count === 1 ? '' : 's'}`
        const against = ratio === null ? '' : `, ${ratio.toFixed(2)} × PyTorch`
        status.line(err.style('dim', `${name}${on}: ${medianMs.toPrecision(4)} ms${against}`))
        if (rows !== null) status.line(renderProfile(rows))
      }
    }
  } finally {
    dispose()
    status.clear()
  }
  throw new Error('The bench ended without saying so.')
}

function backendOf({ backend, disable }: BenchFlags): BackendOptions {
  return backendOptions({ backend, ...(disable === undefined ? {} : { disable }) })
}

/** Different whole numbers with commas between them. */
function threadCounts(text: string): readonly number[] {
  return [...new Set(text.split(',').map(wholeNumber(1)))]
}

/** The cases that can run as the flags say; says which are left out, and which have no bf16. */
function casesOn(cases: readonly BenchCase[], flags: BenchFlags, err: Channel): readonly BenchCase[] {
  for (const threads of flags.threads ?? [undefined]) {
    const backend = createBackend({ ...backendOf(flags), ...(threads === undefined ? {} : { threads }) })
    try {
      assertPrecision(backend, flags.precision)
    } finally {
      backend.dispose()
    }
  }
  const possible = cases.filter((one) => one.backend === undefined || [one.backend, 'auto'].includes(flags.backend))
  const others = cases.filter((one) => !possible.includes(one))
  if (possible.length === 0) {
    throw new UsageError(
      `The case ${others[0]!.name} runs on ${others[0]!.backend}, but --backend says ${flags.backend}.`,
      'Leave --backend out, or choose another case.',
    )
  }
  for (const { name, backend } of others) err.line(`note: ${name} is left out: it runs on ${backend}`)
  for (const { name } of possible.filter(({ precisions }) => !precisions.includes(flags.precision))) {
    err.line(`note: ${name} has no products in ${flags.precision} and runs in fp32`)
  }
  return possible
}

/** A Python that was asked for must have torch; the default one may lack it. */
function findTorch(flags: BenchFlags, err: Channel): { readonly python: string | null; readonly torch: string | null } {
  if (!flags.pytorch) {
    const unused = flags.compile === true ? '--compile' : '--python'
    if (flags.compile !== true && flags.python === undefined) return { python: null, torch: null }
    throw new UsageError(`${unused} has no use with --no-pytorch.`, 'Leave one of them out.')
  }
  const python = flags.python ?? DEFAULT_PYTHON
  const torch = torchVersion(python)
  if (torch !== null) return { python, torch }
  if (flags.python !== undefined) {
    throw new UsageError(
      `${python} is no Python with torch.`,
      `Install it there (${python} -m pip install torch), name another --python, or leave PyTorch out with --no-pytorch.`,
    )
  }
  err.line(`note: ${DEFAULT_PYTHON} has no torch, so PyTorch is left out; --python names a Python that has it`)
  return { python: null, torch: null }
}

function listing(cases: readonly BenchCase[], { json }: BenchFlags): string {
  const rows = cases.map(({ name, description, limit, quick }) => ({ name, description, limit, quick }))
  if (json === true) return JSON.stringify(rows, null, 2)
  const width = Math.max(...rows.map(({ name }) => name.length))
  return rows
    .map(({ name, description, quick }) => `${name.padEnd(width)}  ${description}${quick ? ' (quick)' : ''}`)
    .join('\n')
}
