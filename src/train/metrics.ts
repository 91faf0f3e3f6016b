/** `metrics.jsonl`: one line per step and evaluation, written whole before training goes on. */
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { metricsLine, type MetricsLine } from '../records/index.ts'

export interface MetricsFile {
  append(line: MetricsLine): void
  close(): void
}

/**
 * Opens the file to append to, made if need be. Lines of steps after `step` are dropped, and so is a last line that a
 * crash cut short: a resumed run writes them anew.
 */
export function openMetrics(path: string, step: number): MetricsFile {
  if (existsSync(path)) dropLinesAfter(path, step)
  const file = openSync(path, 'a')
  let open = true
  return {
    append: (line) => void writeSync(file, `${JSON.stringify(line)}\n`),
    close: () => {
      if (open) closeSync(file)
      open = false
    },
  }
}

function dropLinesAfter(path: string, step: number): void {
  const text = readFileSync(path, 'utf8')
  const kept = text.split('\n').filter((line) => {
    const found = readLine(line)
    return found !== undefined && found.step <= step
  })
  const next = kept.map((line) => `${line}\n`).join('')
  if (next === text) return
  writeFileSync(`${path}.partial`, next)
  renameSync(`${path}.partial`, path)
}

function readLine(line: string): MetricsLine | undefined {
  try {
    return metricsLine.safeParse(JSON.parse(line)).data
  } catch {
    return undefined // a line cut short is no JSON
  }
}

/** A measured number for JSON, which knows neither NaN nor infinities. */
export function measured(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
