/** Runs the built command as a user's shell would. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Flags of node itself, before the script. */
  readonly node?: readonly string[]
  /** As in setuid. */
  readonly uid?: number
  /** Signals to send, in turn: each once stderr, as it is so far, matches its pattern. */
  readonly signals?: readonly (readonly [when: RegExp, signal: NodeJS.Signals])[]
  /** Told all of stderr so far whenever there is more of it. */
  readonly onStderr?: (text: string, child: ChildProcess) => void
}

/** `halflife args…`; `prefix` puts another program before it, as `bash -c …`. */
export function halflife(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return run([process.execPath, ...(options.node ?? []), MAIN, ...args], options)
}

/** The same under a limit of bash's ulimit, such as `-f 8` (blocks of 1024 bytes per file). */
export function halflifeLimited(limit: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return run(['bash', '-c', `ulimit ${limit} && exec "$@"`, 'bash', process.execPath, MAIN, ...args], options)
}

/** Any program, in an environment of PATH and what is given. */
export function run(
  [program = '', ...args]: readonly string[],
  { cwd, env, uid, signals = [], onStderr }: RunOptions,
): Promise<Result> {
  if (!existsSync(MAIN)) throw new Error('dist/cli/main.js is missing: run npm run build first (npm test does).')
  const settings: SpawnOptions = {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
  }
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, settings)
    let stdout = ''
    let stderr = ''
    const waiting = [...signals]
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      onStderr?.(stderr, child)
      const [when, signal] = waiting[0] ?? []
      if (when?.test(stderr) !== true) return
      waiting.shift()
      child.kill(signal)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

/** A folder of this test file's own, gone when its tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'halflife-cli-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A model small enough that a run takes a moment: 2 steps of 2 × 8 characters. */
export const TINY: readonly string[] = [
  'model.layers=1',
  'model.heads=2',
  'model.width=16',
  'model.context=8',
  'train.batchSize=2',
  'train.evalEvery=2',
  'schedule.warmup=0',
].flatMap((setting) => ['--set', setting])

/** 600 characters of real words, 27 symbols or fewer. */
export const TEXT = 'call me ishmael some years ago never mind how long precisely having little or no money\n'.repeat(7)
