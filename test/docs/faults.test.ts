/** docs/faults.md names tests that there are. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const rows = readFileSync(`${ROOT}docs/faults.md`, 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| fault'))
  .map((line) => line.slice(2, -2).split(' | ').at(-1)!)

test.each(rows.filter((row) => !row.startsWith('cannot exist: ')))('%s', (row) => {
  const [, file = '', title = ''] = /^(\S+\.test\.ts): (.+)$/.exec(row) ?? []
  expect(file, 'a test file and a title').not.toBe('')
  const source = readFileSync(ROOT + file, 'utf8')
  const titles = [...source.matchAll(/\b(?:test|describe)(?:\.each\([^\n]*\))?\(\s*(['"`])(.*?)\1,/g)].map(
    ([, , name]) => name,
  )
  const continued = [...source.matchAll(/^\s*\]?\)?\(?\s*(['"`])(.*?)\1,\s*(?:\(|async|\{)?/gm)].map(
    ([, , name]) => name,
  )
  expect(
    [...titles, ...continued].some((name) => name?.startsWith(title) === true),
    title,
  ).toBe(true)
})

test('every fault has a test, or a reason why it cannot exist', () => {
  expect(rows.length).toBeGreaterThanOrEqual(40)
  for (const row of rows.filter((text) => text.startsWith('cannot exist: '))) expect(row.length).toBeGreaterThan(40)
})
