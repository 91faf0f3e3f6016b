/** `metrics.jsonl`: one JSON line per step and per evaluation, each in one write, so that a crash loses at most one. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { explainMismatch, metricsLine, type MetricsLine } from '../records/index.ts'
import { CheckpointError, reading, writing } from './checkpointError.ts'
import { nodeDisk, writeAll, type Disk } from './disk.ts'
import { writeWholeFile } from './wholeFile.ts'

export interface MetricsFile {
  /** Writes one line; NaN and infinities become null. Throws CheckpointError, and then the line is not there at all. */
  append(line: MetricsLine): void
  /** Syncs and closes; a second call does nothing. */
  close(): void
}

export interface MetricsOptions {
  /** Steps done in the checkpoint that the run goes on from: lines of later steps are dropped, to be written anew. */
  readonly resumeFromStep?: number
  readonly disk?: Disk
}

/**
 * Opens `metrics.jsonl` to append to, made if need be. Without `resumeFromStep` it must be new or empty. With it, later
 * lines and a last line that a crash cut short are dropped, in a rewrite that is whole or does not happen.
 * Throws CheckpointError.
 */
export function openMetrics(path: string, { resumeFromStep, disk = nodeDisk }: MetricsOptions = {}): MetricsFile {
  if (existsSync(path)) {
    if (resumeFromStep === undefined) refuseOthers(path)
    else dropLinesAfter(path, resumeFromStep, disk)
  }
  const file = writing(path, () => disk.open(path, 'append'))
  let length = reading(path, () => statSync(path)).size
  let open = true
  return {
    append(line) {
      const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`)
      writing(path, () => {
        try {
          writeAll(disk, file, bytes)
        } catch (error) {
          disk.truncate(file, length)
          throw error
        }
      })
      length += bytes.length
    },
    close() {
      if (!open) return
      open = false
      writing(path, () => {
        try {
          disk.sync(file)
        } finally {
          disk.close(file)
        }
      })
    },
  }
}

/** All lines; a last one that a crash cut short is left out. Throws CheckpointError that names a line that is damaged. */
export function readMetrics(path: string): MetricsLine[] {
  return completeLines(path).map((text, i) => parseLine(text, i + 1, path))
}

function refuseOthers(path: string): void {
  if (reading(path, () => statSync(path)).size === 0) return
  throw new CheckpointError(
    path,
    `${path} has the measurements of another run.`,
    'Go on with that run with --resume, or choose another folder with --out.',
  )
}

function dropLinesAfter(path: string, step: number, disk: Disk): void {
  const lines = completeLines(path)
  const kept = lines.filter((text, i) => parseLine(text, i + 1, path).step <= step)
  const bytes = new TextEncoder().encode(kept.map((line) => `${line}\n`).join(''))
  if (bytes.length === reading(path, () => statSync(path)).size) return
  writeWholeFile(path, [bytes], disk)
}

/** Lines that end; what follows the last line end was cut short. */
function completeLines(path: string): string[] {
  return reading(path, () => readFileSync(path, 'utf8'))
    .split('\n')
    .slice(0, -1)
}

function parseLine(text: string, number: number, path: string): MetricsLine {
  const parsed = metricsLine.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  throw new CheckpointError(
    path,
    `Line ${number} of ${path} is damaged: ${explainMismatch(parsed.error)}.`,
    'Delete that line, or move the file away.',
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // which no schema of a line accepts
  }
}
