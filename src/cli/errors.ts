/**
 * The one place where errors become words for a person, and exit codes for a script:
 * 0 done, 1 the work failed, 2 the command line or the configuration is wrong, 130 stopped by Ctrl-C.
 *
 * Every typed error of halflife carries a `hint`; system errors get theirs from a table below. What remains is a
 * fault of the program itself and is reported as such; HALFLIFE_DEBUG=1 adds the stack to any error.
 */
import { CommanderError } from 'commander'
import type { Channel } from './terminal.ts'

export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** A command line that cannot be followed. */
export class UsageError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}

export interface Failure {
  readonly message: string
  readonly hint: string | null
  readonly exitCode: number
}

/** Errors that the command line or a configuration file causes, by class name: no part needs to be imported for it. */
const USAGE_ERRORS: ReadonlySet<string> = new Set([
  'UsageError',
  'RecipeError',
  'PolicyError',
  'PrecisionError',
  'UnknownCaseError',
])

/** What to tell about an error; null where all has been told already, as after `--help`. */
export function describeFailure(error: unknown): Failure | null {
  if (error instanceof CommanderError) return describeUsage(error)
  if (!(error instanceof Error)) return ownFault(String(error))
  const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : null
  if (hint !== null) {
    const exitCode = USAGE_ERRORS.has(error.name) ? EXIT.usage : EXIT.failed
    return { message: error.message, hint, exitCode }
  }
  return describeSystemError(error) ?? describeMemory(error) ?? ownFault(error.message)
}

/** Writes `error:` and `hint:` lines and returns the exit code. */
export function reportFailure(
  error: unknown,
  err: Channel,
  env: Readonly<Record<string, string | undefined>> = process.env,
): number {
  const failure = describeFailure(error)
  if (failure === null) return EXIT.done
  err.line(`${err.style('red', 'error:')} ${failure.message}`)
  if (failure.hint !== null) err.line(`${err.style('cyan', 'hint:')} ${failure.hint}`)
  if ((env['HALFLIFE_DEBUG'] ?? '') !== '' && error instanceof Error) {
    err.line()
    err.line(err.style('dim', stackOf(error)))
  }
  return failure.exitCode
}

/** Commander writes "error: …\n(Did you mean …?)"; help and version end the program through an error of code 0. */
function describeUsage({ code, message, exitCode }: CommanderError): Failure | null {
  if (exitCode === 0) return null
  if (code === 'commander.help') {
    // `halflife` alone: the help is on the screen already.
    return { message: 'No command was given.', hint: 'Start with: halflife train', exitCode: EXIT.usage }
  }
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const guess = rest.join(' ').replace(/^\((.*)\)$/, '$1')
  const hint = `${guess === '' ? '' : `${guess} `}Add --help to see what the command takes.`
  return { message: sentence(first), hint, exitCode: EXIT.usage }
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(first) ? first : `${first}.`
}

/** Code of a system error -> what it means, and what to do. */
const SYSTEM_ERRORS: ReadonlyMap<string, readonly [meaning: string, hint: string]> = new Map([
  ['ENOENT', ['there is no such file or folder', 'Check the path.']],
  ['ENOTDIR', ['a part of the path is a file', 'Check the path.']],
  ['EISDIR', ['it is a folder', 'Give a file.']],
  ['EEXIST', ['it exists already', 'Give another name.']],
  ['EACCES', ['this user may not', 'Change its permissions, or choose another folder.']],
  ['EPERM', ['this user may not', 'Change its permissions, or choose another folder.']],
  ['EROFS', ['the file system is read-only', 'Choose another folder.']],
  ['ENOSPC', ['the disk is full', 'Make room, or choose a folder on another disk.']],
  ['EDQUOT', ['the disk quota is used up', 'Make room, or choose a folder on another disk.']],
  ['EMFILE', ['too many files are open', 'Raise the limit with ulimit -n.']],
  ['EIO', ['the disk reports a fault', 'Choose a folder on another disk.']],
  ['ERR_MODULE_NOT_FOUND', ['a package is not installed', 'Run npm ci in the folder of halflife.']],
])

function describeSystemError(error: NodeJS.ErrnoException): Failure | null {
  const known = SYSTEM_ERRORS.get(error.code ?? '')
  if (known === undefined) return null
  const [meaning, hint] = known
  const what = error.path === undefined ? error.message : `${error.syscall ?? 'use'} "${error.path}"`
  return { message: `Cannot ${what}: ${meaning}.`.replace(/^Cannot Cannot/, 'Cannot'), hint, exitCode: EXIT.failed }
}

function describeMemory(error: Error): Failure | null {
  if (!/allocation failed|invalid (typed )?array (buffer )?length|could not allocate/i.test(error.message)) return null
  return {
    message: `Not enough memory: ${error.message}.`,
    hint: 'Make the run smaller with --set train.batchSize=… or --set model.context=…, or close other programs.',
    exitCode: EXIT.failed,
  }
}

function ownFault(message: string): Failure {
  return {
    message: `halflife failed where it should not: ${message}`,
    hint: 'Set HALFLIFE_DEBUG=1 and run again to see where; that output makes a good bug report.',
    exitCode: EXIT.failed,
  }
}

/** The stack with the stacks of its causes. */
function stackOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own
}
