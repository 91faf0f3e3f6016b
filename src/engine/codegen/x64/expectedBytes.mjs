// Refreshes expectedBytes.txt with the bytes that GNU as (binutils, Intel syntax) makes of its texts.
//
//   node src/engine/codegen/x64/expectedBytes.mjs
//
// To add a case, add a line with its text and run this again. Each line is "text | bytes in hexadecimal". The prefix {load}
// asks for the encoding in which the first operand is the register field; both encodings are right.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const file = new URL('expectedBytes.txt', import.meta.url)
const texts = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split(' | ')[0])

const folder = mkdtempSync(join(tmpdir(), 'expected-bytes-'))
const [source, object, binary] = ['a.s', 'a.o', 'a.bin'].map((name) => join(folder, name))
const labelled = texts.map((text, k) => `L${k}: ${text}\n`)
writeFileSync(source, `.intel_syntax noprefix\n${labelled.join('')}L${texts.length}:\n`)
execFileSync('as', [source, '-o', object])
execFileSync('objcopy', ['-O', 'binary', '-j', '.text', object, binary])

const starts = []
for (const line of execFileSync('nm', [object], { encoding: 'utf8' }).trimEnd().split('\n')) {
  const [address, , label] = line.split(' ')
  starts[Number(label.slice(1))] = Number.parseInt(address, 16)
}
const code = readFileSync(binary)
const lines = texts.map((text, k) => `${text} | ${code.subarray(starts[k], starts[k + 1]).toString('hex')}\n`)
writeFileSync(file, lines.join(''))
