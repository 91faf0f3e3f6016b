/** The page of real runs: well-formed, whole, and honest about what is not there. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CheckpointError } from '../../checkpoint/index.ts'
import { atStep, runTraining, tinyRecipe, type RunOptions } from '../../train/running.test.data.ts'
import { renderChart } from './chart.ts'
import { escape, number, tokenText } from './format.ts'
import { readRunNumbers, renderReport } from './index.ts'
import { kindsOf } from './kinds.ts'

const root = mkdtempSync(join(tmpdir(), 'halflife-report-'))
afterAll(() => rmSync(root, { recursive: true }))
let runs = 0

async function runFolder(options: RunOptions = {}): Promise<string> {
  const out = join(root, `run${runs++}`)
  await runTraining({ out, ...options })
  return out
}

/** Elements that have no end. */
const VOID = new Set(['meta', 'link', 'line', 'circle', '!doctype'])

/** Throws where tags do not nest. Scripts and styles are text. */
function checkNesting(html: string): void {
  const open: string[] = []
  const bare = html.replaceAll(/<(script|style)([^>]*)>[\s\S]*?<\/\1>/g, '<$1$2></$1>')
  for (const [, end, name, rest] of bare.matchAll(/<(\/?)([\w!]+)((?:[^>"]|"[^"]*")*)>/g)) {
    if (VOID.has(name!.toLowerCase()) || rest!.endsWith('/')) continue
    if (end === '') open.push(name!)
    else expect(open.pop(), `</${name}> after ${open.join(' > ')}`).toBe(name)
  }
  expect(open).toEqual([])
  expect(bare.replaceAll(/<(\/?)([\w!]+)((?:[^>"]|"[^"]*")*)>/g, '')).not.toContain('<')
}

const headings = (html: string): string[] => [...html.matchAll(/<h2>(.*?)<\/h2>/g)].map(([, text]) => text!)
const charts = (html: string): string[] => [...html.matchAll(/<h3>(.*?)<\/h3>/g)].map(([, text]) => text!)

describe('the page of a run that looked', () => {
  let [folder, html] = ['', '']
  beforeAll(async () => {
    const recipe = tinyRecipe('optimizer.weightDecay=2', 'model.vocab=17', 'train.clip=1.6')
    folder = await runFolder({ lookEvery: 2, recipe })
    html = renderReport(await readRunNumbers(folder))
  })

  test('has every section and chart', () => {
    expect(headings(html)).toEqual([
      'Training',
      'How large the weights are',
      'The two forces in each step',
      'Clipping',
      'Erased tokens',
      'The ledger',
      'Every tensor in step 12',
    ])
    for (const title of [
      'Loss',
      'Learning rate',
      'Weight decay λ',
      'Norms by role',
      'wte.weight',
      'h.*.mlp.c_fc.weight',
      'Gradient part against decay part',
      'Share of the decay in the update',
      'Share of the weights that decay takes',
      'Angle between the two parts',
      'Update to weight ratio',
      'Rotation per step',
      'Gradient norm',
      'Clip rate',
      'wte.weight: rows by tokens seen',
      'wte.weight: size by tokens seen so far',
    ]) {
      expect(charts(html)).toContain(title)
    }
    expect(html).toContain('4 of 17 rows were never seen')
    expect(html).toContain('The output layer is this same table')
  })

  test('is well-formed, says nothing undefined, and asks for nothing from anywhere', () => {
    checkNesting(html)
    expect(html).not.toMatch(/undefined|NaN|Infinity|\[object/)
    expect(html).not.toMatch(/https?:|url\(|@import|\bsrc=/)
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, to]) => to)).toEqual(['data:,'])
    for (const [, json] of html.matchAll(/<script type="application\/json">(.*?)<\/script>/g)) JSON.parse(json!)
    for (const [, label] of html.matchAll(/<svg [^>]*aria-label="([^"]*)"/g)) expect(label!.length).toBeGreaterThan(10)
    expect(html.match(/<svg /g)!.length).toBe(html.match(/<summary>Numbers<\/summary>/g)!.length)
  })

  test('shows the numbers that the metrics have', async () => {
    const run = await readRunNumbers(folder)
    const last = run.looks.at(-1)!
    expect(run.looks.map(({ step }) => step)).toEqual([1, 2, 4, 6, 8, 10, 12])
    const row = /<th scope="row">h\.0\.mlp\.c_fc\.weight<\/th>(.*?)<\/tr>/g
    const rows = [...html.matchAll(row)].map(([, cells]) =>
      [...cells!.matchAll(/>([^<]*)<\/td>/g)].map(([, cell]) => cell),
    )
    const force = last.tensors['h.0.mlp.c_fc.weight']!
    expect(rows.at(-1)!.slice(0, 5)).toEqual(
      [force.norm, force.rms, force.equilibriumRms, force.gradientPart, force.decayPart].map(number),
    )
    const [table] = run.tokenTables
    expect(table).toMatchObject({ name: 'wte.weight', tied: true, since: 0, step: 12 })
    const [group] = last.tokens.tables[0]!.groups
    const never = table!.rows.filter(({ seen }) => seen === 0)
    expect(never).toHaveLength(group!.rows)
    expect(Math.min(...never.map(({ ratio }) => ratio!)) / group!.least!).toBeCloseTo(1, 3)
    expect(JSON.parse(JSON.stringify(run))).toEqual(run)
  })
})

describe('what is not there', () => {
  test('a run without looks says how to get them, and shows the rest', async () => {
    const html = renderReport(await readRunNumbers(await runFolder()))
    checkNesting(html)
    expect(html.match(/did not look at its forces/g)).toHaveLength(3)
    expect(charts(html)).toEqual([
      'Loss',
      'Learning rate',
      'Weight decay λ',
      'Norms by role',
      'Gradient norm',
      'Clip rate',
    ])
    expect(headings(html)).not.toContain('Every tensor in step 12')
  })

  test('a run that was stopped in its third step has a page, also with a line cut short', async () => {
    const folder = await runFolder({ lookEvery: 5, abortAt: atStep(3) })
    const metrics = join(folder, 'metrics.jsonl')
    const before = renderReport(await readRunNumbers(folder))
    appendFileSync(metrics, '{"kind":"step","step":4,"lo')
    expect(renderReport(await readRunNumbers(folder))).toBe(before)
    checkNesting(before)
    expect(before).toContain('3 of 12')
    rmSync(metrics)
    const none = renderReport(await readRunNumbers(folder))
    checkNesting(none)
    expect(none).toContain('No step has been logged yet')
  })

  test('a run before its first step has a page', async () => {
    const folder = await runFolder({ lookEvery: 5, abortAt: ({ kind }) => kind === 'compiled' })
    checkNesting(renderReport(await readRunNumbers(folder)))
  })

  test.each(['gradient-l2', 'loss-l2'])('%s has a section of its own, and no decay part', async (form) => {
    const recipe = tinyRecipe(`optimizer.form=${form}`)
    const html = renderReport(await readRunNumbers(await runFolder({ lookEvery: 4, recipe })))
    checkNesting(html)
    expect(headings(html)).toContain('The penalty in the gradient')
    expect(charts(html)).not.toContain('Share of the decay in the update')
    expect(charts(html).includes('Penalty in the loss')).toBe(form === 'loss-l2')
    expect(html).toContain('No balance is foretold under this form of decay and this optimizer')
  })

  test('no decay at all, no clipping', async () => {
    const recipe = tinyRecipe('optimizer.weightDecay=0', 'train.clip=0')
    const html = renderReport(await readRunNumbers(await runFolder({ lookEvery: 6, recipe })))
    checkNesting(html)
    expect(charts(html)).not.toContain('Clip rate')
    expect(html).toContain('Nothing is clipped in this run')
  })
})

const failure = async (folder: string): Promise<CheckpointError> => {
  const error: unknown = await readRunNumbers(folder).catch((caught: unknown) => caught)
  if (error instanceof CheckpointError) return error
  throw new Error('it was read')
}

describe('a folder that is no run', () => {
  test('is named, with what to give instead', async () => {
    const error = await failure(root)
    expect(error.message).toBe(`${root} is no folder of a run: it has no config.json.`)
    expect(error.hint).toContain('Give the folder that halflife train wrote to')
    expect((await failure(join(root, 'nowhere'))).message).toContain('There is no folder')
  })

  test('so is a damaged line', async () => {
    const folder = await runFolder()
    const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').split('\n')
    writeFileSync(join(folder, 'metrics.jsonl'), lines.with(3, '{"kind":"step"}').join('\n'))
    expect((await failure(folder)).message).toMatch(/^Line 4 of .*metrics\.jsonl is damaged/)
  })
})

test('names and tokens cannot break out of the page', () => {
  expect(escape('<script>"&\u0000')).toBe('&lt;script&gt;&quot;&amp;\u{FFFD}')
  expect(tokenText('</script>', 5)).toBe('“</script>”')
  expect([tokenText('\n', 1), tokenText('', 7), tokenText('\u{FFFD}', 200)]).toEqual(['“\\n”', 'id 7', 'id 200'])
  const evil = '</script><b>'
  const html = renderChart({
    title: evil,
    yLabel: evil,
    see: evil,
    series: [
      {
        name: evil,
        color: 0,
        points: [
          [1, 1],
          [2, 3],
        ],
      },
    ],
  })
  checkNesting(html)
  expect(html).not.toContain('<b>')
})

test('tensors of one place in all layers are one kind', () => {
  expect(kindsOf(['wte.weight', 'h.0.a', 'h.10.a', 'h.0.b2'])).toEqual([
    { kind: 'wte.weight', members: ['wte.weight'] },
    { kind: 'h.*.a', members: ['h.0.a', 'h.10.a'] },
    { kind: 'h.0.b2', members: ['h.0.b2'] },
  ])
})

test('numbers have three digits', () => {
  expect([0, 1234567, 12.345, 0.0012345, 1.2345e-7, -3, null, NaN].map(number)).toEqual([
    '0',
    '1,234,567',
    '12.3',
    '0.00123',
    '1.23e-7',
    '-3',
    '–',
    '–',
  ])
})
