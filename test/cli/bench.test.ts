/** `bench`: its document, its table, PyTorch played by a script, and what goes wrong. */
import { chmodSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { benchRecord } from '../../src/records/index.ts'
import { halflife, temporaryFolder } from './halflife.ts'

const folder = temporaryFolder()
const SHORT = ['tiny', '--rounds', '2', '--steps', '3', '--threads', '1']

/** A program that answers as `pytorch.py` does: `ready` is JavaScript for new work, `times` what a step takes. */
function pretendPython(name: string, ready: string, times = '[8, 8, 8]'): string {
  const path = join(folder, name)
  const script = `#!${process.execPath}
if (process.argv[2] === '-c') { console.log('9.9.9'); process.exit(0) }
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line)
  if ('kind' in request) { ${ready} } else console.log(JSON.stringify({ times: ${times} }))
})
`
  writeFileSync(path, script)
  chmodSync(path, 0o755)
  return path
}
const answer = (modes: string): string =>
  `console.log(JSON.stringify({ torch: '9.9.9', python: '3', threads: request.threads, modes: ${modes} }))`

describe('results', () => {
  test('--json is one document of the schema, with the machine beside the case', async () => {
    const { code, stdout } = await halflife(['bench', ...SHORT, '--no-pytorch', '--json'])
    expect(code).toBe(0)
    const { machine, results } = benchRecord.parse(JSON.parse(stdout))
    expect(results).toHaveLength(1)
    const [result] = results
    expect(result).toMatchObject({
      name: 'tiny',
      precision: 'fp32',
      threads: 1,
      steps: 6,
      pytorchMs: null,
      ratio: null,
    })
    expect(result!.shareQuartiles[0]).toBeLessThanOrEqual(result!.shareOfPeak)
    expect(result!.shareQuartiles[1]).toBeGreaterThanOrEqual(result!.shareOfPeak)
    expect(result!.flopsPerSecond).toBeCloseTo((1e3 * result!.flops) / result!.medianMs)
    expect(result!.peak).toBe(machine.peakFp32)
    expect(machine.bandwidth).toBe(Math.max(...Object.values(machine.bandwidths)))
    expect(machine.peakBf16 === null).toBe(machine.withoutBf16 !== null)
    expect(machine).toMatchObject({ threads: 1, pytorch: null, backend: result!.backend })
  })

  test('a table for people, and on stderr where the time goes', async () => {
    const { code, stdout, stderr } = await halflife(['bench', ...SHORT, '--no-pytorch', '--profile'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/fp32 [\d.]+ Gflop\/s.*memory read [\d.]+,.* GB\/s/)
    expect(stdout).toMatch(/^case +step, ms/m)
    expect(stdout).toMatch(/^tiny \(fp32, \w+, 1 thread\) +[\d.]+ +\([\d.]+ – [\d.]+\)/m)
    expect(stderr).toMatch(/ms in all\n.*Gflop\/s.* % of (peak|bandwidth) /)
  })
})

test.skipIf(availableParallelism() < 2)(
  'several counts of threads take turns, each beside ceilings of as many',
  async () => {
    const python = pretendPython('counting', answer(`{ eager: { readyMs: 5 } }`))
    const counts = ['tiny', '--rounds', '2', '--steps', '3', '--threads', '2,1,2', '--python', python, '--json']
    const { code, stdout, stderr } = await halflife(['bench', ...counts])
    expect(code).toBe(0)
    expect(stderr).toMatch(/tiny on 2 threads: .*\n.*tiny on 1 thread: /)
    const { machine, results } = benchRecord.parse(JSON.parse(stdout))
    expect(results.map(({ threads, steps, pytorchMs }) => [threads, steps, pytorchMs])).toEqual([
      [2, 6, 8],
      [1, 6, 8],
    ])
    const [two, one] = results
    expect(one!.speedup).toBe(null)
    expect(two!.speedup!.over).toBe(1)
    expect(machine.threads).toBe(2)
    expect(machine.others.map(({ threads }) => threads)).toEqual([1])
    expect([two!.peak, one!.peak]).toEqual([machine.peakFp32, machine.others[0]!.peakFp32])
  },
)

describe('PyTorch', () => {
  test('the faster mode counts', async () => {
    const python = pretendPython(
      'both',
      answer(`{ eager: { readyMs: 5 }, compiled: { readyMs: 900 } }`),
      "request.mode === 'eager' ? [9, 9, 9] : [8, 8, 8]",
    )
    const { code, stdout } = await halflife(['bench', ...SHORT, '--python', python, '--compile', '--json'])
    expect(code).toBe(0)
    const { machine, results } = benchRecord.parse(JSON.parse(stdout))
    const [result] = results
    expect(machine.pytorch).toBe('9.9.9')
    expect(result).toMatchObject({ pytorchMs: 8, pytorchMode: 'compiled' })
    // two rounds: the quartiles are evenly around their mean
    const [low, high] = result!.ratioQuartiles!
    expect(result!.ratio).toBeCloseTo((low! + high!) / 2)
    expect(result!.pytorch).toEqual([
      { mode: 'eager', medianMs: 9, quartilesMs: [9, 9], steps: 6, readyMs: 5 },
      { mode: 'compiled', medianMs: 8, quartilesMs: [8, 8], steps: 6, readyMs: 900 },
    ])
  })

  test('a mode that fails is left out, and the reason told', async () => {
    const python = pretendPython('eager', answer(`{ eager: { readyMs: 5 }, compiled: { error: 'no g++' } }`))
    const { stdout, stderr } = await halflife(['bench', ...SHORT, '--python', python, '--compile'])
    expect(stderr).toMatch(/note: tiny: PyTorch's mode compiled is left out: no g\+\+/)
    expect(stdout).toMatch(/ 8 +eager +[\d.]+ ×/)
  })

  test('its last words end the bench', async () => {
    const python = pretendPython('dying', `console.error('RuntimeError: out of tensors'); process.exit(1)`)
    const { code, stdout, stderr } = await halflife(['bench', ...SHORT, '--python', python])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/error: PyTorch \(.*dying\) ended: RuntimeError: out of tensors\nhint: Leave PyTorch out/)
  })

  test('answers that are none are refused', async () => {
    const python = pretendPython('babbling', `console.log('hello')`)
    const { code, stderr } = await halflife(['bench', ...SHORT, '--python', python])
    expect(code).toBe(1)
    expect(stderr).toMatch(/error: PyTorch answered hello\.\nhint: Is .*babbling a Python\?/)
  })

  test('where the default Python has no torch it is left out', async () => {
    const { code, stdout, stderr } = await halflife(['bench', ...SHORT], { env: { PATH: folder } })
    expect(code).toBe(0)
    expect(stderr).toMatch(/note: python3 has no torch, so PyTorch is left out; --python/)
    expect(stdout).toMatch(/^tiny /m)
  })
})

test('Ctrl-C prints the cases that are done', async () => {
  const cases = ['tiny', 'nanogpt-cpu', '--rounds', '30', '--steps', '1', '--threads', '1', '--no-pytorch', '--json']
  const { code, stdout, stderr } = await halflife(['bench', ...cases], { signals: [[/^tiny: /m, 'SIGINT']] })
  expect(code).toBe(130)
  expect(stderr).toMatch(/Stopping after this turn/)
  expect(benchRecord.parse(JSON.parse(stdout)).results.map(({ name }) => name)).toEqual(['tiny'])
})

describe('mistakes', () => {
  test.each([
    [['tinny'], /no case "tinny"/, /Did you mean "tiny"\?.*--list/],
    [['tiny', '--python', '/nowhere/python'], /\/nowhere\/python is no Python with torch/, /--no-pytorch/],
    [['tiny', '--no-pytorch', '--compile'], /--compile has no use with --no-pytorch/, /Leave one/],
    [['tiny', '--no-pytorch', '--python', 'python3'], /--python has no use with --no-pytorch/, /Leave one/],
    [['gpt2-124m-wasm', '--backend', 'native'], /gpt2-124m-wasm runs on wasm/, /--backend/],
    [['tiny', '--rounds', '0'], /whole number, 1 or more/, /--help/],
    [['tiny', '--threads', '1,x'], /whole number, 1 or more/, /--help/],
    [['tiny', '--backend', 'wasm', '--precision', 'bf16'], /bf16 cannot be had here/, /fp32/],
  ])('%j', async (args, error, hint) => {
    const { code, stdout, stderr } = await halflife(['bench', ...args])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(error)
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(hint)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('the interpreter has no ceilings', async () => {
    const { code, stderr } = await halflife([
      'bench',
      'tiny',
      '--no-pytorch',
      '--backend',
      'interpreter',
      '--rounds',
      '1',
    ])
    expect(code).toBe(1)
    expect(stderr).toMatch(/error: The interpreter backend does not compile.*\nhint: Choose --backend native/)
  })
})

test('--list has every case with what it does, --json too', async () => {
  const [text, json] = await Promise.all([
    halflife(['bench', '--list']),
    halflife(['bench', 'tiny', '--list', '--json']),
  ])
  expect(text.stdout).toMatch(/^gpt2-124m +training step: GPT-2 124M, B 4, T 256$/m)
  expect(text.stdout).toMatch(/^tiny .*\(quick\)$/m)
  expect(JSON.parse(json.stdout)).toEqual([expect.objectContaining({ name: 'tiny', limit: 'peak', quick: true })])
})
