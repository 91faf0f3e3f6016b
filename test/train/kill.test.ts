/** A run that is killed again and again ends with the same bits as one that never was. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { halflife, temporaryFolder, TEXT } from '../cli/halflife.ts'

const folder = temporaryFolder()
const text = join(folder, 'text.txt')
writeFileSync(text, TEXT)

const STEPS = 160
const SETTINGS: readonly string[] = [
  'model.layers=2',
  'model.heads=2',
  'model.width=32',
  'model.context=16',
  'model.dropout=0.1',
  'train.batchSize=4',
  'train.accumulation=2',
  'train.evalEvery=20',
  `schedule.steps=${STEPS}`,
].flatMap((setting) => ['--set', setting])

/** Kills the process a moment after it said that it saved its `count`-th checkpoint. */
function killAfter(count: number, milliseconds: number): NonNullable<Parameters<typeof halflife>[1]>['onStderr'] {
  let waiting = true
  return (stderr, child) => {
    if (!waiting || (stderr.match(/^saved .*\(last\)/gm) ?? []).length < count) return
    waiting = false
    setTimeout(() => child.kill('SIGKILL'), milliseconds)
  }
}

/** Metrics without what the clock says. */
function metrics(run: string): unknown[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const { tokensPerSecond: _, seconds: __, ...rest } = JSON.parse(line) as Record<string, unknown>
    return rest
  })
}

test('SIGKILL at any moment, then --resume, loses nothing', async () => {
  const whole = join(folder, 'whole')
  const killed = join(folder, 'killed')
  const quiet = ['--sample', '0', '--threads', '1']
  const start = ['train', '--data', text, '--tokenizer', 'char', ...quiet, ...SETTINGS]
  expect(await halflife([...start, '--out', whole])).toMatchObject({ code: 0 })

  // The moment is a random one; whichever it is, the bits must be the same.
  const first = await halflife([...start, '--out', killed], { onStderr: killAfter(1, 20 * Math.random()) })
  expect(first.signal).toBe('SIGKILL')
  const resume = ['train', '--resume', killed, ...quiet]
  const second = await halflife(resume, { onStderr: killAfter(3, 20 * Math.random()) })
  expect(second.signal).toBe('SIGKILL')
  expect(second.stderr).toMatch(/going on after step \d+0 of/)
  expect(await halflife(resume)).toMatchObject({ code: 0 })

  for (const file of ['model.safetensors', 'optimizer.safetensors']) {
    const path = join('checkpoints', 'last', file)
    expect(readFileSync(join(killed, path)).equals(readFileSync(join(whole, path))), file).toBe(true)
  }
  expect(metrics(killed)).toEqual(metrics(whole))
  // Every step, an evaluation after each twentieth and before the first, a look at the first step and each tenth.
  expect(metrics(whole).length).toBe(STEPS + (STEPS / 20 + 1) + (STEPS / 10 + 1))
})
