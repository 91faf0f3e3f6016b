import { expect, test } from 'vitest'
import { clip, statusLine } from './statusLine.ts'
import { channel } from './terminal.ts'

function screen(isTTY: boolean, columns = 20) {
  const written: string[] = []
  const sink = { isTTY, columns, write: (text: string) => written.push(text) }
  return { written, line: statusLine(channel(sink, { TERM: 'xterm' }), sink) }
}

test('a status is replaced in place, and lines go above it', () => {
  const { written, line } = screen(true)
  line.show('one')
  line.show('two')
  line.show('two')
  line.line('above')
  line.clear()
  line.line('after')
  const erase = '\r\u001B[2K'
  expect(written).toEqual(['one', `${erase}two`, erase, 'above\n', 'two', erase, 'after\n'])
})

test('a status never fills the line, so that it can be erased', () => {
  const { written, line } = screen(true, 6)
  line.show('123456789')
  expect(written).toEqual(['12345'])
})

test('without a terminal only lines are written', () => {
  const { written, line } = screen(false)
  line.show('one')
  line.line('kept')
  line.clear()
  expect(written).toEqual(['kept\n'])
})

test('colour codes take no room and are never cut', () => {
  expect(clip('\u001B[32m▕██▏\u001B[39m rest', 3)).toBe('\u001B[32m▕██\u001B[39m')
})
