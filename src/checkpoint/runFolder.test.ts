import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { buildLedger } from '../optim/ledger.ts'
import { RUN_CONFIG_VERSION, type MetricsLine, type RunConfigRecord, type StepLine } from '../records/index.ts'
import { CheckpointError } from './checkpointError.ts'
import { Crash, crashingDisk, refusingDisk } from './crashingDisk.test.data.ts'
import { openMetrics, readMetrics } from './metrics.ts'
import { prepareRunFolder, readLedger, readRunConfig, writeLedger, writeRunConfig } from './runFolder.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-run-'))
afterAll(() => rmSync(root, { recursive: true }))
let run = ''
let runs = 0
beforeEach(() => {
  run = join(root, `run-${runs++}`)
})

function errorOf(act: () => unknown): CheckpointError {
  try {
    act()
  } catch (error) {
    if (error instanceof CheckpointError) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

describe('a run folder', () => {
  it('is made with the folders above it, and left empty', () => {
    const deep = join(run, 'a', 'b')
    prepareRunFolder(deep)
    expect(readdirSync(deep)).toEqual(['checkpoints'])
  })

  it('that cannot be written to is known at once', () => {
    const full = errorOf(() => prepareRunFolder(run, refusingDisk('write', 'ENOSPC')))
    expect(full.message).toMatch(`Cannot write ${run}: the disk is full`)
    const closed = errorOf(() => prepareRunFolder(run, refusingDisk('open', 'EACCES')))
    expect(closed.message).toMatch(/may not write there \(EACCES\)/)
    expect(readdirSync(run)).toEqual(['checkpoints'])
    const readOnly = errorOf(() => prepareRunFolder(join(run, 'new'), refusingDisk('makeFolder', 'EROFS')))
    expect(readOnly.message).toMatch(/file system is read-only/)
    writeFileSync(join(run, 'file'), '')
    expect(errorOf(() => prepareRunFolder(join(run, 'file'))).message).toMatch(/a file stands where a folder is needed/)
  })

  it.skipIf(!existsSync('/proc/self'))('in a place that takes no folders is explained (where there is /proc)', () => {
    expect(errorOf(() => prepareRunFolder('/proc/self/run')).message).toMatch(
      /Cannot write \/proc\/self\/run: no folder/,
    )
  })

  it('keeps configuration and ledger', () => {
    prepareRunFolder(run)
    const config: RunConfigRecord = {
      version: RUN_CONFIG_VERSION,
      halflife: '0.1.0',
      startedAt: new Date(0).toISOString(),
      recipe: { name: 'quickstart', config: { model: { layers: 4 } } },
      seed: 1337,
      backend: 'native',
      threads: 2,
      corpus: { name: 'sotu', hash: 'ff'.repeat(32), trainTokens: 9, validationTokens: 1 },
      tokenizer: { name: 'byte' },
    }
    writeRunConfig(run, config)
    expect(readRunConfig(run)).toEqual(config)
    const parameters = [{ name: 'w', shape: [2, 2], role: 'matrix', aliases: [] }] as const
    const ledger = buildLedger(parameters, 'note', { weightDecay: 0.1, learningRates: [1e-3], steps: 1 })
    writeLedger(run, ledger)
    expect(readLedger(run)).toEqual(ledger)
    writeFileSync(join(run, 'ledger.json'), '{}')
    expect(errorOf(() => readLedger(run)).message).toMatch(/ledger\.json does not hold what it should: policy: /)
  })
})

function stepLine(step: number, loss = 4 - step / 10): StepLine {
  return {
    kind: 'step',
    step,
    loss,
    learningRate: 1e-3,
    gradientNorm: 1,
    weightNorm: { matrix: 10, gain: 1 },
    tokensPerSecond: 1e5,
  }
}

function evaluation(step: number): MetricsLine {
  return { kind: 'evaluation', step, valLoss: 3, tokens: 9, seconds: 1 }
}

function path(): string {
  return join(run, 'metrics.jsonl')
}

function stepsIn(): string[] {
  return readMetrics(path()).map(({ kind, step }) => `${kind[0]}${step}`)
}

function write(lines: readonly MetricsLine[], options?: Parameters<typeof openMetrics>[1]): void {
  const metrics = openMetrics(path(), options)
  for (const line of lines) metrics.append(line)
  metrics.close()
}

describe('metrics.jsonl', () => {
  beforeEach(() => prepareRunFolder(run))

  it('holds each line as it was given', () => {
    const lines = [evaluation(0), stepLine(1), stepLine(2), evaluation(2)]
    const metrics = openMetrics(path())
    for (const [i, line] of lines.entries()) {
      metrics.append(line)
      expect(readMetrics(path())).toEqual(lines.slice(0, i + 1)) // at once, before it is closed
    }
    metrics.close()
    metrics.close()
    expect(readFileSync(path(), 'utf8').split('\n')).toHaveLength(5)
  })

  it('says null for a loss that is not a number', () => {
    write([stepLine(1, Number.NaN)])
    expect(readMetrics(path())).toEqual([{ ...stepLine(1), loss: null }])
  })

  it('has each step once after a resume', () => {
    write([evaluation(0), stepLine(1), stepLine(2), evaluation(2), stepLine(3), stepLine(4), evaluation(4)])
    write([stepLine(3), stepLine(4)], { resumeFromStep: 2 })
    expect(stepsIn()).toEqual(['e0', 's1', 's2', 'e2', 's3', 's4'])
    write([stepLine(5)], { resumeFromStep: 4 })
    expect(stepsIn().slice(-2)).toEqual(['s4', 's5'])
  })

  it('loses a line that a crash cut short, wherever it was cut, and no other', () => {
    write([stepLine(1), stepLine(2)])
    const whole = readFileSync(path())
    const firstLine = whole.indexOf('\n') + 1
    for (let length = firstLine; length < whole.length; length += 7) {
      writeFileSync(path(), whole.subarray(0, length))
      expect(stepsIn()).toEqual(['s1'])
      write([stepLine(2)], { resumeFromStep: 2 })
      expect(readFileSync(path()).equals(whole)).toBe(true)
    }
  })

  it('is the old or the new file when a resume crashes', () => {
    write([stepLine(1), stepLine(2), stepLine(3)])
    let crashes = 0
    for (let at = 0; ; at++) {
      try {
        write([], { resumeFromStep: 1, disk: crashingDisk(at) })
        break
      } catch (error) {
        if (!(error instanceof Crash)) throw error
        crashes += 1
        expect([['s1', 's2', 's3'], ['s1']]).toContainEqual(stepsIn())
      }
    }
    expect(crashes).toBeGreaterThan(3)
    expect(stepsIn()).toEqual(['s1'])
  })

  it('starts in a resumed run that has none yet', () => {
    write([stepLine(11)], { resumeFromStep: 10 })
    expect(stepsIn()).toEqual(['s11'])
  })

  it('of another run is not added to', () => {
    write([])
    write([stepLine(1)]) // an empty file is nobody's
    const error = errorOf(() => openMetrics(path()))
    expect(error.message).toContain('measurements of another run')
    expect(error.hint).toContain('--resume')
    expect(stepsIn()).toEqual(['s1'])
  })

  it('with a damaged line is explained by its number', () => {
    writeFileSync(path(), `${JSON.stringify(stepLine(1))}\nnot JSON\n${JSON.stringify(stepLine(2))}\n`)
    expect(errorOf(() => readMetrics(path())).message).toContain('Line 2 of')
    expect(errorOf(() => openMetrics(path(), { resumeFromStep: 9 })).message).toContain('Line 2 of')
  })

  it('has whole lines only when the disk fills up in the middle of one', () => {
    const disk = refusingDisk('write', 'ENOSPC', 2)
    const short = { ...disk, write: (file: number, bytes: Uint8Array) => disk.write(file, bytes.subarray(0, 150)) }
    const metrics = openMetrics(path(), { disk: short })
    metrics.append(evaluation(0))
    const error = errorOf(() => {
      for (let step = 1; step < 4; step++) metrics.append({ ...stepLine(step), weightNorm: { ['x'.repeat(200)]: 1 } })
    })
    expect(error.message).toMatch(`Cannot write ${path()}: the disk is full`)
    metrics.close()
    expect(readFileSync(path(), 'utf8').endsWith('}\n')).toBe(true)
    expect(stepsIn()).toEqual(['e0'])
  })
})
