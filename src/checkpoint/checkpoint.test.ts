import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { CHECKPOINT_VERSION, OBSERVED_VERSION, type CheckpointRecord } from '../records/index.ts'
import { expectTensors, keepLastAsBest, loadCheckpoint, readCheckpointMetadata, saveCheckpoint } from './checkpoint.ts'
import { CheckpointError } from './checkpointError.ts'
import { Crash, crashingDisk, quickDisk, refusingDisk } from './crashingDisk.test.data.ts'
import { nodeDisk, type Disk } from './disk.ts'
import { findCheckpoint } from './runFolder.ts'
import { writeSafetensors, type Tensor } from './safetensors.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-checkpoint-'))
afterAll(() => rmSync(root, { recursive: true }))
let run = ''
let runs = 0
beforeEach(() => {
  run = join(root, `run-${runs++}`)
})

function metadataAt(step: number): CheckpointRecord {
  const none = { tensors: 0, parameters: 0 }
  return {
    version: CHECKPOINT_VERSION,
    step,
    tokens: 768 * step,
    valLoss: 2.5,
    best: { step, valLoss: 2.5 },
    seed: 1337,
    learningRate: 1e-3,
    optimizerStart: 0,
    backend: 'interpreter',
    corpus: { name: 'moby-dick', hash: '00'.repeat(32), trainTokens: 100, validationTokens: 10 },
    tokenizer: { name: 'char', characters: ' aé🦙' },
    recipe: { name: 'quickstart', config: { model: { layers: 1 } } },
    ledger: {
      policy: 'none',
      weightDecay: 0,
      learningRate: { peak: 1e-3, sum: 1 },
      steps: 1000,
      totals: { decayed: none, undecayed: none },
      roles: [],
      entries: [],
    },
  }
}

/** Every number of the checkpoint of a step is that step, so that a mixture of two would show. */
const tensorsAt = (step: number, ...names: string[]): Map<string, Tensor> =>
  new Map(names.map((name) => [name, { shape: [2, 3], data: new Float32Array(6).fill(step) }]))
const contentsAt = (step: number) => ({
  weights: tensorsAt(step, 'wte.weight', 'ln.weight'),
  optimizer: tensorsAt(step, 'wte.weight.exp_avg', 'ln.weight.exp_avg'),
  metadata: metadataAt(step),
  observed: {
    version: OBSERVED_VERSION,
    step,
    clip: { steps: 2, clipped: 1 },
    since: 0,
    seen: [step, 0],
    tables: [{ name: 'wte.weight', initial: [1, 2], survival: 0.5 }],
  } as const,
})
const save = (step: number, disk: Disk = quickDisk, which: 'last' | 'best' = 'last'): string =>
  saveCheckpoint(run, which, contentsAt(step), disk)

/** The step of a checkpoint all of whose parts are of that step. */
function wholeStep(which: 'last' | 'best' = 'last'): number {
  const { folder, ...contents } = loadCheckpoint(run, which)
  expect(contents).toEqual(contentsAt(contents.metadata.step))
  expect(folder).toContain(run)
  return contents.metadata.step
}

/** The names beside a run's last checkpoint. */
function checkpoints(): string {
  return readdirSync(join(run, 'checkpoints')).toSorted().join(' ').replaceAll(`${process.pid}`, 'PID')
}

/** A run that crashed at an operation of its second save. */
function crashAt(operation: number): void {
  save(1)
  try {
    save(2, crashingDisk(operation))
  } catch (error) {
    if (!(error instanceof Crash)) throw error
  }
}

function inode(folder: string): number {
  return statSync(join(folder, 'model.safetensors')).ino
}

/** Crashes at every operation in turn; `check` sees the run after each. Returns how many operations there were. */
function crashEverywhere(prepare: () => void, act: (disk: Disk) => void, check: (at: number) => void): number {
  for (let at = 0; ; at++) {
    rmSync(run, { recursive: true, force: true })
    prepare()
    try {
      act(crashingDisk(at))
      return at
    } catch (error) {
      if (!(error instanceof Crash)) throw error
    }
    check(at)
  }
}

function errorOf(act: () => unknown): CheckpointError {
  try {
    act()
  } catch (error) {
    if (error instanceof CheckpointError) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

describe('a checkpoint', () => {
  it('comes back as it was saved, from the run or from its own folder', () => {
    const folder = save(7, nodeDisk)
    expect(folder).toBe(join(run, 'checkpoints', 'last'))
    expect(wholeStep()).toBe(7)
    expect(loadCheckpoint(folder)).toEqual({ folder, ...contentsAt(7) })
    expect(readdirSync(folder).toSorted()).toEqual([
      'checkpoint.json',
      'model.safetensors',
      'observed.json',
      'optimizer.safetensors',
    ])
    expect(readCheckpointMetadata(run)).toEqual(metadataAt(7))
  })

  it('has nothing observed where its run did not look, and refuses what was observed at another step', () => {
    const { observed, ...rest } = contentsAt(7)
    const folder = saveCheckpoint(run, 'last', rest, quickDisk)
    expect(readdirSync(folder)).not.toContain('observed.json')
    expect(loadCheckpoint(run).observed).toBeNull()
    writeFileSync(join(folder, 'observed.json'), JSON.stringify({ ...observed, step: 6 }))
    expect(() => loadCheckpoint(run)).toThrow(/observed\.json is from step 6, its checkpoint\.json from step 7/)
  })

  it('is loaded without its optimizer state when only the weights are wanted', () => {
    rmSync(join(save(7), 'optimizer.safetensors'))
    const { weights, optimizer } = loadCheckpoint(run, 'last', { optimizer: false })
    expect(weights).toEqual(contentsAt(7).weights)
    expect(optimizer.size).toBe(0)
  })

  it('is replaced by the next, and nothing else is left behind', () => {
    save(1)
    save(2)
    expect(wholeStep()).toBe(2)
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['last'])
  })

  it('is the best one too without being written twice', () => {
    save(3)
    const best = keepLastAsBest(run)
    expect(wholeStep('best')).toBe(3)
    expect(inode(best)).toBe(inode(join(run, 'checkpoints', 'last')))
    save(4)
    expect(wholeStep('best')).toBe(3)
    expect(wholeStep()).toBe(4)
    keepLastAsBest(run, quickDisk)
    expect(wholeStep('best')).toBe(4)
  })

  it('is found as the best one when there is no last', () => {
    save(5, quickDisk, 'best')
    expect(loadCheckpoint(run).metadata.step).toBe(5)
    const error = errorOf(() => loadCheckpoint(run, 'last'))
    expect(error.message).toContain('holds no last checkpoint')
    expect(error.hint).toContain(join('checkpoints', 'best'))
  })
})

describe('a crash', () => {
  it('at any moment of a save leaves the checkpoint before or the new one, whole; the next save tidies up', () => {
    const found: number[] = []
    const operations = crashEverywhere(
      () => void save(1),
      (disk) => void save(2, disk),
      () => {
        found.push(wholeStep())
        save(3)
        expect(wholeStep()).toBe(3)
        expect(readdirSync(join(run, 'checkpoints'))).toEqual(['last'])
      },
    )
    expect(operations).toBeGreaterThan(20)
    expect(wholeStep()).toBe(2)
    // First the old one, from some moment on the new one, never back.
    expect(new Set(found)).toEqual(new Set([1, 2]))
    expect(found).toEqual(found.toSorted())
  })

  it('at any moment after a crash is survived as well', () => {
    // Each first crash leaves its own debris; a second save crashes at every moment on top of each kind of it.
    const kinds = new Map<string, number>()
    const operations = crashEverywhere(
      () => void save(1),
      (disk) => void save(2, disk),
      (at) => void kinds.set(checkpoints(), at),
    )
    expect(operations).toBeGreaterThan(20)
    expect([...kinds.keys()]).toEqual([
      'last',
      'last last.tmp-PID',
      'last last.new',
      'last.new last.old',
      'last last.old',
    ])
    for (const first of kinds.values()) {
      crashEverywhere(
        () => crashAt(first),
        (disk) => void save(3, disk),
        () => expect([1, 2, 3]).toContain(wholeStep()),
      )
      expect(wholeStep()).toBe(3)
      expect(checkpoints()).toBe('last')
    }
  })

  it('during the very first save leaves nothing that looks like a checkpoint, or all of it', () => {
    const found = new Set<number>()
    crashEverywhere(
      () => mkdirSync(run),
      (disk) => void save(1, disk),
      () => {
        const isThere = ['', '.new'].some((end) => existsSync(join(run, 'checkpoints', `last${end}`)))
        found.add(isThere ? wholeStep() : 0)
        if (!isThere) expect(errorOf(() => loadCheckpoint(run)).message).toContain('holds no checkpoint')
      },
    )
    expect(found).toEqual(new Set([0, 1]))
  })

  it('while the best one is kept leaves a whole best and the last untouched', () => {
    crashEverywhere(
      () => {
        save(1)
        keepLastAsBest(run, quickDisk)
        save(2)
      },
      (disk) => void keepLastAsBest(run, disk),
      () => {
        expect([1, 2]).toContain(wholeStep('best'))
        expect(wholeStep('last')).toBe(2)
      },
    )
    expect(wholeStep('best')).toBe(2)
  })

  it('is seen through the name of the folder itself, too', () => {
    const folder = save(6)
    renameSync(folder, `${folder}.new`)
    expect(findCheckpoint(folder)).toBe(`${folder}.new`)
    expect(wholeStep()).toBe(6)
  })
})

describe('a disk that refuses', () => {
  it.each([
    ['write', 'ENOSPC', /the disk is full \(ENOSPC\)/, /Free some space/],
    ['write', 'EDQUOT', /quota is used up/, /Free some space/],
    ['open', 'EACCES', /may not write there/, /another folder/],
    ['makeFolder', 'EROFS', /file system is read-only/, /writable disk/],
    ['sync', 'EIO', /disk reports an error/, /folder on another one/],
    ['rename', 'EPERM', /may not write there/, /another folder/],
    ['makeFolder', 'EWEIRD', /the system refuses \(EWEIRD\)/, /errno/],
  ] as const)('to %s with %s is explained, and the checkpoint before stays', (operation, code, message, hint) => {
    const folder = save(1)
    for (const after of [0, 1, 2, 3]) {
      let error: CheckpointError
      try {
        error = errorOf(() => save(2, refusingDisk(operation, code, after)))
      } catch {
        expect(after).toBeGreaterThan(0) // there are fewer such operations
        break
      }
      expect(error.message).toMatch(message)
      expect(error.message).toContain(`Cannot write ${folder}:`)
      expect(error.message).toContain('saved before are untouched')
      expect(error.hint).toMatch(hint)
      expect([1, 2]).toContain(wholeStep())
      expect(readdirSync(join(run, 'checkpoints')).some((name) => name.includes('.tmp-'))).toBe(false)
    }
  })

  it('because a file stands in the way is explained', () => {
    writeFileSync(run, '')
    expect(errorOf(() => save(1)).message).toMatch(/a file stands where a folder is needed/)
  })
})

describe('a folder that is no whole checkpoint', () => {
  it('is explained', () => {
    expect(errorOf(() => loadCheckpoint(run)).message).toBe(`There is no folder ${run}.`)
    mkdirSync(run)
    expect(errorOf(() => loadCheckpoint(run)).message).toBe(`${run} holds no checkpoint.`)
    expect(errorOf(() => loadCheckpoint(run)).hint).toContain('checkpoints/last')
  })

  it('with a part missing, cut off or from another step, is explained', () => {
    const folder = save(7)
    const weights = join(folder, 'model.safetensors')
    writeFileSync(weights, readFileSync(weights).subarray(0, -4))
    expect(errorOf(() => loadCheckpoint(run)).message).toMatch(/model\.safetensors is cut off/)
    writeSafetensors(weights, tensorsAt(8, 'wte.weight'), { metadata: { step: '8' } })
    expect(errorOf(() => loadCheckpoint(run)).message).toMatch(/model\.safetensors is from step 8, .* from step 7/)
    writeSafetensors(weights, tensorsAt(8, 'wte.weight'))
    expect(errorOf(() => loadCheckpoint(run)).message).toMatch(/is from another program/)
    rmSync(weights)
    expect(errorOf(() => loadCheckpoint(run)).message).toMatch(/model\.safetensors: it does not exist/)
  })

  it.each([
    ['cut off', (text: string) => text.slice(0, 50), /is no JSON/],
    ['of a newer version', (text: string) => text.replace('"version": 1', '"version": 2'), /version 2; this halflife/],
    ['changed by hand', (text: string) => text.replace('"step": 7', '"step": "7"'), /what it should: step: /],
  ])('with a checkpoint.json %s, is explained', (_, change, message) => {
    const file = join(save(7), 'checkpoint.json')
    const text = readFileSync(file, 'utf8')
    expect(change(text)).not.toBe(text)
    writeFileSync(file, change(text))
    expect(errorOf(() => loadCheckpoint(run)).message).toMatch(message)
  })
})

describe('expectTensors', () => {
  const where = { path: 'runs/a', what: 'weights', hint: 'Use the recipe.' }
  it('accepts exactly what is expected', () => {
    expectTensors(
      tensorsAt(1, 'a', 'b'),
      new Map([
        ['b', [2, 3]],
        ['a', [2, 3]],
      ]),
      where,
    )
    expectTensors(new Map(), new Map(), where)
  })

  it('names what is missing, unexpected and of another shape', () => {
    const expected = new Map([
      ['a', [3, 2]],
      ['c', []],
    ])
    const { message } = errorOf(() => expectTensors(tensorsAt(1, 'a', 'b'), expected, where))
    expect(message.split('\n')).toEqual([
      'The weights of runs/a do not fit this model:',
      '  wrong shape: a is [2, 3], expected [3, 2]',
      '  missing: c []',
      '  unexpected: b [2, 3]',
    ])
  })

  it('stops counting aloud', () => {
    const names = Array.from({ length: 148 }, (_, i) => `tensor-${i}`)
    const { message } = errorOf(() => expectTensors(tensorsAt(1, ...names), new Map(), where))
    expect(message.split('\n')).toHaveLength(10)
    expect(message).toContain('and 140 more')
  })
})
