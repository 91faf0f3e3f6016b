import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from './checkpointError.ts'

/**
 * What saving does to a disk, one operation each, so that a test can stop the world after any of them.
 * All are synchronous and throw the system's errors.
 */
export interface Disk {
  /** Opens a file for writing; `create` empties it, `append` writes at its end. */
  open(path: string, mode: 'create' | 'append'): number
  /** Writes some of the bytes, and says how many. */
  write(file: number, bytes: Uint8Array): number
  truncate(file: number, length: number): void
  /** Returns when what was written has reached the disk. */
  sync(file: number): void
  close(file: number): void
  /** Makes earlier renames in the folder last. */
  syncFolder(path: string): void
  /** With the folders above it; nothing happens when it is there. */
  makeFolder(path: string): void
  /** Replaces a file, but not a folder with something in it. */
  rename(from: string, to: string): void
  /** A second name for a file; a copy where the file system has no hard links. */
  link(from: string, to: string): void
  /** A file or a whole folder; nothing happens when it is not there. */
  remove(path: string): void
}

const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EMLINK', 'ENOSYS'])
/** What opening or syncing a folder gives where it is not supported (Windows, some network file systems). */
const NO_FOLDER_SYNC = new Set(['EPERM', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EBADF'])

export const nodeDisk: Disk = {
  open: (path, mode) => fs.openSync(path, mode === 'create' ? 'w' : 'a'),
  write: (file, bytes) => fs.writeSync(file, bytes),
  truncate: (file, length) => fs.ftruncateSync(file, length),
  sync: (file) => fs.fsyncSync(file),
  close: (file) => fs.closeSync(file),
  syncFolder(path) {
    try {
      const folder = fs.openSync(path, 'r')
      try {
        fs.fsyncSync(folder)
      } finally {
        fs.closeSync(folder)
      }
    } catch (error) {
      if (!NO_FOLDER_SYNC.has(systemCode(error) ?? '')) throw error
    }
  },
  makeFolder,
  rename: (from, to) => fs.renameSync(from, to),
  link(from, to) {
    try {
      fs.linkSync(from, to)
    } catch (error) {
      if (!NO_HARD_LINKS.has(systemCode(error) ?? '')) throw error
      fs.copyFileSync(from, to)
      const copy = fs.openSync(to, 'r+')
      try {
        fs.fsyncSync(copy)
      } finally {
        fs.closeSync(copy)
      }
    }
  },
  remove: (path) => fs.rmSync(path, { recursive: true, force: true }),
}

/**
 * Not mkdirSync with `recursive`: where no folder can be made, Node 20 reports a read-only file system as a missing
 * path, and under /proc it tries until memory runs out.
 */
function makeFolder(path: string): void {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  try {
    fs.mkdirSync(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    fs.mkdirSync(path)
  }
}

/** Writes all of the bytes, however many calls it takes. */
export function writeAll(disk: Disk, file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += disk.write(file, at === 0 ? bytes : bytes.subarray(at))
}
