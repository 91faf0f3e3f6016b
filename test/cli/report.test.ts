/** `halflife report`, on runs that the built program made. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { halflife, temporaryFolder, TEXT, TINY } from './halflife.ts'

const folder = temporaryFolder()
const text = join(folder, 'text.txt')
const run = join(folder, 'run')
const train = ['train', '--data', text, ...TINY, '--steps', '4', '--sample', '0', '--threads', '1']

beforeAll(async () => {
  writeFileSync(text, TEXT)
  expect(await halflife([...train, '--out', run])).toMatchObject({ code: 0 })
})

describe('report', () => {
  test('writes a page into the run’s folder, from a run that was trained without a flag', async () => {
    const { code, stdout, stderr } = await halflife(['report', run])
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${join(run, 'report.html')}\n`, stderr: '' })
    const page = readFileSync(join(run, 'report.html'), 'utf8')
    expect(page).toMatch(/^<!doctype html>[^]*<h2>The two forces in each step<\/h2>[^]*<\/html>\n$/)
    expect(page).not.toContain('did not look')
  })

  test('or where it is told to', async () => {
    const file = join(folder, 'page.html')
    expect(await halflife(['report', `${run}/`, '--out', file])).toMatchObject({ code: 0, stdout: `${file}\n` })
    expect(readFileSync(file, 'utf8')).toBe(readFileSync(join(run, 'report.html'), 'utf8'))
  })

  test('--json prints the numbers and writes nothing', async () => {
    const other = join(folder, 'other')
    await halflife([...train, '--out', other, '--look-every', '2'])
    const { code, stdout } = await halflife(['report', other, '--json'])
    expect(code).toBe(0)
    const { looks, ledger, curves } = JSON.parse(stdout)
    expect(looks.map(({ step }: { step: number }) => step)).toEqual([1, 2, 4])
    expect(looks[2].roles.matrix.decayPart).toBeGreaterThan(0)
    expect(ledger.policy).toBe('nanogpt')
    expect(curves.trainLoss).toHaveLength(4)
    expect(existsSync(join(other, 'report.html'))).toBe(false)
  })

  test('says what a run without looks lacks', async () => {
    const blind = join(folder, 'blind')
    await halflife([...train, '--out', blind, '--look-every', '0'])
    const { code, stderr } = await halflife(['report', blind])
    expect(code).toBe(0)
    expect(stderr).toMatch(/did not look at its forces.*--look-every 10/)
    expect(existsSync(join(blind, 'checkpoints', 'last', 'observed.json'))).toBe(false)
  })

  test.each([
    [['report', folder], 1, /is no folder of a run: it has no config\.json\.\nhint: Give the folder/],
    [['report', join(folder, 'nowhere')], 1, /There is no folder/],
    [['report', run, '--out', join(folder, 'no', 'page.html')], 1, /Cannot write .*page\.html: no folder can be made/],
    [['report'], 2, /Missing required argument/],
    [[...train, '--look-every', '-1'], 2, /--look-every.*Expected a whole number, 0 or more/],
  ])('%j fails with a reason', async (args, expected, message) => {
    const { code, stderr, stdout } = await halflife(args as string[])
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})
