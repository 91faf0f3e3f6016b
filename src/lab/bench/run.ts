/**
 * Runs cases of the bench: in each round the ceilings, halflife and PyTorch have their turn, so that whatever else the
 * machine does disturbs all of them alike; ratios and shares are those of the same run.
 */
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { BackendOptions, Precision } from '../../engine/index.ts'
import type { BenchRecord, BenchResult } from '../../records/index.ts'
import type { BenchCase } from './benchCase.ts'
import { startContender, type Contender } from './contender.ts'
import { MeasuredCeilings } from './machine.ts'
import { PytorchContender, pytorchModes, type PytorchMode } from './pytorch.ts'
import { readyMsOf, resultOf, type Rival, type Round } from './result.ts'

export interface BenchOptions {
  readonly cases: readonly BenchCase[]
  /** Backend of all contenders; a case's own backend wins. */
  readonly backend: Omit<BackendOptions, 'threads'>
  /** Counts of threads, each a contender of its own, as are the ceilings and PyTorch on as many; all cores unless told. */
  readonly threads?: readonly number[] | undefined
  readonly precision: Precision
  readonly rounds: number
  /** Steps of each contender in a round; by default as many as take a quarter of a second, at least 10 in all rounds. */
  readonly steps?: number | undefined
  /** A Python with torch; PyTorch is left out where it is null. */
  readonly python: string | null
  /** Version of that torch. */
  readonly torch: string | null
  /** Whether torch.compile runs beside eager PyTorch; the faster of the two counts. */
  readonly compile: boolean
  readonly profile: boolean
  /** Version of halflife, for the record. */
  readonly version: string
  /** Ends the bench after the turn that runs; the case that it is in gives no result. */
  readonly signal?: AbortSignal | undefined
}

export type BenchEvent =
  /** Where the bench is: `round` counts from 0, which compiles and warms up. */
  | { readonly kind: 'round'; readonly name: string; readonly share: number; readonly round: number }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'result'; readonly result: BenchResult }
  /** Null where the signal came before the first result. */
  | { readonly kind: 'end'; readonly record: BenchRecord | null }

/** All contenders of a case take at least so many steps over the rounds. */
const LEAST_STEPS = 10
const MOST_STEPS_A_ROUND = 50
const ROUND_MS = 250
/** Profiled steps over the rounds, at least. */
const PROFILED = 5

/**
 * Runs the cases one after another. Throws BenchError where PyTorch fails, and what the backend throws where it cannot
 * do what is asked.
 */
export async function* runBench(options: BenchOptions): AsyncGenerator<BenchEvent, void> {
  const machine = new Map<string, MeasuredCeilings>()
  const pytorch = new Map<number, PytorchContender>()
  const results: BenchResult[] = []
  try {
    for (const [index, benchCase] of options.cases.entries()) {
      if (options.signal?.aborted === true) break
      const surroundings = { machine, pytorch, index }
      for await (const event of runCase(benchCase, options, surroundings)) {
        if (event.kind === 'result') results.push(event.result)
        yield event
      }
    }
    yield { kind: 'end', record: results.length === 0 ? null : recordOf([...machine.values()], results, options) }
  } finally {
    for (const rival of pytorch.values()) rival.close()
    for (const ceilings of machine.values()) ceilings.dispose()
  }
}

/** What the cases share. */
interface Surroundings {
  /** By backend and threads. */
  readonly machine: Map<string, MeasuredCeilings>
  /** By threads. */
  readonly pytorch: Map<number, PytorchContender>
  /** Which case it is. */
  readonly index: number
}

/** What competes in a case on one count of threads. */
interface Entrant {
  readonly contender: Contender
  readonly ceilings: MeasuredCeilings
  readonly pytorch: PytorchContender | null
  readonly rival: Rival | null
  readonly rounds: Round[]
}

async function* runCase(
  benchCase: BenchCase,
  options: BenchOptions,
  surroundings: Surroundings,
): AsyncGenerator<BenchEvent, void> {
  const { rounds, cases } = options
  const precision = benchCase.precisions.includes(options.precision) ? options.precision : 'fp32'
  const round = (k: number): BenchEvent => {
    const share = (surroundings.index + k / (rounds + 1)) / cases.length
    return { kind: 'round', name: benchCase.name, share, round: k }
  }
  yield round(0)
  const entrants: Entrant[] = []
  try {
    for (const threads of options.threads ?? [undefined]) {
      entrants.push(await enter(benchCase, options, surroundings, precision, threads))
    }
    const notes = new Set(entrants.flatMap(({ rival }) => rival?.notes ?? []))
    for (const text of notes) yield { kind: 'note', text: `${benchCase.name}: ${text}` }
    for (let k = 0; k < rounds; k++) {
      yield round(k + 1)
      for (const entrant of entrants) {
        await turn()
        if (options.signal?.aborted === true) return
        await takeTurn(entrant, options)
      }
    }
    const fewest = entrants.reduce((a, b) => (b.contender.threads < a.contender.threads ? b : a))
    for (const entrant of entrants) {
      const beside = entrant === fewest ? null : { threads: fewest.contender.threads, rounds: fewest.rounds }
      yield { kind: 'result', result: resultOf({ benchCase, precision, ...entrant, beside, profile: options.profile }) }
    }
  } finally {
    for (const { contender } of entrants) contender.dispose()
  }
}

/** Compiles the case for so many threads, and prepares PyTorch's. */
async function enter(
  benchCase: BenchCase,
  options: BenchOptions,
  { machine, pytorch }: Surroundings,
  precision: Precision,
  threads: number | undefined,
): Promise<Entrant> {
  const backend: BackendOptions = {
    ...options.backend,
    ...(benchCase.backend === undefined ? {} : { backend: benchCase.backend }),
    ...(threads === undefined ? {} : { threads }),
  }
  const contender = startContender(benchCase, backend, precision)
  try {
    const ceilings = ceilingsOf(machine, contender, backend)
    if (options.python === null) return { contender, ceilings, pytorch: null, rival: null, rounds: [] }
    const python = pytorch.get(contender.threads) ?? new PytorchContender(options.python)
    pytorch.set(contender.threads, python)
    const rival = await prepareRival(python, benchCase, options, contender, precision)
    return { contender, ceilings, pytorch: python, rival, rounds: [] }
  } catch (error) {
    contender.dispose()
    throw error
  }
}

async function takeTurn(
  { contender, ceilings, pytorch, rival, rounds: done }: Entrant,
  { rounds, steps = stepsOfRound(contender.warmMs, rounds), profile }: BenchOptions,
): Promise<void> {
  const rates = ceilings.measure()
  const times = contender.run(steps)
  if (profile) contender.profile(Math.ceil(PROFILED / rounds))
  const rivals = new Map<PytorchMode, readonly number[]>()
  for (const mode of rival?.modes ?? []) rivals.set(mode, await pytorch!.run(mode, steps))
  done.push({ rates, times, rivals })
}

/** Lets the event loop hear signals. */
function turn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume))
}

function ceilingsOf(
  machine: Map<string, MeasuredCeilings>,
  { backend, threads }: Contender,
  options: BackendOptions,
): MeasuredCeilings {
  const key = `${backend} ${threads}`
  const ceilings = machine.get(key) ?? new MeasuredCeilings(backend, options)
  machine.set(key, ceilings)
  return ceilings
}

/** As many steps as take a quarter of a second, within limits. */
export function stepsOfRound(stepMs: number, rounds: number): number {
  const least = Math.ceil(LEAST_STEPS / rounds)
  return Math.max(least, Math.min(MOST_STEPS_A_ROUND, Math.round(ROUND_MS / stepMs)))
}

async function prepareRival(
  pytorch: PytorchContender,
  { pytorch: job, compiles }: BenchCase,
  { compile }: BenchOptions,
  { threads }: Contender,
  precision: Precision,
): Promise<Rival> {
  const ready = await pytorch.prepare({ job, threads, precision, compile: compile && compiles })
  const notes = Object.entries(ready.modes).flatMap(([mode, state]) => {
    return 'error' in state ? [`PyTorch's mode ${mode} is left out: ${state.error}`] : []
  })
  return { ready, modes: pytorchModes.filter((mode) => readyMsOf(ready, mode) !== null), notes }
}

function recordOf(
  machine: readonly MeasuredCeilings[],
  results: readonly BenchResult[],
  { version, torch }: BenchOptions,
): BenchRecord {
  const records = machine.map((ceilings) => ceilings.record())
  const [first, ...others] = records.toSorted(
    (a, b) => a.backend.localeCompare(b.backend) || b.threads - a.threads, // native before wasm, most threads first
  )
  return {
    machine: {
      ...first!,
      halflife: version,
      node: process.version,
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      pytorch: torch,
      others,
    },
    results,
  }
}
