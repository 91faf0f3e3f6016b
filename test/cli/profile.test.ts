/** `train --profile`: tells where the time goes and changes nothing of the run. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { stepProfileRecord } from '../../src/records/index.ts'
import { halflife, TEXT, temporaryFolder, TINY } from './halflife.ts'

const folder = temporaryFolder()
const at = (name: string): string => join(folder, name)
const text = at('text.txt')
beforeAll(() => writeFileSync(text, TEXT))

const train = (out: string, steps: number, ...more: readonly string[]) => {
  const base = ['train', '--data', text, ...TINY, '--threads', '1', '--sample', '0', '--look-every', '4']
  return halflife([...base, '--steps', String(steps), '--out', at(out), ...more])
}
const weights = (run: string): Buffer => readFileSync(join(at(run), 'checkpoints/last/model.safetensors'))
const losses = (run: string): unknown[] => {
  const lines = readFileSync(join(at(run), 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => JSON.parse(line)).flatMap(({ kind, loss }) => (kind === 'step' ? [loss] : []))
}

describe.each(['auto', 'wasm', 'interpreter'])('%s', (backend) => {
  test('the profiled run is the same to the last bit', async () => {
    const plain = await train(`plain-${backend}`, 8, '--backend', backend)
    const file = at(`${backend}.json`)
    const profiled = await train(`${backend}`, 8, '--backend', backend, '--profile', '--profile-to', file)
    expect([plain.code, profiled.code]).toEqual([0, 0])
    expect(weights(backend)).toEqual(weights(`plain-${backend}`))
    expect(losses(backend)).toEqual(losses(`plain-${backend}`))
    expect(plain.stderr).not.toContain('ms in all')
    expect(profiled.stderr).toMatch(/Profile of steps 5 to 8, per step, .*\n +[\d.]+ ms in all\n +[\d.]+ ms .*Gflop\/s/)
    const profile = stepProfileRecord.parse(JSON.parse(readFileSync(file, 'utf8')))
    expect(profile).toMatchObject({ first: 5, last: 8, threads: 1, precision: 'fp32' })
    expect(profile.peak === null).toBe(backend === 'interpreter')
    const times = profile.kernels.map(({ milliseconds }) => milliseconds)
    expect(times).toEqual(times.toSorted((a, b) => b - a))
    expect(profile.kernels.reduce((sum, { shareOfTime }) => sum + shareOfTime, 0)).toBeCloseTo(1)
    expect(profile.kernels.some(({ label }) => /matmul/.test(label))).toBe(true)
    // Evaluations lie between the watched steps and are no part of them.
    expect(profile.kernels.every(({ shareOfCeiling }) => (shareOfCeiling === null) === (profile.peak === null))).toBe(
      true,
    )
  })
})

test('accumulated steps count all their batches', async () => {
  const file = at('accumulated.json')
  await train('accumulated', 2, '--set', 'train.accumulation=3', '--look-every', '0', '--profile-to', file)
  const { first, last, kernels } = stepProfileRecord.parse(JSON.parse(readFileSync(file, 'utf8')))
  expect([first, last]).toEqual([2, 2])
  const forward = kernels.find(({ label }) => /^h\.\*\.attn\.c_attn.* matmul/.test(label))!
  expect(forward.launches).toBe(3)
})

test('--profile-to alone writes only the file; where it cannot, the run is not lost', async () => {
  const quiet = await train('quiet', 2, '--profile-to', at('quiet.json'))
  expect(quiet.stderr).not.toContain('ms in all')
  expect(existsSync(at('quiet.json'))).toBe(true)
  const { code, stderr } = await train('kept', 2, '--profile-to', at('none/there.json'))
  expect(code).toBe(1)
  expect(stderr).toMatch(/error: .*there\.json.*\nhint: /)
  expect(weights('kept').length).toBeGreaterThan(0)
})
