import { expect, test } from 'vitest'
import { channel, wantsColor } from './terminal.ts'

test.each([
  [true, {}, true],
  [false, {}, false],
  [true, { NO_COLOR: '1' }, false],
  [true, { NO_COLOR: '' }, true],
  [true, { TERM: 'dumb' }, false],
  [false, { FORCE_COLOR: '1' }, true],
  [true, { FORCE_COLOR: '0' }, false],
  [true, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
])('terminal %s, %j: colours %s', (isTerminal, env, expected) => {
  expect(wantsColor(isTerminal, env)).toBe(expected)
})

test('styles are codes where colours are on and nothing where they are off', () => {
  const sink = { write: () => {}, isTTY: true, columns: 100 }
  expect(channel(sink, {}).style('red', 'x')).toBe('\u001B[31mx\u001B[39m')
  expect(channel(sink, { NO_COLOR: '1' }).style('red', 'x')).toBe('x')
  expect(channel(sink, {}).width()).toBe(100)
})
