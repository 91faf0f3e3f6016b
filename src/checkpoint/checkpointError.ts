/** A file of a run that cannot be read or written: what is wrong with which file, and in `hint` what to do about it. */
export class CheckpointError extends Error {
  /** The file or folder concerned. */
  readonly path: string
  readonly hint: string
  constructor(path: string, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CheckpointError'
    this.path = path
    this.hint = hint
  }
}

/** What a system error code means, to go after "Cannot write X: ". */
const WRITE_FAILURES: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EACCES: ['this user may not write there', 'Change its permissions, or choose another folder.'],
  EPERM: ['this user may not write there', 'Change its permissions, or choose another folder.'],
  EROFS: ['the file system is read-only', 'Choose a folder on a writable disk.'],
  ENOSPC: ['the disk is full', 'Free some space, or choose a folder on another disk.'],
  EDQUOT: ['the disk quota is used up', 'Free some space, or choose a folder on another disk.'],
  EFBIG: ['the file is larger than the file system allows', 'Choose a folder on another disk.'],
  ENOENT: ['no folder can be made there', 'Choose another folder.'],
  ENOTDIR: ['a file stands where a folder is needed', 'Choose another folder.'],
  EEXIST: ['a file stands where a folder is needed', 'Choose another folder.'],
  EISDIR: ['a folder stands where a file is needed', 'Choose another folder.'],
  EIO: ['the disk reports an error', 'Check the disk, and choose a folder on another one.'],
}

const READ_FAILURES: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOENT: ['it does not exist', 'Check the path; a run folder holds checkpoints/last.'],
  ENOTDIR: ['a part of its path is a file', 'Check the path; a run folder holds checkpoints/last.'],
  EISDIR: ['it is a folder', 'Name the file in it.'],
  EACCES: ['this user may not read it', 'Change its permissions, or copy it.'],
  EPERM: ['this user may not read it', 'Change its permissions, or copy it.'],
  EIO: ['the disk reports an error', 'Check the disk; another checkpoint of the run may be whole.'],
}

/** Runs `write`; a system error becomes a CheckpointError in plain words. `path` is what people call the target. */
export function writing<T>(path: string, write: () => T): T {
  return translating(path, 'write', WRITE_FAILURES, ' Checkpoints saved before are untouched.', write)
}

/** Runs `read`; a system error becomes a CheckpointError in plain words. */
export function reading<T>(path: string, read: () => T): T {
  return translating(path, 'read', READ_FAILURES, '', read)
}

function translating<T>(
  path: string,
  verb: string,
  failures: Readonly<Record<string, readonly [what: string, hint: string]>>,
  comfort: string,
  run: () => T,
): T {
  try {
    return run()
  } catch (error) {
    // What a part could not write, the whole could not: people are told of the whole.
    const cause = error instanceof CheckpointError && error.cause !== undefined ? error.cause : error
    const code = systemCode(cause)
    if (code === undefined) throw error
    const [what, hint] = failures[code] ?? [
      'the system refuses',
      'Look the code up in the manual of your system (errno).',
    ]
    throw new CheckpointError(path, `Cannot ${verb} ${path}: ${what} (${code}).${comfort}`, hint, cause)
  }
}

/** The code of a system error ("ENOENT", "ENOSPC"), or undefined when `error` is none. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('errno' in error)) return undefined
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
