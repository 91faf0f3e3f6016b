/** What a run folder says of its run, read and put in order: the numbers of `halflife report`, as `--json` prints them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  CheckpointError,
  findCheckpoint,
  loadCheckpoint,
  readLedger,
  readMetrics,
  readRunConfig,
  RUN_FILES,
} from '../../checkpoint/index.ts'
import { tokenizerFromDescription, type Tokenizer } from '../../data/index.ts'
import type {
  EvaluationLine,
  LedgerRecord,
  LookLine,
  MetricsLine,
  RunConfigRecord,
  StepLine,
} from '../../records/index.ts'

/** A value after each of some steps; null where it was no number. */
export type Curve = readonly (readonly [step: number, value: number | null])[]

/** A row of a token table in the last checkpoint. */
export interface TokenRow {
  readonly id: number
  /** As text; empty for ids that stand for none. */
  readonly text: string
  /** How often it was an input. */
  readonly seen: number
  /** ‖row‖ over its size when counting began; null for a row that began as 0. */
  readonly ratio: number | null
}

export interface TokenTable {
  readonly name: string
  /** Whether the output layer is the same table. */
  readonly tied: boolean
  /** Steps between which tokens were counted. */
  readonly since: number
  readonly step: number
  /** What decay alone would have left of a row; null where the form does not tell. */
  readonly survival: number | null
  readonly rows: readonly TokenRow[]
}

export interface RunNumbers {
  readonly folder: string
  readonly config: RunConfigRecord
  readonly ledger: LedgerRecord
  /** Optimizer steps done. */
  readonly step: number
  readonly curves: {
    readonly trainLoss: Curve
    readonly validationLoss: Curve
    /** What the decay adds to the loss; empty where it does not act there. */
    readonly penalty: Curve
    readonly auxiliaryLosses: Readonly<Record<string, Curve>>
    readonly learningRate: Curve
    /** λ by role. */
    readonly weightDecay: Readonly<Record<string, Curve>>
    readonly gradientNorm: Curve
    /** ‖w‖ by role. */
    readonly weightNorm: Readonly<Record<string, Curve>>
  }
  /** Largest gradient norm that is let through; null where none is cut. */
  readonly clip: number | null
  readonly looks: readonly LookLine[]
  /** From the last checkpoint; empty where the run did not look, or saved none. */
  readonly tokenTables: readonly TokenTable[]
}

/** Reads a run's folder. Throws CheckpointError where it is none, or where one of its files is damaged. */
export async function readRunNumbers(folder: string): Promise<RunNumbers> {
  checkFolder(folder)
  const config = readRunConfig(folder)
  const lines = existsSync(join(folder, RUN_FILES.metrics)) ? readMetrics(join(folder, RUN_FILES.metrics)) : []
  const steps = lines.filter((line) => line.kind === 'step')
  const looks = lines.filter((line) => line.kind === 'look')
  return {
    folder,
    config,
    ledger: readLedger(folder),
    step: lines.reduce((most, { step }) => Math.max(most, step), 0),
    curves: curvesOf(steps, lines),
    clip: clipOf(config, looks),
    looks,
    tokenTables: readTokenTables(folder, await tokenizerFromDescription(config.tokenizer)),
  }
}

function checkFolder(folder: string): void {
  if (!existsSync(folder)) {
    throw new CheckpointError(folder, `There is no folder ${folder}.`, 'Check the path; give the folder of a run.')
  }
  if (existsSync(join(folder, RUN_FILES.config))) return
  throw new CheckpointError(
    folder,
    `${folder} is no folder of a run: it has no ${RUN_FILES.config}.`,
    'Give the folder that halflife train wrote to, such as runs/quickstart-…, not one inside it.',
  )
}

function curvesOf(steps: readonly StepLine[], lines: readonly MetricsLine[]): RunNumbers['curves'] {
  const evaluations = lines.filter((line): line is EvaluationLine => line.kind === 'evaluation')
  return {
    trainLoss: steps.map(({ step, loss }) => [step, loss]),
    validationLoss: evaluations.map(({ step, valLoss }) => [step, valLoss]),
    penalty: steps.flatMap(({ step, penalty }) => (penalty === undefined ? [] : [[step, penalty] as const])),
    auxiliaryLosses: byKey(steps, ({ auxiliaryLosses }) => auxiliaryLosses),
    learningRate: steps.map(({ step, learningRate }) => [step, learningRate]),
    weightDecay: byKey(steps, ({ weightDecay }) => weightDecay),
    gradientNorm: steps.map(({ step, gradientNorm }) => [step, gradientNorm]),
    weightNorm: byKey(steps, ({ weightNorm }) => weightNorm),
  }
}

function byKey<L extends { readonly step: number }>(
  lines: readonly L[],
  pick: (line: L) => Readonly<Record<string, number | null>> | undefined,
): Record<string, Curve> {
  const curves = new Map<string, (readonly [number, number | null])[]>()
  for (const line of lines) {
    for (const [key, value] of Object.entries(pick(line) ?? {})) {
      const curve = curves.get(key) ?? []
      curves.set(key, curve)
      curve.push([line.step, value])
    }
  }
  return Object.fromEntries(curves)
}

function clipOf({ recipe }: RunConfigRecord, looks: readonly LookLine[]): number | null {
  const last = looks.at(-1)
  if (last) return last.clip?.limit ?? null
  const clip = recipe.config['train']?.['clip']
  return typeof clip === 'number' && clip > 0 ? clip : null
}

function readTokenTables(folder: string, tokenizer: Tokenizer): TokenTable[] {
  if (!hasCheckpoint(folder)) return []
  const { observed, weights, metadata } = loadCheckpoint(folder, 'last', { optimizer: false })
  if (!observed) return []
  const aliases = new Map(metadata.ledger.entries.map((entry) => [entry.name, entry.aliases]))
  return observed.tables.flatMap(({ name, initial, survival }) => {
    const weight = weights.get(name)
    if (!weight) return []
    const width = weight.data.length / initial.length
    const rows = initial.map((start, id): TokenRow => {
      const size = Math.hypot(...weight.data.subarray(id * width, (id + 1) * width))
      return { id, text: textOf(tokenizer, id), seen: observed.seen[id] ?? 0, ratio: start === 0 ? null : size / start }
    })
    const { since, step } = observed
    return [{ name, tied: (aliases.get(name) ?? []).length > 0, since, step, survival, rows }]
  })
}

function hasCheckpoint(folder: string): boolean {
  try {
    findCheckpoint(folder, 'last')
    return true
  } catch (error) {
    if (error instanceof CheckpointError) return false
    throw error
  }
}

/** Rows beyond the tokenizer's ids, which pad a table, stand for nothing. */
function textOf(tokenizer: Tokenizer, id: number): string {
  return id < tokenizer.vocab ? tokenizer.decode([id]) : ''
}
